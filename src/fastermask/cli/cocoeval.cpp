// `fastermask cocoeval`: evaluates a COCO results file of any tool.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/command.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/results.h"
#include "fastermask/evaluation/summary.h"

namespace fastermask::cli {
namespace {

constexpr const char* kCocoevalModule = "evaluation.coco_evaluation";

struct CocoevalOptions {
  std::string ground_truth;
  std::string detections;
  std::string task;
  std::string max_detections;
  bool per_class = false;
  bool json = false;
  bool class_agnostic = false;
  bool area_from_box = false;
  std::vector<double> sigmas;
  int threads = 0;
};

std::vector<int> parse_limits(const std::string& text, IouType type) {
  const std::size_t wanted = type == IouType::keypoints ? 1 : 3;
  std::vector<int> limits;
  for (const std::string& part : split(text, ',')) {
    const std::string word(trim(part));
    char* end = nullptr;
    const long limit = std::strtol(word.c_str(), &end, 10);
    const bool rising = limit > (limits.empty() ? 0 : limits.back());
    if (word.empty() || *end != '\0' || !rising || limit > 1000000000) limits.assign(wanted + 1, 0);
    if (limits.size() > wanted) break;
    limits.push_back(static_cast<int>(limit));
  }
  if (limits.size() == wanted) return limits;
  fail<UsageError>("cocoeval: --max-dets must be {} for {}, got '{}'",
                   wanted == 1 ? "one positive number, such as 20," : "three rising numbers, such as 1,10,100,",
                   iou_type_name(type), text);
}

CocoEvalParams cocoeval_params(const CocoevalOptions& options, IouType type) {
  CocoEvalParams params = CocoEvalParams::defaults(type);
  if (!options.max_detections.empty()) params.max_detections = parse_limits(options.max_detections, type);
  if (!options.sigmas.empty()) params.keypoint_sigmas = options.sigmas;
  params.use_categories = !options.class_agnostic;
  params.segm_area_from_box = options.area_from_box;
  return params;
}

nlohmann::ordered_json class_numbers(const CocoEvalResult& result, std::size_t k) {
  const CocoEvalParams& params = result.params;
  const int last = params.max_detections.back();
  const int category = static_cast<int>(k);
  nlohmann::ordered_json numbers;
  numbers["AP"] = result.mean_precision(-1, "all", last, category);
  numbers["AP50"] = result.mean_precision(0.5, "all", last, category);
  numbers["AP75"] = result.mean_precision(0.75, "all", last, category);
  for (const AreaRange& range : params.area_ranges) {
    if (range.label == "all") continue;
    numbers["AP" + range.label.substr(0, 1)] = result.mean_precision(-1, range.label, last, category);
  }
  numbers["AR"] = result.mean_recall(-1, "all", last, category);
  numbers["ground_truths"] = result.truth_counts[k * params.area_ranges.size()];
  return numbers;
}

void print_json(const CocoEvalResult& result, std::size_t detections) {
  nlohmann::ordered_json document;
  document["task"] = iou_type_name(result.params.iou_type);
  document["stats"] = result.stats;
  nlohmann::ordered_json& classes = document["per_class"] = nlohmann::ordered_json::object();
  for (std::size_t k = 0; k < result.category_names.size(); ++k) {
    std::string name = result.category_names[k];
    if (classes.contains(name)) name += fmt::format(" ({})", result.category_ids[k]);
    classes[name] = class_numbers(result, k);
  }
  document["detections"] = detections;
  std::printf("%s\n", document.dump(2).c_str());
}

void run_cocoeval(const CocoevalOptions& options) {
  set_num_threads(options.threads);
  const IouType type = options.task.empty() ? guess_iou_type(options.detections) : parse_iou_type(options.task);
  const CocoEvalParams params = cocoeval_params(options, type);
  const auto start = std::chrono::steady_clock::now();
  const auto truth = std::make_shared<const CocoGroundTruth>(
      CocoGroundTruth::read(options.ground_truth, {type == IouType::segm, type == IouType::keypoints}));
  const std::vector<DetectionRecord> detections = read_results_json(options.detections, *truth, type);
  const auto read = std::chrono::steady_clock::now();
  if (detections.empty()) log_warning(kCocoevalModule, "{} holds no detections", options.detections);
  CocoEvaluator evaluator(truth, params);
  evaluator.add_all(detections);
  const CocoEvalResult result = evaluator.evaluate();
  const auto done = std::chrono::steady_clock::now();
  log_info(kCocoevalModule, "{} detections, {} annotations of {} images: read in {:.2f} s, evaluated ({}) in {:.2f} s",
           detections.size(), truth->annotations().size(), truth->images().size(),
           std::chrono::duration<double>(read - start).count(), iou_type_name(type),
           std::chrono::duration<double>(done - read).count());
  if (options.json) {
    print_json(result, detections.size());
    return;
  }
  for (const std::string& line : coco_summary_lines(result)) std::printf("%s\n", line.c_str());
  if (!options.per_class) return;
  const std::string table = per_category_table_message(coco_metrics(result));
  if (!table.empty()) std::printf("%s\n", table.c_str());
}

}  // namespace

void add_cocoeval_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("cocoeval", "Evaluate a COCO results file of any tool, as pycocotools does");
  auto options = std::make_shared<CocoevalOptions>();
  command->add_option("--gt", options->ground_truth, "COCO annotations, .json or .json.gz")->required();
  command->add_option("--dt", options->detections, "COCO results, .json or .json.gz")->required();
  command->add_option("--task", options->task, "bbox, segm or keypoints; otherwise told by the results' fields");
  command->add_option("--max-dets", options->max_detections,
                      "best-scored detections counted, per image and class: 1,10,100 (keypoints: 20)");
  command->add_flag("--per-class", options->per_class, "print a table of each class's AP as well");
  command->add_flag("--class-agnostic", options->class_agnostic, "take all classes as one");
  command->add_flag("--area-from-box", options->area_from_box,
                    "segm: a detection's size is its bbox's where it has one, as in pycocotools' loadRes; otherwise (and in "
                    "detectron2) its mask's");
  command->add_option("--sigmas", options->sigmas, "keypoints: the OKS sigma of each; otherwise those of COCO's 17")
      ->delimiter(',');
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "print one JSON document: stats, and per_class with AP, AP50, ... in [0, 1]");
  command->footer("Example: fastermask cocoeval --gt instances_val2017.json --dt coco_instances_results.json --task segm");
  command->callback([options] { run_cocoeval(*options); });
}

}  // namespace fastermask::cli
