// `fastermask bench eval`: what reading and evaluating COCO results costs.
#include <fmt/format.h>

#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/cli/bench.h"
#include "fastermask/cli/timing.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/generated_coco.h"
#include "fastermask/runtime/memory_use.h"

namespace fastermask::cli {
namespace {

struct BenchEvalOptions {
  std::string truth;  // empty, with `results`: generated ones
  std::string results;
  std::vector<std::string> tasks = {"bbox", "segm"};
  std::size_t detections = 36000;
  int objects = 36000;
  int repeat = 5;
  int threads = 0;
  bool json = false;
};

// Processor time of all threads so far: what wall time would be made of on an idle machine.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct EvalTimes {
  std::string task;
  std::size_t detections = 0;
  double truth_seconds = 0;
  double results_megabytes = 0;
  double parse_seconds = 0;
  double evaluate_seconds = 0;
  double evaluate_processor_seconds = 0;
  double kept_megabytes = 0;
  double ap = 0;
};

std::string generated_results(const GeneratedSet& set, std::size_t count, bool masks) {
  std::string text = "[";
  for (const DetectionRecord& record : generate_detections(set, count, masks)) {
    text += (text.size() > 1 ? ", " : "") + results_record_json(record, record.category + 1);
  }
  return text + "]";
}

EvalTimes time_task(const std::string& task, const std::string& truth_json, const std::string& results_json,
                    const BenchEvalOptions& options) {
  EvalTimes times;
  times.task = task;
  const IouType type = parse_iou_type(task);
  std::shared_ptr<const CocoGroundTruth> truth;
  times.truth_seconds = best_of(options.repeat, [&] {
    truth = std::make_shared<const CocoGroundTruth>(
        CocoGroundTruth::parse(truth_json, options.truth.empty() ? "generated" : options.truth,
                               {type == IouType::segm, type == IouType::keypoints}));
  });
  std::vector<DetectionRecord> records;
  times.parse_seconds = 1e30;
  for (int i = 0; i < options.repeat; ++i) {
    records = {};  // freeing what an earlier run left is not this one's time
    times.parse_seconds =
        std::min(times.parse_seconds, seconds_of([&] {
                   records = parse_results_json(results_json, options.results.empty() ? "generated" : options.results,
                                                *truth, type);
                 }));
  }
  times.evaluate_processor_seconds = 1e30;
  times.evaluate_seconds = best_of(options.repeat, [&] {
    const double start = processor_seconds();
    CocoEvaluator evaluator(truth, CocoEvalParams::defaults(type));
    evaluator.add_all(records);
    times.ap = evaluator.evaluate().stats[0];
    times.kept_megabytes = static_cast<double>(evaluator.memory_bytes()) / 1e6;
    times.evaluate_processor_seconds = std::min(times.evaluate_processor_seconds, processor_seconds() - start);
  });
  times.detections = records.size();
  times.results_megabytes = static_cast<double>(results_json.size()) / 1e6;
  return times;
}

int run_bench_eval(const BenchEvalOptions& options) {
  if (options.truth.empty() != options.results.empty())
    fail<UsageError>("bench eval: give both --gt and --dt, or neither for generated ones");
  set_num_threads(options.threads);
  GeneratedSet set;
  if (options.truth.empty()) set = generate_set(options.objects);
  const std::string truth_json = options.truth.empty() ? truth_text(set) : read_file(options.truth);
  std::vector<EvalTimes> all;
  for (const std::string& task : options.tasks) {
    const bool generated = options.results.empty();
    if (generated && task == "keypoints") fail<UsageError>("bench eval: keypoints need --gt and --dt");
    all.push_back(time_task(
        task, truth_json,
        generated ? generated_results(set, options.detections, task == "segm") : read_file(options.results), options));
  }
  if (options.json) {
    nlohmann::json document = {{"threads", num_threads()},
                               {"truth_megabytes", static_cast<double>(truth_json.size()) / 1e6},
                               {"peak_resident_bytes", peak_resident_bytes()},
                               {"tasks", nlohmann::json::array()}};
    for (const EvalTimes& times : all) {
      document["tasks"].push_back({{"task", times.task},
                                   {"detections", times.detections},
                                   {"truth_seconds", times.truth_seconds},
                                   {"results_megabytes", times.results_megabytes},
                                   {"parse_seconds", times.parse_seconds},
                                   {"evaluate_seconds", times.evaluate_seconds},
                                   {"evaluate_processor_seconds", times.evaluate_processor_seconds},
                                   {"kept_megabytes", times.kept_megabytes},
                                   {"ap", times.ap}});
    }
    fmt::print("{}\n", document.dump(2));
    return 0;
  }
  fmt::print("ground truth of {:.1f} MB, {} threads; best of {} runs\n\n", static_cast<double>(truth_json.size()) / 1e6,
             num_threads(), options.repeat);
  fmt::print("{:<10}{:>11}{:>12}{:>12}{:>9}{:>9}{:>13}{:>10}{:>10}{:>10}\n", "task", "detections", "truth ms",
             "results MB", "ms", "MB/s", "evaluate ms", "CPU ms", "kept MB", "AP");
  for (const EvalTimes& times : all) {
    fmt::print("{:<10}{:>11}{:>12.1f}{:>12.1f}{:>9.1f}{:>9.0f}{:>13.1f}{:>10.1f}{:>10.1f}{:>10.4f}\n", times.task,
               times.detections, times.truth_seconds * 1e3, times.results_megabytes, times.parse_seconds * 1e3,
               times.results_megabytes / times.parse_seconds, times.evaluate_seconds * 1e3,
               times.evaluate_processor_seconds * 1e3, times.kept_megabytes, times.ap);
  }
  fmt::print("\nPeak memory {:.0f} MB\n", peak_resident_bytes() / 1e6);
  return 0;
}

}  // namespace

void add_bench_eval_command(CLI::App& bench) {
  CLI::App* command = bench.add_subcommand("eval", "Time reading and evaluating COCO results");
  auto options = std::make_shared<BenchEvalOptions>();
  command->add_option("--gt", options->truth, "annotation file; otherwise generated: 5000 images, 80 classes");
  command->add_option("--dt", options->results, "results file, with --gt");
  command->add_option("--task", options->tasks, "bbox, segm, keypoints; several with commas between them")
      ->delimiter(',')
      ->check(CLI::IsMember({"bbox", "segm", "keypoints"}));
  command->add_option("--detections", options->detections, "generated detections")->check(CLI::PositiveNumber);
  command->add_option("--objects", options->objects, "generated objects")->check(CLI::PositiveNumber);
  command->add_option("--repeat", options->repeat, "timed runs, of which the best counts")->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "print one JSON document");
  command->footer("Example: fastermask bench eval --detections 500000");
  command->callback([options] {
    const int status = run_bench_eval(*options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
