// make_test_video OUT PICTURE...: a video of pictures, each cut to the size that all have, four frames a second, for
// tests of commands that read videos.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include "fastermask/data/image_io.h"
#include "fastermask/video/video.h"

int main(int argc, char** argv) {
  using namespace fastermask;
  try {
    std::vector<Image> pictures;
    ImageSize size{1 << 20, 1 << 20};
    for (int i = 2; i < argc; ++i) {
      pictures.push_back(read_image(argv[i]));
      size = {std::min(size.height, pictures.back().height), std::min(size.width, pictures.back().width)};
    }
    VideoWriter writer(argc > 1 ? argv[1] : "", {size, 4, 0});
    for (const Image& picture : pictures) {
      Image frame(size.height, size.width);
      for (int y = 0; y < size.height; ++y) std::copy_n(picture.row(y), frame.row_bytes(), frame.row(y));
      writer.write(frame);
    }
    writer.finish();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
