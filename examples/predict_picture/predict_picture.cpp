// Prints what a model package sees in pictures: predict_picture MODEL.fmm SCORE PICTURE...
#include <fastermask/predictor.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s MODEL.fmm SCORE PICTURE...\n", argv[0]);
    return 2;
  }
  try {
    fastermask::PredictorOptions options;
    options.score_threshold = std::atof(argv[2]);
    const fastermask::Predictor predictor(argv[1], options);
    for (int i = 3; i < argc; ++i) {
      for (const fastermask::Instance& instance : predictor.predict_file(argv[i])) {
        const auto pixels = instance.mask.pixels();
        const auto area = std::count(pixels.begin(), pixels.end(), 1);
        std::printf("%s: %s %.3f, box %.1f %.1f %.1f %.1f, mask of %td pixels\n", argv[i],
                    predictor.class_names()[static_cast<std::size_t>(instance.class_index)].c_str(),
                    static_cast<double>(instance.score), static_cast<double>(instance.x1),
                    static_cast<double>(instance.y1), static_cast<double>(instance.x2),
                    static_cast<double>(instance.y2), area);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
