// `fastermask cocoeval`: evaluates a COCO results file of any tool.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/cocoeval_output.h"
#include "fastermask/cli/cocoeval_report.h"
#include "fastermask/cli/command.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/lvis_summary.h"
#include "fastermask/evaluation/results.h"
#include "fastermask/evaluation/summary.h"
#include "fastermask/evaluation/voc_eval.h"

namespace fastermask::cli {
namespace {

constexpr const char* kCocoevalModule = "evaluation.coco_evaluation";

enum class EvalMetric { coco, lvis, voc07, voc12, proposals };

const std::map<std::string, EvalMetric> kEvalMetrics = {{"coco", EvalMetric::coco},
                                                        {"lvis", EvalMetric::lvis},
                                                        {"voc07", EvalMetric::voc07},
                                                        {"voc12", EvalMetric::voc12},
                                                        {"proposals", EvalMetric::proposals}};

struct CocoevalOptions {
  std::string ground_truth;
  std::string detections;
  std::string task;
  std::string metric = "coco";
  std::string max_detections;
  std::vector<double> iou_thresholds;
  std::vector<double> recall_points;
  std::string area_ranges;
  std::vector<std::int64_t> image_ids;
  bool use_ignore_field = false;
  bool boundary = false;
  bool errors = false;
  double error_score = 0.5;
  std::string report;
  std::string image_folder;
  bool per_class = false;
  bool json = false;
  bool class_agnostic = false;
  bool area_from_box = false;
  std::vector<double> sigmas;
  int threads = 0;
};

// `wanted` rising positive numbers, or any count of them (0).
std::vector<int> parse_limits(const std::string& text, std::size_t wanted, const char* example) {
  std::vector<int> limits;
  bool fine = true;
  for (const std::string& part : split(text, ',')) {
    const std::string word(trim(part));
    char* end = nullptr;
    const long limit = std::strtol(word.c_str(), &end, 10);
    fine = fine && !word.empty() && *end == '\0' && limit > (limits.empty() ? 0 : limits.back()) && limit <= 1000000000;
    limits.push_back(static_cast<int>(limit));
  }
  if (fine && (wanted == 0 || limits.size() == wanted)) return limits;
  fail<UsageError>("cocoeval: --max-dets must be {}, got '{}'", example, text);
}

std::vector<int> parse_coco_limits(const std::string& text, IouType type) {
  if (type == IouType::keypoints) return parse_limits(text, 1, "one positive number, such as 20, for keypoints");
  return parse_limits(text, 3,
                      type == IouType::bbox ? "three rising numbers, such as 1,10,100, for bbox"
                                            : "three rising numbers, such as 1,10,100, for segm");
}

// "all:0:1e10,small:0:1024": label, lowest and highest area of each.
std::vector<AreaRange> parse_area_ranges(const std::string& text) {
  std::vector<AreaRange> ranges;
  for (const std::string& part : split(text, ',')) {
    const std::vector<std::string> fields = split(part, ':');
    char* low_end = nullptr;
    char* high_end = nullptr;
    AreaRange range;
    const bool three = fields.size() == 3;
    if (three) {
      range = {std::string(trim(fields[0])), std::strtod(fields[1].c_str(), &low_end),
               std::strtod(fields[2].c_str(), &high_end)};
    }
    const bool numbers = three && !fields[1].empty() && !fields[2].empty() && *low_end == '\0' && *high_end == '\0';
    if (!numbers || range.label.empty() || !(range.low >= 0 && range.high > range.low)) {
      fail<UsageError>("cocoeval: --area-ranges must be label:low:high, such as all:0:1e10,small:0:1024, got '{}'",
                       part);
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

CocoEvalParams cocoeval_params(const CocoevalOptions& options, EvalMetric metric, IouType type) {
  CocoEvalParams params = metric == EvalMetric::lvis ? CocoEvalParams::lvis(type) : CocoEvalParams::defaults(type);
  if (!options.max_detections.empty()) {
    if (metric == EvalMetric::lvis) {
      params.max_detections = parse_limits(options.max_detections, 1, "one positive number, such as 300, for lvis");
      params.max_detections_per_image = params.max_detections.back();
    } else {
      params.max_detections = parse_coco_limits(options.max_detections, type);
    }
  }
  if (!options.sigmas.empty()) params.keypoint_sigmas = options.sigmas;
  if (!options.iou_thresholds.empty()) params.iou_thresholds = options.iou_thresholds;
  if (!options.recall_points.empty()) params.recall_thresholds = options.recall_points;
  if (!options.area_ranges.empty()) params.area_ranges = parse_area_ranges(options.area_ranges);
  params.image_ids = options.image_ids;
  params.use_categories = !options.class_agnostic;
  params.use_ignore_field = params.use_ignore_field || options.use_ignore_field;
  params.boundary = options.boundary;
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

// What has been read, and what is to be made of it.
struct CocoevalRun {
  const CocoevalOptions& options;
  EvalMetric metric = EvalMetric::coco;
  IouType type = IouType::bbox;
  std::shared_ptr<const CocoGroundTruth> truth;
  std::vector<DetectionRecord> detections;
};

nlohmann::ordered_json per_class_json(const CocoEvalResult& result) {
  nlohmann::ordered_json classes = nlohmann::ordered_json::object();
  const std::vector<std::string> names = unique_class_names(result.category_names, result.category_ids);
  for (std::size_t k = 0; k < names.size(); ++k) classes[names[k]] = class_numbers(result, k);
  return classes;
}

// COCO's or LVIS's evaluation; with --errors what the errors are.
void evaluate_instances(const CocoevalRun& run, nlohmann::ordered_json& document, std::vector<std::string>& lines) {
  CocoEvaluator evaluator(run.truth, cocoeval_params(run.options, run.metric, run.type));
  evaluator.add_all(run.detections);
  const CocoEvalResult result = evaluator.evaluate();
  if (run.metric == EvalMetric::lvis) {
    document["metrics"] = metrics_json(lvis_metrics(result, run.truth->category_frequencies()));
    lines = lvis_summary_lines(result, run.truth->category_frequencies());
  } else {
    document["stats"] = result.stats;
    lines = coco_summary_lines(result);
  }
  document["per_class"] = per_class_json(result);
  const std::string table = run.options.per_class ? per_category_table_message(coco_metrics(result)) : "";
  if (!table.empty()) lines.push_back(table);
  if (!run.options.errors && run.options.report.empty()) return;
  CocoevalReport report{
      run.options.report, run.options.ground_truth, run.options.detections, run.options.image_folder, lines, {}};
  ErrorBreakdownOptions breakdown_options;
  breakdown_options.iou_type = run.type;
  breakdown_options.confusion_score = run.options.error_score;
  ErrorBreakdown breakdown;
  const bool has_breakdown = run.type != IouType::keypoints;
  if (has_breakdown) {
    breakdown = break_down_errors(run.truth, run.detections, breakdown_options);
    const auto names = unique_class_names(run.truth->category_names(), run.truth->category_ids());
    report.error_lines = error_breakdown_lines(breakdown, names);
    if (run.options.errors) document["errors"] = error_breakdown_json(breakdown, names);
  }
  if (run.options.errors) lines.insert(lines.end(), report.error_lines.begin(), report.error_lines.end());
  if (report.path.empty()) return;
  write_cocoeval_report(report, result, *run.truth, run.detections, has_breakdown ? &breakdown : nullptr,
                        breakdown_options);
}

void add_metrics(const TaskMetrics& metrics, nlohmann::ordered_json& document, std::vector<std::string>& lines) {
  document["metrics"] = metrics_json(metrics);
  lines.push_back(results_table_message(metrics));
}

void evaluate_voc_boxes(const CocoevalRun& run, nlohmann::ordered_json& document, std::vector<std::string>& lines) {
  VocOptions voc_options;
  voc_options.eleven_points = run.metric == EvalMetric::voc07;
  const VocResult result = evaluate_voc(*run.truth, run.detections, voc_options);
  add_metrics(result.metrics(), document, lines);
  const auto names = unique_class_names(run.truth->category_names(), run.truth->category_ids());
  TaskMetrics classes;
  for (std::size_t k = 0; k < names.size(); ++k) classes.metrics.emplace_back(names[k], 100 * result.ap[0][k]);
  document["per_class_AP50"] = metrics_json(classes);
  if (!run.options.per_class) return;
  for (const auto& [name, value] : classes.metrics) lines.push_back(fmt::format("AP50 {}: {:.3f}", name, value));
}

void evaluate_proposals(const CocoevalRun& run, nlohmann::ordered_json& document, std::vector<std::string>& lines) {
  const std::string& text = run.options.max_detections;
  const std::vector<int> limits = text.empty()
                                      ? std::vector<int>{100, 1000}
                                      : parse_limits(text, 0, "rising numbers, such as 100,1000, for proposals");
  add_metrics(proposal_metrics(run.truth, run.detections, limits), document, lines);
}

void check_options(const CocoevalOptions& options, EvalMetric metric, IouType type) {
  const bool instances = metric == EvalMetric::coco || metric == EvalMetric::lvis;
  if (!instances && type != IouType::bbox) {
    fail<UsageError>("cocoeval: --metric {} evaluates boxes; --task must be bbox, got {}", options.metric,
                     iou_type_name(type));
  }
  if (metric == EvalMetric::lvis && type == IouType::keypoints)
    fail<UsageError>("cocoeval: --metric lvis has no keypoints");
  if (metric == EvalMetric::lvis && options.class_agnostic) {
    fail<UsageError>("cocoeval: --metric lvis goes by classes; leave --class-agnostic out");
  }
  if (options.boundary && (type != IouType::segm || !instances)) {
    fail<UsageError>("cocoeval: --boundary compares masks; --task must be segm");
  }
  if (options.errors && (type == IouType::keypoints || !instances)) {
    fail<UsageError>("cocoeval: --errors goes with --metric coco or lvis and --task bbox or segm");
  }
  if (!options.report.empty() && !instances) {
    fail<UsageError>("cocoeval: --report goes with --metric coco or lvis");
  }
  if (options.report.empty() && !options.image_folder.empty()) {
    fail<UsageError>("cocoeval: --images are for the page; name it with --report FILE.html");
  }
}

void run_cocoeval(const CocoevalOptions& options) {
  set_num_threads(options.threads);
  CocoevalRun run{options, kEvalMetrics.at(options.metric), IouType::bbox, nullptr, {}};
  const bool boxes_only = run.metric != EvalMetric::coco && run.metric != EvalMetric::lvis;
  if (!options.task.empty()) {
    run.type = parse_iou_type(options.task);
  } else if (!boxes_only) {
    run.type = guess_iou_type(options.detections);
  }
  check_options(options, run.metric, run.type);
  const auto start = std::chrono::steady_clock::now();
  run.truth = std::make_shared<const CocoGroundTruth>(
      CocoGroundTruth::read(options.ground_truth, {run.type == IouType::segm, run.type == IouType::keypoints}));
  run.detections = read_results_json(options.detections, *run.truth, run.type);
  const auto read = std::chrono::steady_clock::now();
  if (run.detections.empty()) log_warning(kCocoevalModule, "{} holds no detections", options.detections);
  nlohmann::ordered_json document;
  std::vector<std::string> lines;
  document["task"] = iou_type_name(run.type);
  if (run.metric != EvalMetric::coco) document["metric"] = options.metric;
  switch (run.metric) {
    case EvalMetric::coco:
    case EvalMetric::lvis: evaluate_instances(run, document, lines); break;
    case EvalMetric::voc07:
    case EvalMetric::voc12: evaluate_voc_boxes(run, document, lines); break;
    case EvalMetric::proposals: evaluate_proposals(run, document, lines); break;
  }
  document["detections"] = run.detections.size();
  const auto done = std::chrono::steady_clock::now();
  log_info(kCocoevalModule, "{} detections, {} annotations of {} images: read in {:.2f} s, evaluated ({}) in {:.2f} s",
           run.detections.size(), run.truth->annotations().size(), run.truth->images().size(),
           std::chrono::duration<double>(read - start).count(), iou_type_name(run.type),
           std::chrono::duration<double>(done - read).count());
  if (options.json) {
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  }
}

}  // namespace

void add_cocoeval_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("cocoeval", "Evaluate a COCO results file of any tool, as pycocotools does");
  auto options = std::make_shared<CocoevalOptions>();
  command->add_option("--gt", options->ground_truth, "COCO annotations, .json or .json.gz")->required();
  command->add_option("--dt", options->detections, "COCO results, .json or .json.gz")->required();
  command->add_option("--task", options->task, "bbox, segm or keypoints; otherwise told by the results' fields");
  std::vector<std::string> metrics;
  for (const auto& metric : kEvalMetrics) metrics.push_back(metric.first);
  command
      ->add_option("--metric", options->metric,
                   "coco; lvis (federated, rare/common/frequent); voc07 or voc12 (boxes; \"ignore\" is difficult); "
                   "proposals (average recall of boxes, whatever their class)")
      ->check(CLI::IsMember(metrics));
  command->add_option(
      "--max-dets", options->max_detections,
      "best-scored detections counted, per image and class: 1,10,100 (keypoints: 20); per image: 300 for lvis, "
      "100,1000 for proposals");
  command
      ->add_option("--iou-thresholds", options->iou_thresholds,
                   "IoU (OKS) thresholds, at most 32; otherwise 0.50:0.05:0.95")
      ->delimiter(',');
  command
      ->add_option("--recall-points", options->recall_points,
                   "rising recalls that precision is taken at; otherwise 101")
      ->delimiter(',');
  command->add_option(
      "--area-ranges", options->area_ranges,
      "label:low:high of each in square pixels, such as all:0:1e10,small:0:1024; the summary looks for the "
      "labels all, small, medium, large");
  command->add_option("--image-ids", options->image_ids, "evaluate these images only")->delimiter(',');
  command->add_flag("--heed-ignore", options->use_ignore_field,
                    "take annotations with \"ignore\" neither as demanded nor as wrong, which pycocotools does not");
  command->add_flag("--boundary", options->boundary,
                    "segm: Boundary AP, by the lower of the IoU of masks and of their rims");
  command->add_flag("--errors", options->errors,
                    "bbox, segm: also what the errors are (localisation, classification, duplicate, background, both, "
                    "missed), what each costs, and the classes confused; --json has the whole confusion matrix");
  command->add_option("--error-score", options->error_score, "lowest score that enters the confusion matrix");
  command->add_option("--report", options->report,
                      "also write a page, FILE.html: precision over recall by IoU and class, AP by size, what the "
                      "errors are");
  command->add_option("--images", options->image_folder,
                      "folder of the images: the page also shows those with the most mistakes");
  command->add_flag("--per-class", options->per_class, "print a table of each class's AP as well");
  command->add_flag("--class-agnostic", options->class_agnostic, "take all classes as one");
  command->add_flag(
      "--area-from-box", options->area_from_box,
      "segm: a detection's size is its bbox's where it has one, as in pycocotools' loadRes; otherwise (and in "
      "detectron2) its mask's");
  command->add_option("--sigmas", options->sigmas, "keypoints: the OKS sigma of each; otherwise those of COCO's 17")
      ->delimiter(',');
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json,
                    "print one JSON document: stats, and per_class with AP, AP50, ... in [0, 1]");
  command->footer(
      "Example: fastermask cocoeval --gt instances_val2017.json --dt coco_instances_results.json --task segm");
  command->callback([options] { run_cocoeval(*options); });
}

}  // namespace fastermask::cli
