// Predicts pictures of ever new sizes and watches the memory: steady_memory MODEL.fmm PICTURES THREADS. Threads share one
// Predictor; each picture's result must be that of a Predictor used by one thread alone. Says what a picture allocates
// that has been predicted before, and how many megabytes were resident after a fifth of the pictures and at the end.
// Fails when a picture allocates more than kMostAllocations and two for each instance (its mask's runs, and the soft
// mask they come from), or when the end is above the fifth: by 2 % and 1 MB, of less than 2000 pictures, where not all
// sizes have been met, by 20 % and 16 MB.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/embed/predictor.h"
#include "support/allocation_count.h"

namespace fastermask {
namespace {

double resident_megabytes() {
  std::ifstream stream("/proc/self/statm");
  double pages = 0;
  stream >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

std::vector<Instance> predict_random(const Predictor& predictor, int number) {
  Random random(static_cast<std::uint64_t>(number), RandomPurpose::test);
  const int height = 32 + static_cast<int>(random.uniform_int(200)), width = 32 + static_cast<int>(random.uniform_int(200));
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height * width * 3));
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random.uniform_int(256));
  return predictor.predict({pixels.data(), height, width});
}

bool same(const std::vector<Instance>& a, const std::vector<Instance>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].score != b[i].score || a[i].x1 != b[i].x1 || a[i].y2 != b[i].y2 || a[i].mask.runs != b[i].mask.runs)
      return false;
  }
  return true;
}

constexpr std::int64_t kMostAllocations = 300;

// Whether predicting a picture that has been predicted before allocates as little as it should.
bool allocates_little(const Predictor& predictor) {
  for (int i = 0; i < 3; ++i) predict_random(predictor, 0);
  const std::int64_t before = g_allocations;
  const auto found = static_cast<std::int64_t>(predict_random(predictor, 0).size());
  const std::int64_t allocations = g_allocations - before;
  if (!kCountsAllocations) return true;
  const bool is_little = allocations <= kMostAllocations + 2 * found;
  std::printf("%s: %lld allocations for %lld instances\n", is_little ? "few" : "MANY",
              static_cast<long long>(allocations), static_cast<long long>(found));
  return is_little;
}

int watch(const char* package, int pictures, int threads) {
  constexpr int kCompared = 20;
  PredictorOptions options;
  options.score_threshold = 0;
  const Predictor predictor(package, options);
  std::vector<std::vector<Instance>> alone;
  const bool is_little = allocates_little(predictor);
  for (int i = 0; i < kCompared; ++i) alone.push_back(predict_random(predictor, i));
  std::atomic<int> next{0}, different{0};
  std::atomic<double> early{0};
  const auto work = [&] {
    for (int i = next++; i < pictures; i = next++) {
      const std::vector<Instance> found = predict_random(predictor, i);
      if (i < kCompared && !same(found, alone[static_cast<std::size_t>(i)])) ++different;
      if (i == pictures / 5) early = resident_megabytes();
      if (pictures >= 2000 && i % (pictures / 20) == 0)
        std::printf("%5d pictures: %.1f MB\n", i, resident_megabytes());
    }
  };
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  const double late = resident_megabytes();
  const bool is_steady = pictures < 2000 ? late <= early * 1.2 + 16 : late <= early * 1.02 + 1;
  std::printf("%s: %.1f MB after %d pictures, %.1f MB after %d; %d results differ\n", is_steady ? "steady" : "GROWS",
              early.load(), pictures / 5, late, pictures, different.load());
  return is_steady && is_little && different == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fastermask

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: steady_memory MODEL.fmm PICTURES THREADS\n");
    return 2;
  }
  return fastermask::watch(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
}
