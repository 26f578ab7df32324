// The whole way of training pictures on real data, from JPEG to normalised batches: by threads, with memory, and by
// stage.
//   bench_data pictures ANNOTATIONS.json:IMAGES THREADS ITERATIONS   batches of 2; pictures a second, memory on the way
//   bench_data stages ANNOTATIONS.json:IMAGES                        each stage by itself, in one thread
#include "data/pictures_bench.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>

#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/data/preprocess.h"

namespace fastermask::bench {
namespace {

constexpr int kBatch = 2;

double resident_mib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("VmRSS", 0) == 0) return std::atof(line.c_str() + 6) / 1024;
  }
  return -1;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

LoaderOptions usual_options(int threads) {
  LoaderOptions options;
  options.threads = threads;
  options.batch_size = kBatch;
  options.mapper.masks = true;
  options.mapper.augmentation.min_sizes = {800};
  options.mapper.augmentation.flip = FlipMode::horizontal;
  return options;
}

}  // namespace

void run_pictures(const std::string& name, int threads, int iterations) {
  set_console_log_level(LogLevel::error);
  set_num_threads(1);
  TrainingLoader loader(load_datasets({name}), usual_options(threads));
  for (int i = 0; i < 4; ++i) loader.next();
  const auto start = std::chrono::steady_clock::now();
  const double cpu_start = cpu_seconds();
  for (int i = 0; i < iterations; ++i) {
    loader.next();
    if (iterations >= 1000 && (i + 1) % (iterations / 10) == 0)
      std::printf("iteration %5d: resident %.1f MiB\n", i + 1, resident_mib());
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double pictures = static_cast<double>(iterations) * kBatch;
  std::printf("%d threads: %.1f pictures/s, %.1f pictures per second of processor time\n", threads, pictures / seconds,
              pictures / (cpu_seconds() - cpu_start));
}

void run_stages(const std::string& name) {
  set_console_log_level(LogLevel::error);
  set_num_threads(1);
  const auto dataset = load_datasets({name});
  const LoaderOptions options = usual_options(0);
  const std::size_t count = dataset->records.size();
  struct Picture {
    std::string bytes;
    Image decoded;
    Image augmented;
    Transforms transforms;
  };
  std::vector<Picture> pictures(count);
  std::vector<float> batch;
  const auto time = [&](const char* stage, const std::function<void(std::size_t)>& step) {
    double best = 1e30;
    for (int round = 0; round < 3; ++round) {
      const double start = cpu_seconds();
      for (std::size_t i = 0; i < count; ++i) step(i);
      best = std::min(best, cpu_seconds() - start);
    }
    std::printf("%-34s %7.3f ms a picture\n", stage, 1000 * best / static_cast<double>(count));
  };
  time("reading the file", [&](std::size_t i) { pictures[i].bytes = read_file(dataset->records[i].file_name); });
  time("decoding", [&](std::size_t i) { pictures[i].decoded = decode_image(pictures[i].bytes, "bench"); });
  time("copying (not part of the way)", [&](std::size_t i) { pictures[i].augmented = pictures[i].decoded; });
  time("copying, resizing, half flipped", [&](std::size_t i) {
    Random random(7, RandomPurpose::augmentation, i);
    pictures[i].transforms = choose_transforms(options.mapper.augmentation, pictures[i].decoded.size(), random);
    pictures[i].augmented = apply_transforms(pictures[i].transforms, pictures[i].decoded);
  });
  time("normalising and padding", [&](std::size_t i) {
    const ImageSize size = pictures[i].augmented.size();
    const ImageSize padded = padded_size({&size, 1}, 32);
    batch.resize(static_cast<std::size_t>(padded.height) * static_cast<std::size_t>(padded.width) * 3);
    normalise_into(pictures[i].augmented, options.pixel_mean, options.pixel_std, batch.data(), padded);
  });
  time("boxes and masks", [&](std::size_t i) {
    make_ground_truth(*dataset, dataset->records[i], pictures[i].transforms, options.mapper);
  });
}

}  // namespace fastermask::bench
