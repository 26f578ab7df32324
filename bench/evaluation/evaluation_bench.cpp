// Times COCO evaluation on generated data of val2017's size: reading both files, and computing.
//   evaluation_bench [detections ...]     default: 36000 500000
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "evaluation/generated_coco.h"
#include "fastermask/base/parallel.h"
#include "fastermask/evaluation/coco_eval.h"

namespace fastermask::bench {
namespace {

constexpr int kObjects = 36000;
constexpr int kRuns = 5;

// The shortest of some runs, in seconds.
template <class Run>
double best_seconds(int runs, const Run& run) {
  double best = 1e30;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// Processor time of the whole process so far, all threads: what wall time would be made of on an idle machine.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void run_case(const GeneratedSet& set, const std::string& truth_json, std::size_t count, IouType type) {
  const bool masks = type == IouType::segm;
  std::string results = "[";
  for (const DetectionRecord& record : generate_detections(set, count, masks)) {
    results += (results.size() > 1 ? ", " : "") + results_record_json(record, record.category + 1);
  }
  results += "]";
  std::shared_ptr<const CocoGroundTruth> truth;
  const double truth_seconds = best_seconds(1, [&] {
    truth = std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(truth_json, "generated", {masks, false}));
  });
  std::vector<DetectionRecord> records;
  double parse_cpu = 1e30;
  double parse_seconds = 1e30;
  for (int i = 0; i < kRuns; ++i) {
    records = {};  // what an earlier run left is not this one's to free
    const double cpu_start = cpu_seconds();
    parse_seconds = std::min(
        parse_seconds, best_seconds(1, [&] { records = parse_results_json(results, "generated", *truth, type); }));
    parse_cpu = std::min(parse_cpu, cpu_seconds() - cpu_start);
  }
  double add_seconds = 0;
  double least_cpu = 1e30;
  double ap = 0;
  std::size_t folded_bytes = 0;
  const double seconds = best_seconds(kRuns, [&] {
    const auto start = std::chrono::steady_clock::now();
    const double cpu_start = cpu_seconds();
    CocoEvaluator evaluator(truth, CocoEvalParams::defaults(type));
    evaluator.add_all(records);
    add_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ap = evaluator.evaluate().stats[0];
    least_cpu = std::min(least_cpu, cpu_seconds() - cpu_start);
    folded_bytes = evaluator.memory_bytes();
  });
  const double megabytes = static_cast<double>(results.size()) / 1e6;
  std::printf(
      "%-5s %7zu detections: truth %6.3f s; results %7.1f MB %6.3f s = %5.0f MB/s (CPU %.3f); compute %6.3f s "
      "(CPU %.3f; last run: matching %.3f); folded %.0f MB; peak %.0f MB; AP %.6f\n",
      iou_type_name(type), records.size(), truth_seconds, megabytes, parse_seconds, megabytes / parse_seconds,
      parse_cpu, seconds, least_cpu, add_seconds, static_cast<double>(folded_bytes) / 1e6, peak_memory_mb(), ap);
  std::fflush(stdout);
}

}  // namespace
}  // namespace fastermask::bench

int main(int argc, char** argv) {
  using namespace fastermask;
  using namespace fastermask::bench;
  std::vector<std::size_t> counts;
  for (int i = 1; i < argc; ++i) counts.push_back(std::strtoul(argv[i], nullptr, 10));
  if (counts.empty()) counts = {36000, 500000};
  set_num_threads(0);
  const GeneratedSet set = generate_set(kObjects);
  const std::string truth_json = truth_text(set);
  std::printf("%d images, %d categories, %zu annotations (%.1f MB), %d threads\n", set.images, set.categories,
              set.objects.size(), static_cast<double>(truth_json.size()) / 1e6, num_threads());
  for (const std::size_t count : counts) {
    for (const IouType type : {IouType::bbox, IouType::segm}) run_case(set, truth_json, count, type);
  }
  return 0;
}
