#include "fastermask/evaluation/evaluate_detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "fastermask/base/log.h"
#include "fastermask/base/progress.h"
#include "fastermask/base/text.h"
#include "fastermask/data/loader.h"
#include "fastermask/data/sampler.h"
#include "fastermask/evaluation/dataset_evaluator.h"
#include "fastermask/evaluation/detection_bytes.h"
#include "fastermask/evaluation/proposal_evaluator.h"

namespace fastermask {
namespace {

constexpr const char* kEvaluator = "evaluation.evaluator";

// Says how far inference is, at most every five seconds, in detectron2's words.
class InferenceLog {
 public:
  InferenceLog(std::int64_t total, int devices)
      : total_(total), devices_(devices), warmup_(std::min<std::int64_t>(5, total - 1)), bar_("evaluate", total) {
    log_info(kEvaluator, "Start inference on {} images", total);
  }

  // One image done, which took `seconds` to detect in.
  void image_done(double seconds) {
    ++done_;
    if (done_ > warmup_) compute_ += seconds;
    if (done_ == warmup_) measured_since_ = Clock::now();
    bar_.update(done_);
    const double each = seconds_per_image();
    const auto now = Clock::now();
    if (done_ < 2 * warmup_ && each <= 5) return;
    if (now - last_line_ < std::chrono::seconds(5)) return;
    last_line_ = now;
    log_info(kEvaluator, "Inference done {}/{}. {:.4f} s / img. ETA={}", done_, total_, each,
             format_duration(each * static_cast<double>(total_ - done_)));
  }

  void finished() const {
    const double wall = std::chrono::duration<double>(Clock::now() - measured_since_).count();
    const double images = static_cast<double>(std::max<std::int64_t>(total_ - warmup_, 1));
    log_info(kEvaluator, "Total inference time: {}{} ({:.6f} s / img per device, on {} devices)", format_duration(wall),
             fmt::format("{:.6f}", wall - std::floor(wall)).substr(1), wall / images, devices_);
    log_info(kEvaluator, "Total inference pure compute time: {} ({:.6f} s / img per device, on {} devices)",
             format_duration(compute_), compute_ / images, devices_);
  }

  double seconds_per_image() const {
    return compute_ / static_cast<double>(std::max<std::int64_t>(done_ - warmup_, 1));
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::int64_t total_;
  int devices_;
  std::int64_t warmup_;
  std::int64_t done_ = 0;
  double compute_ = 0;
  Clock::time_point measured_since_ = Clock::now();
  Clock::time_point last_line_ = Clock::now();
  ProgressBar bar_;
};

}  // namespace

std::vector<IouType> evaluation_tasks(const Config& config) {
  std::vector<IouType> tasks = {IouType::bbox};
  if (config.model.mask_on) tasks.push_back(IouType::segm);
  if (config.model.keypoint_on) tasks.push_back(IouType::keypoints);
  return tasks;
}

DetectorEvaluation evaluate_detector(Detector& detector, const std::shared_ptr<const Dataset>& dataset,
                                     const Config& config, const EvaluateDetectorOptions& options) {
  DatasetEvaluatorOptions evaluator_options;
  evaluator_options.tasks = evaluation_tasks(config);
  // COCO counts 100 detections an image; a config that keeps more wants them counted (detectron2's COCOevalMaxDets).
  if (config.test.detections_per_image > 100)
    evaluator_options.max_detections = {1, 10, config.test.detections_per_image};
  evaluator_options.keypoint_sigmas = config.test.keypoint_oks_sigmas;
  evaluator_options.output_folder = options.output_folder;
  if (dataset->metric != DatasetMetric::coco) {
    evaluator_options.voc = VocOptions();
    evaluator_options.voc->eleven_points = dataset->metric == DatasetMetric::voc_2007;
  }
  std::optional<CocoDatasetEvaluator> evaluator;
  std::optional<ProposalEvaluator> proposal_evaluator;  // of a network without box heads
  const EvaluationShare& share = options.share;
  if (share.rank > 0) {
    // Found here, evaluated there.
  } else if (detector.network().box_heads.empty()) {
    proposal_evaluator.emplace(dataset->annotation_file, options.output_folder);
  } else {
    evaluator.emplace(EvaluationDataset{dataset->annotation_file, dataset->category_ids, dataset->class_names},
                      evaluator_options);
  }
  std::size_t next_record = 0;
  const auto take = [&](const Detections& found) {
    const ImageRecord& record = dataset->records.at(next_record++);
    if (evaluator) {
      evaluator->add(record.id, found);
    } else {
      proposal_evaluator->add(record.id, found);
    }
    if (options.on_image) options.on_image(record, found);
  };
  const auto [begin, end] =
      inference_shard(static_cast<std::int64_t>(dataset->records.size()), share.rank, share.world_size);
  InferenceLoader loader(dataset, make_inference_loader_options(config, detector.network().size_divisibility), begin,
                         end);
  DetectorEvaluation result;
  std::vector<std::string> pieces;  // for rank 0
  {
    InferenceLog log(loader.image_count(), share.world_size);
    for (Batch batch; loader.next(batch);) {
      const auto start = std::chrono::steady_clock::now();
      std::vector<Detections> detections = detector.detect(batch);
      for (std::size_t i = 0; i < detections.size(); ++i) {
        const Detections original = to_original_image(std::move(detections[i]), batch.original_sizes[i]);
        if (share.rank == 0) {
          take(original);
        } else {
          pieces.push_back(detections_to_bytes(original));
        }
      }
      log.image_done(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    log.finished();
    result.seconds_per_image = log.seconds_per_image();
  }
  if (share.gather) share.gather(pieces, [&](std::string_view bytes) { take(detections_of_bytes(bytes)); });
  if (share.rank > 0) return result;
  result.metrics = evaluator ? evaluator->finish() : proposal_evaluator->finish();
  if (evaluator) result.results = evaluator->results();
  return result;
}

std::vector<std::string> check_expected_results(const Config& config, const std::vector<TaskMetrics>& metrics) {
  std::vector<std::string> misses;
  for (const ExpectedResult& expected : config.test.expected_results) {
    const auto task =
        std::find_if(metrics.begin(), metrics.end(), [&](const TaskMetrics& m) { return m.task == expected.task; });
    const double actual = task == metrics.end() ? std::nan("") : task->value(expected.metric);
    if (std::abs(actual - expected.value) <= expected.tolerance) continue;  // false for NaN
    misses.push_back(fmt::format("{}/{}: expected {} +- {}, got {:.4f}", expected.task, expected.metric, expected.value,
                                 expected.tolerance, actual));
  }
  return misses;
}

}  // namespace fastermask
