#include "fastermask/data/loader.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/batch_plan.h"
#include "fastermask/data/collate.h"
#include "fastermask/data/job_queue.h"

namespace fastermask {
namespace loader_detail {

// Replacements tried for one image before giving up: at the allowed shares of bad images this many in a row do not
// happen.
constexpr int kMaxReplacements = 50;

// What all batches of a loader share; read only, so threads need no lock.
struct LoaderContext {
  std::shared_ptr<const Dataset> dataset;
  LoaderOptions options;
  std::vector<std::int64_t> alike[2];  // [wide] the records that may stand in for one of that kind
};

// A picture that could not be used.
struct BadImage {
  std::int64_t record = 0;
  std::string reason;
};

class TrainingJob : public LoaderJob {
 public:
  TrainingJob(std::shared_ptr<const LoaderContext> context, BatchPlan plan, std::int64_t iteration)
      : context_(std::move(context)),
        plan_(std::move(plan)),
        iteration_(iteration),
        samples_(plan_.size()),
        bad_(plan_.size()) {}

  int part_count() const override { return static_cast<int>(plan_.size()); }

  void run_part(int part) override {
    const std::size_t i = static_cast<std::size_t>(part);
    const BatchSlot slot = plan_[i];
    std::int64_t record = slot.record;
    for (std::uint64_t attempt = 1;; ++attempt) {
      try {
        samples_[i] = make_sample(slot.position, record);
        for (UnusableSource& source : samples_[i].unusable) {
          bad_[i].push_back({source.record, std::move(source.reason)});
        }
        return;
      } catch (const DataError& error) {
        bad_[i].push_back({record, error.what()});
      }
      if (attempt > kMaxReplacements) {
        gave_up_ = true;
        return;
      }
      record = choose_replacement(slot, attempt);
    }
  }

  void finish() override {
    if (!gave_up_) batch_ = collate(std::move(samples_), context_->options, iteration_);
  }

  Batch& batch() { return batch_; }
  bool gave_up() const { return gave_up_; }
  const std::vector<std::vector<BadImage>>& bad() const { return bad_; }

 private:
  TrainingSample make_sample(std::int64_t position, std::int64_t record_index) const {
    const LoaderContext& context = *context_;
    const ImageRecord& record = context.dataset->records[static_cast<std::size_t>(record_index)];
    Random random(context.options.seed, RandomPurpose::augmentation, static_cast<std::uint64_t>(position),
                  static_cast<std::uint64_t>(record.id));
    return map_for_training(*context.dataset, record, context.options.mapper, random);
  }

  std::int64_t choose_replacement(const BatchSlot& slot, std::uint64_t attempt) const {
    const ImageRecord& record = context_->dataset->records[static_cast<std::size_t>(slot.record)];
    const std::vector<std::int64_t>& candidates = context_->alike[is_wide(record) ? 1 : 0];
    Random random(context_->options.seed, RandomPurpose::replacement, static_cast<std::uint64_t>(slot.position),
                  attempt);
    return candidates[static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(candidates.size())))];
  }

  std::shared_ptr<const LoaderContext> context_;
  BatchPlan plan_;
  std::int64_t iteration_;
  std::vector<TrainingSample> samples_;
  std::vector<std::vector<BadImage>> bad_;  // [part]
  std::atomic<bool> gave_up_{false};
  Batch batch_;
};

class InferenceJob : public LoaderJob {
 public:
  InferenceJob(std::shared_ptr<const LoaderContext> context, std::int64_t begin, std::int64_t end, std::int64_t number)
      : context_(std::move(context)), begin_(begin), number_(number), samples_(static_cast<std::size_t>(end - begin)) {}

  int part_count() const override { return static_cast<int>(samples_.size()); }

  void run_part(int part) override {
    const LoaderOptions& options = context_->options;
    const ImageRecord& record = context_->dataset->records[static_cast<std::size_t>(begin_ + part)];
    TrainingSample& sample = samples_[static_cast<std::size_t>(part)];
    Random random(options.seed, RandomPurpose::augmentation, static_cast<std::uint64_t>(begin_ + part));
    sample.image_id = record.id;
    sample.file_name = record.file_name;
    sample.original_size = record.size();
    sample.transforms = choose_transforms(options.mapper.augmentation, record.size(), random);
    sample.image = apply_transforms(sample.transforms, read_record_image(record, options.mapper.format));
  }

  void finish() override {
    batch_ = collate(std::move(samples_), context_->options, number_);
    batch_.ground_truths.clear();
  }

  Batch& batch() { return batch_; }

 private:
  std::shared_ptr<const LoaderContext> context_;
  std::int64_t begin_;
  std::int64_t number_;
  std::vector<TrainingSample> samples_;
  Batch batch_;
};

std::shared_ptr<const LoaderContext> make_loader_context(std::shared_ptr<const Dataset> dataset,
                                                         LoaderOptions options) {
  auto context = std::make_shared<LoaderContext>();
  FASTERMASK_CHECK(dataset != nullptr, "loader: no data set");
  for (std::size_t i = 0; i < dataset->records.size(); ++i) {
    context->alike[is_wide(dataset->records[i]) ? 1 : 0].push_back(static_cast<std::int64_t>(i));
  }
  context->dataset = std::move(dataset);
  context->options = std::move(options);
  return context;
}

// With masks or keypoints on, a data set without any would train nothing: say so before the first iteration.
void check_targets(const LoaderContext& context) {
  std::int64_t all = 0;
  std::int64_t with_mask = 0;
  std::int64_t with_keypoints = 0;
  const Dataset& dataset = *context.dataset;
  for (const ImageRecord& record : dataset.records) {
    for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
      const AnnotationRow& row = dataset.table.row(record.first_annotation + i);
      if (row.crowd) continue;
      ++all;
      with_mask += row.kind != SegmentationKind::none;
      with_keypoints += row.keypoint_count > 0;
    }
  }
  if (context.options.mapper.masks && all > 0 && with_mask == 0) {
    fail<DataError>(
        "dataset: {}: MODEL.MASK_ON is true, but no annotation has a segmentation; set MODEL.MASK_ON False to "
        "train boxes only",
        dataset.name);
  }
  if (context.options.mapper.masks && with_mask < all) {
    log_warning("data.build", "{} of {} annotations have no segmentation and are left out, as MODEL.MASK_ON is true",
                all - with_mask, all);
  }
  if (context.options.mapper.keypoints && with_keypoints == 0) {
    fail<DataError>("dataset: {}: MODEL.KEYPOINT_ON is true, but no annotation has keypoints", dataset.name);
  }
}

// Batches prepared ahead: enough that every thread has an image to work on, and the wished number ready.
int jobs_ahead(const LoaderOptions& options) {
  return std::max(options.prefetch, 0) + (options.threads + options.batch_size - 1) / options.batch_size;
}

std::shared_ptr<const SampleStream> make_training_sampler(const Dataset& dataset, const LoaderOptions& options) {
  if (options.class_aware) return std::make_shared<ClassAwareSampler>(dataset, options.seed);
  if (options.subset_ratio < 1) {
    return std::make_shared<RandomSubsetSampler>(static_cast<std::int64_t>(dataset.records.size()),
                                                 options.subset_ratio, options.seed, options.shuffle);
  }
  if (options.repeat_threshold > 0) {
    return std::make_shared<TrainingSampler>(repeat_factors(dataset, options.repeat_threshold, options.repeat_sqrt),
                                             options.seed, options.shuffle);
  }
  return std::make_shared<TrainingSampler>(static_cast<std::int64_t>(dataset.records.size()), options.seed,
                                           options.shuffle);
}

}  // namespace loader_detail

using namespace loader_detail;  // named, not unnamed: the classes below have members of these types

class TrainingLoader::Implementation {
 public:
  Implementation(std::shared_ptr<const Dataset> dataset, LoaderOptions options, std::int64_t first_iteration)
      : context_(make_loader_context(std::move(dataset), std::move(options))),
        planner_(context_->dataset, make_training_sampler(*context_->dataset, context_->options),
                 context_->options.batch_size, context_->options.aspect_grouping, context_->options.rank,
                 context_->options.world_size),
        iteration_(first_iteration) {
    check_targets(*context_);
    for (std::int64_t i = 0; i < first_iteration; ++i) planner_.next();
    queue_ = std::make_unique<JobQueue>(context_->options.threads, jobs_ahead(context_->options), [this] {
      BatchPlan plan = planner_.next();
      return std::make_unique<TrainingJob>(context_, std::move(plan), iteration_++);
    });
  }

  Batch next() {
    const std::unique_ptr<LoaderJob> job = queue_->pop();
    auto& done = static_cast<TrainingJob&>(*job);
    for (const auto& of_part : done.bad()) {
      for (const BadImage& bad : of_part) quarantine(bad);
    }
    if (done.gave_up()) throw_too_many();
    return std::move(done.batch());
  }

  double wait_seconds() const { return queue_->wait_seconds(); }

 private:
  // Counted here, in batch order, so that a run stops at the same iteration whatever the threads do.
  void quarantine(const BadImage& bad) {
    if (!bad_records_.insert(bad.record).second) return;
    reasons_.push_back(bad.reason);
    const double share =
        static_cast<double>(bad_records_.size()) / static_cast<double>(context_->dataset->records.size());
    if (share > context_->options.max_bad_share) throw_too_many();
    log_warning("data.common", "Image {} is left out and replaced by others (bad image {} of {}): {}",
                context_->dataset->records[static_cast<std::size_t>(bad.record)].id, bad_records_.size(),
                context_->dataset->records.size(), bad.reason);
  }

  [[noreturn]] void throw_too_many() const {
    std::vector<std::string> shown(
        reasons_.begin(), reasons_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(reasons_.size(), 5)));
    fail<DataError>(
        "{}\nloader: at least {} of {} images of {} cannot be used, more than the allowed share of {}; "
        "'fastermask data check' lists all problems",
        join(shown, "\n"), reasons_.size(), context_->dataset->records.size(), context_->dataset->name,
        context_->options.max_bad_share);
  }

  std::shared_ptr<const LoaderContext> context_;
  BatchPlanner planner_;
  std::int64_t iteration_;
  std::set<std::int64_t> bad_records_;
  std::vector<std::string> reasons_;
  std::unique_ptr<JobQueue> queue_;  // last: its threads use the members above
};

TrainingLoader::TrainingLoader(std::shared_ptr<const Dataset> dataset, LoaderOptions options,
                               std::int64_t first_iteration)
    : implementation_(std::make_unique<Implementation>(std::move(dataset), std::move(options), first_iteration)) {}
TrainingLoader::~TrainingLoader() = default;
Batch TrainingLoader::next() { return implementation_->next(); }
double TrainingLoader::wait_seconds() const { return implementation_->wait_seconds(); }

class InferenceLoader::Implementation {
 public:
  Implementation(std::shared_ptr<const Dataset> dataset, LoaderOptions options, std::int64_t begin, std::int64_t end)
      : context_(make_loader_context(std::move(dataset), std::move(options))),
        position_(begin),
        end_(end < 0 ? static_cast<std::int64_t>(context_->dataset->records.size()) : end),
        count_(end_ - begin) {
    FASTERMASK_CHECK(
        begin >= 0 && begin <= end_ && end_ <= static_cast<std::int64_t>(context_->dataset->records.size()),
        "loader: images {} to {} of {}", begin, end_, context_->dataset->records.size());
    queue_ = std::make_unique<JobQueue>(context_->options.threads, jobs_ahead(context_->options),
                                        [this]() -> std::unique_ptr<LoaderJob> {
                                          if (position_ >= end_) return nullptr;
                                          const std::int64_t first = position_;
                                          position_ = std::min(end_, first + context_->options.batch_size);
                                          return std::make_unique<InferenceJob>(context_, first, position_, number_++);
                                        });
  }

  bool next(Batch& batch) {
    const std::unique_ptr<LoaderJob> job = queue_->pop();
    if (job == nullptr) return false;
    batch = std::move(static_cast<InferenceJob&>(*job).batch());
    return true;
  }

  std::int64_t image_count() const { return count_; }

 private:
  std::shared_ptr<const LoaderContext> context_;
  std::int64_t position_;
  std::int64_t end_;
  std::int64_t count_;
  std::int64_t number_ = 0;
  std::unique_ptr<JobQueue> queue_;  // last: its threads use the members above
};

InferenceLoader::InferenceLoader(std::shared_ptr<const Dataset> dataset, LoaderOptions options, std::int64_t begin,
                                 std::int64_t end)
    : implementation_(std::make_unique<Implementation>(std::move(dataset), std::move(options), begin, end)) {}
InferenceLoader::~InferenceLoader() = default;
bool InferenceLoader::next(Batch& batch) { return implementation_->next(batch); }
std::int64_t InferenceLoader::image_count() const { return implementation_->image_count(); }

}  // namespace fastermask
