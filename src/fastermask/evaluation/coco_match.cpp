// COCO's greedy matching, as pycocotools' evaluateImg does it.
#include "fastermask/evaluation/coco_match.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

// Even a threshold of 1 is met by a perfect match: it is lowered by this much.
constexpr double kAlmostOne = 1 - 1e-10;

double similarity_needed(double threshold) { return std::min(threshold, kAlmostOne); }

// The area of the box around keypoints, which a result without bbox is given.
double keypoints_area(const std::vector<double>& keypoints) {
  double x0 = keypoints[0], x1 = keypoints[0], y0 = keypoints[1], y1 = keypoints[1];
  for (std::size_t i = 3; i + 2 < keypoints.size(); i += 3) {
    x0 = std::min(x0, keypoints[i]);
    x1 = std::max(x1, keypoints[i]);
    y0 = std::min(y0, keypoints[i + 1]);
    y1 = std::max(y1, keypoints[i + 1]);
  }
  return (x1 - x0) * (y1 - y0);
}

}  // namespace

bool is_ignored(const GroundTruthAnnotation& annotation, const CocoEvalParams& params) {
  return annotation.crowd || (params.use_ignore_field && annotation.ignore) ||
         (params.iou_type == IouType::keypoints && annotation.num_keypoints == 0);
}

ImageMatcher::ImageMatcher(const CocoGroundTruth& truth, const CocoEvalParams& params)
    : truth_(truth),
      params_(params),
      all_thresholds_(0xffffffffu >> (kMaxIouThresholds - params.iou_thresholds.size())),
      similarity_(truth, params) {}

void ImageMatcher::check(const DetectionRecord& detection, const GroundTruthImage& image) const {
  const auto complain = [&](const std::string& what) { fail<DataError>("evaluation: image {}: {}", image.id, what); };
  if (!std::isfinite(detection.score))
    complain(fmt::format("the score must be a finite number, got {}", detection.score));
  if (detection.category < 0 || detection.category >= static_cast<int>(truth_.category_ids().size())) {
    complain(
        fmt::format("the category must be from 0 to {}, got {}", truth_.category_ids().size() - 1, detection.category));
  }
  switch (params_.iou_type) {
    case IouType::bbox:
      if (!detection.has_box) complain("a detection has no box");
      break;
    case IouType::segm:
      if (detection.mask.counts.empty()) complain("a detection has no mask");
      if (image.height > 0 && (detection.mask.height != image.height || detection.mask.width != image.width)) {
        complain(fmt::format("a detection's mask is {} x {}, the image is {} x {} (height x width)",
                             detection.mask.height, detection.mask.width, image.height, image.width));
      }
      break;
    case IouType::keypoints:
      if (detection.keypoints.size() != 3 * params_.keypoint_sigmas.size()) {
        complain(fmt::format("a detection has {} keypoints, there are {} sigmas (TEST.KEYPOINT_OKS_SIGMAS)",
                             detection.keypoints.size() / 3, params_.keypoint_sigmas.size()));
      }
      break;
  }
}

double ImageMatcher::detection_area(const DetectionRecord& detection) const {
  switch (params_.iou_type) {
    case IouType::segm:
      if (!params_.segm_area_from_box || !detection.has_box) return static_cast<double>(rle_area(detection.mask));
      break;
    case IouType::keypoints:
      if (!detection.has_box) return keypoints_area(detection.keypoints);
      break;
    case IouType::bbox: break;
  }
  return detection.xywh[2] * detection.xywh[3];
}

// Leaves out what does not count whatever it finds: beyond the image's limit, or (LVIS) of a category that was not
// looked for in the image.
void ImageMatcher::keep_counted(std::size_t image, std::vector<const DetectionRecord*>& detections) const {
  const std::size_t limit = static_cast<std::size_t>(params_.max_detections_per_image);
  if (limit > 0 && detections.size() > limit) {
    std::stable_sort(detections.begin(), detections.end(),
                     [](const auto* a, const auto* b) { return a->score > b->score; });
    detections.resize(limit);
  }
  if (!params_.federated) return;
  const std::vector<int>& absent = truth_.images()[image].absent_categories;
  const Span<const GroundTruthAnnotation> annotations = truth_.annotations_of(image);
  const auto not_looked_for = [&](const DetectionRecord* detection) {
    if (std::binary_search(absent.begin(), absent.end(), detection->category)) return false;
    return std::none_of(annotations.begin(), annotations.end(), [&](const GroundTruthAnnotation& annotation) {
      return annotation.category == detection->category;
    });
  };
  detections.erase(std::remove_if(detections.begin(), detections.end(), not_looked_for), detections.end());
}

void ImageMatcher::match(std::size_t image, std::vector<const DetectionRecord*> detections, MatchedImage& out) {
  for (const DetectionRecord* detection : detections) check(*detection, truth_.images()[image]);
  keep_counted(image, detections);
  const bool by_category = params_.use_categories;
  if (!by_category) {  // pycocotools joins the categories' lists one after another
    std::stable_sort(detections.begin(), detections.end(),
                     [](const auto* a, const auto* b) { return a->category < b->category; });
  }
  std::stable_sort(detections.begin(), detections.end(), [by_category](const auto* a, const auto* b) {
    return by_category && a->category != b->category ? a->category < b->category : a->score > b->score;
  });
  const std::size_t limit = static_cast<std::size_t>(params_.max_detections.back());
  const std::size_t ranges = params_.area_ranges.size();
  const Span<const GroundTruthAnnotation> annotations = truth_.annotations_of(image);
  auto truth = annotations.begin();
  for (std::size_t begin = 0, end = 0; begin < detections.size(); begin = end) {
    const int category = detections[begin]->category;
    while (end < detections.size() && (!by_category || detections[end]->category == category)) ++end;
    const auto first = detections.begin() + static_cast<std::ptrdiff_t>(begin);
    cell_.assign(first, first + static_cast<std::ptrdiff_t>(std::min(end - begin, limit)));
    truths_.clear();
    while (by_category && truth != annotations.end() && truth->category < category) ++truth;
    for (; truth != annotations.end() && (!by_category || truth->category == category); ++truth)
      truths_.push_back(&*truth);
    out.cells.push_back({by_category ? category : 0, static_cast<std::uint32_t>(cell_.size())});
    for (const DetectionRecord* detection : cell_) out.scores.push_back(detection->score);
    out.bits.resize(out.scores.size() * ranges);
    const std::vector<int>& incomplete = truth_.images()[image].incomplete_categories;
    incomplete_ = params_.federated && std::binary_search(incomplete.begin(), incomplete.end(), category);
    match_cell(&out.bits[(out.scores.size() - cell_.size()) * ranges]);
  }
}

// `bits` is [D, A].
void ImageMatcher::match_cell(MatchBits* bits) {
  const std::size_t truth_count = truths_.size();
  similarity_.compute(cell_, truths_);
  areas_.resize(cell_.size());
  best_.assign(cell_.size(), -1);
  for (std::size_t d = 0; d < cell_.size(); ++d) {
    areas_[d] = detection_area(*cell_[d]);
    const double* row = similarity_.values().data() + d * truth_count;
    for (std::size_t g = 0; g < truth_count; ++g) best_[d] = std::max(best_[d], row[g]);
  }
  matched_.assign(cell_.size(), 0);
  excused_.assign(cell_.size(), 0);
  for (std::size_t a = 0; a < params_.area_ranges.size(); ++a) match_area_range(a, bits + a);
}

// `bits` is the column of one area range in [D, A].
void ImageMatcher::match_area_range(std::size_t range, MatchBits* bits) {
  const AreaRange& area = params_.area_ranges[range];
  ignored_.resize(truths_.size());
  for (std::size_t g = 0; g < truths_.size(); ++g) {
    const GroundTruthAnnotation& truth = *truths_[g];
    ignored_[g] = is_ignored(truth, params_) || truth.area < area.low || truth.area > area.high ? 1 : 0;
  }
  if (range == 0 || ignored_ != last_ignored_) {  // else the matches are those of the range before
    order_.clear();
    for (const std::uint8_t ignored : {0, 1}) {
      for (std::size_t g = 0; g < truths_.size(); ++g) {
        if (ignored_[g] == ignored) order_.push_back(static_cast<std::uint32_t>(g));
      }
    }
    std::fill(matched_.begin(), matched_.end(), 0);
    std::fill(excused_.begin(), excused_.end(), 0);
    if (!truths_.empty()) {
      for (std::size_t t = 0; t < params_.iou_thresholds.size(); ++t) match_threshold(t);
    }
    last_ignored_ = ignored_;
  }
  const std::size_t stride = params_.area_ranges.size();
  for (std::size_t d = 0; d < cell_.size(); ++d) {
    std::uint32_t excused = excused_[d];
    if (incomplete_ || areas_[d] < area.low || areas_[d] > area.high) excused |= ~matched_[d];
    bits[d * stride].right = matched_[d] & ~excused;
    bits[d * stride].wrong = ~matched_[d] & ~excused & all_thresholds_;
  }
}

void ImageMatcher::match_threshold(std::size_t threshold) {
  const double needed = similarity_needed(params_.iou_thresholds[threshold]);
  const std::uint32_t bit = 1u << threshold;
  const std::size_t truth_count = truths_.size();
  taken_.assign(truth_count, 0);
  for (std::size_t d = 0; d < cell_.size(); ++d) {
    if (best_[d] < needed) continue;
    const double* row = similarity_.values().data() + d * truth_count;
    double best = needed;
    std::size_t match = truth_count;
    for (const std::uint32_t g : order_) {
      if (taken_[g] != 0 && !truths_[g]->crowd) continue;
      if (match != truth_count && ignored_[match] == 0 && ignored_[g] != 0) break;  // one that counts is preferred
      if (row[g] < best) continue;
      best = row[g];
      match = g;
    }
    if (match == truth_count) continue;
    taken_[match] = 1;
    if (ignored_[match] != 0) excused_[d] |= bit;
    // pycocotools marks a match by the annotation's id and takes 0 for "none".
    if (truths_[match]->id != 0) matched_[d] |= bit;
  }
}

}  // namespace fastermask
