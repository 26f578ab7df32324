#include "fastermask/evaluation/coco_eval.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/evaluation/coco_accumulate.h"
#include "fastermask/evaluation/coco_match.h"
#include "fastermask/evaluation/summary.h"

namespace fastermask {

struct CocoEvaluator::State {
  std::shared_ptr<const CocoGroundTruth> truth;
  CocoEvalParams params;
  std::vector<std::uint8_t> evaluated;  // [I]
  std::vector<MatchedImage> images;     // [I]

  std::size_t image_index(std::int64_t id) const {
    const int index = truth->find_image(id);
    if (index < 0) {
      fail<DataError>("evaluation: image id {} is not among the {} images of {}", id, truth->images().size(),
                      truth->name());
    }
    return static_cast<std::size_t>(index);
  }

  void add(std::size_t image, std::vector<const DetectionRecord*> detections, ImageMatcher& matcher) {
    if (images[image].added) {
      fail<DataError>("evaluation: image {} is added twice; all its detections must come at once",
                      truth->images()[image].id);
    }
    images[image].added = true;
    if (evaluated[image] != 0) matcher.match(image, std::move(detections), images[image]);
  }
};

CocoEvaluator::CocoEvaluator(std::shared_ptr<const CocoGroundTruth> truth, CocoEvalParams params)
    : state_(std::make_unique<State>()) {
  check_eval_params(params);
  state_->truth = std::move(truth);
  state_->params = std::move(params);
  const std::size_t count = state_->truth->images().size();
  state_->images.resize(count);
  state_->evaluated.assign(count, state_->params.image_ids.empty() ? 1 : 0);
  if (state_->params.federated && !state_->truth->is_federated()) {
    fail<DataError>("ground truth: {}: no image has neg_category_ids, which LVIS's evaluation needs",
                    state_->truth->name());
  }
  for (const std::int64_t id : state_->params.image_ids) state_->evaluated[state_->image_index(id)] = 1;
  for (const GroundTruthAnnotation& annotation : state_->truth->annotations()) {
    if (annotation.id == 0) {
      log_warning("evaluation.coco_evaluation",
                  "An annotation has id 0. pycocotools counts a detection that finds it as wrong, and so does this; "
                  "number annotations from 1");
    }
    if (state_->params.iou_type != IouType::keypoints) continue;
    const std::size_t sigmas = state_->params.keypoint_sigmas.size();
    if (annotation.keypoint_count != sigmas && state_->evaluated[annotation.image] != 0) {
      fail<DataError>(
          "ground truth: {}: annotation {} (image {}): has {} keypoints, there are {} sigmas "
          "(TEST.KEYPOINT_OKS_SIGMAS)",
          state_->truth->name(), annotation.id, state_->truth->images()[annotation.image].id, annotation.keypoint_count,
          sigmas);
    }
  }
}

CocoEvaluator::~CocoEvaluator() = default;
CocoEvaluator::CocoEvaluator(CocoEvaluator&&) noexcept = default;
CocoEvaluator& CocoEvaluator::operator=(CocoEvaluator&&) noexcept = default;

void CocoEvaluator::add(std::int64_t image_id, Span<const DetectionRecord> detections) {
  std::vector<const DetectionRecord*> pointers;
  for (const DetectionRecord& detection : detections) pointers.push_back(&detection);
  ImageMatcher matcher(*state_->truth, state_->params);
  state_->add(state_->image_index(image_id), std::move(pointers), matcher);
}

void CocoEvaluator::add_all(Span<const DetectionRecord> detections) {
  const std::size_t count = state_->images.size();
  std::vector<std::uint32_t> image_of(detections.size());
  std::vector<std::size_t> begin(count + 1, 0);
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const bool same = i > 0 && detections[i].image_id == detections[i - 1].image_id;
    image_of[i] = same ? image_of[i - 1] : static_cast<std::uint32_t>(state_->image_index(detections[i].image_id));
    ++begin[image_of[i] + 1];
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<const DetectionRecord*> by_image(detections.size());
  std::vector<std::size_t> next(begin.begin(), begin.end() - 1);
  for (std::size_t i = 0; i < detections.size(); ++i) by_image[next[image_of[i]]++] = &detections[i];

  std::atomic<std::size_t> next_image{0};
  parallel_for(0, num_threads(), 1, [&](std::int64_t, std::int64_t) {
    ImageMatcher matcher(*state_->truth, state_->params);
    for (std::size_t image = next_image++; image < count; image = next_image++) {
      const auto at = [&](std::size_t place) { return by_image.begin() + static_cast<std::ptrdiff_t>(place); };
      if (begin[image] < begin[image + 1]) state_->add(image, {at(begin[image]), at(begin[image + 1])}, matcher);
    }
  });
}

CocoEvalResult CocoEvaluator::evaluate() const {
  CocoEvalResult result = accumulate_matches(*state_->truth, state_->params, state_->evaluated, state_->images);
  result.stats = coco_summary_stats(result);
  return result;
}

std::size_t CocoEvaluator::memory_bytes() const {
  std::size_t bytes = state_->images.capacity() * sizeof(MatchedImage) + state_->evaluated.capacity();
  for (const MatchedImage& image : state_->images) {
    bytes += image.cells.capacity() * sizeof(MatchedCell) + image.scores.capacity() * sizeof(double) +
             image.bits.capacity() * sizeof(MatchBits);
  }
  return bytes;
}

}  // namespace fastermask
