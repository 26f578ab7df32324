// How alike detections and ground truths are, with the very roundings of pycocotools (cocoapi common/maskApi.c, bbIou
// and rleIou; PythonAPI/pycocotools/cocoeval.py, computeOks).
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "fastermask/evaluation/coco_match.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

double xywh_iou(const std::array<double, 4>& detection, const std::array<double, 4>& truth, bool crowd) {
  const double width = std::min(detection[2] + detection[0], truth[2] + truth[0]) - std::max(detection[0], truth[0]);
  if (!(width > 0)) return 0;
  const double height = std::min(detection[3] + detection[1], truth[3] + truth[1]) - std::max(detection[1], truth[1]);
  if (!(height > 0)) return 0;
  const double both = width * height;
  const double detection_area = detection[2] * detection[3];
  return both / (crowd ? detection_area : detection_area + truth[2] * truth[3] - both);
}

// numpy's order of adding up: eight sums side by side from eight numbers on, joined in pairs; the rest one by one.
// (Up to 128 numbers: beyond, numpy splits in halves.)
double numpy_sum(const double* values, std::size_t count) {
  if (count > 128) {
    const std::size_t half = count / 2 - count / 2 % 8;
    return numpy_sum(values, half) + numpy_sum(values + half, count - half);
  }
  double sum = 0;
  std::size_t i = 0;
  if (count >= 8) {
    std::array<double, 8> sums;
    std::copy(values, values + 8, sums.begin());
    for (i = 8; i + 8 <= count; i += 8) {
      for (std::size_t k = 0; k < 8; ++k) sums[k] += values[i + k];
    }
    sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }
  for (; i < count; ++i) sum += values[i];
  return sum;
}

double square(double value) { return value * value; }

// Object keypoint similarity. Where the ground truth has no labelled keypoint, what counts is how far the detection
// strays from its box, doubled in size.
double keypoint_similarity(const std::vector<double>& detected, Span<const double> truth,
                           const GroundTruthAnnotation& annotation, const std::vector<double>& sigmas,
                           std::vector<double>& terms) {
  const std::size_t count = sigmas.size();
  bool labelled = false;
  for (std::size_t k = 0; k < count; ++k) labelled = labelled || truth[3 * k + 2] > 0;
  const std::array<double, 4>& box = annotation.xywh;
  const double x0 = box[0] - box[2];
  const double x1 = box[0] + box[2] * 2;
  const double y0 = box[1] - box[3];
  const double y1 = box[1] + box[3] * 2;
  terms.clear();
  for (std::size_t k = 0; k < count; ++k) {
    if (labelled && !(truth[3 * k + 2] > 0)) continue;
    const double x = detected[3 * k];
    const double y = detected[3 * k + 1];
    const double dx = labelled ? x - truth[3 * k] : std::max(0.0, x0 - x) + std::max(0.0, x - x1);
    const double dy = labelled ? y - truth[3 * k + 1] : std::max(0.0, y0 - y) + std::max(0.0, y - y1);
    const double variance = square(sigmas[k] * 2);
    const double distance =
        (square(dx) + square(dy)) / variance / (annotation.area + std::numeric_limits<double>::epsilon()) / 2;
    terms.push_back(std::exp(-distance));
  }
  return numpy_sum(terms.data(), terms.size()) / static_cast<double>(terms.size());
}

}  // namespace

void SimilarityMatrix::compute(Span<const DetectionRecord* const> detections,
                               Span<const GroundTruthAnnotation* const> truths) {
  values_.assign(detections.size() * truths.size(), 0.0);
  if (values_.empty()) return;
  switch (params_.iou_type) {
    case IouType::bbox: compare_boxes(detections, truths); break;
    case IouType::segm: compare_masks(detections, truths); break;
    case IouType::keypoints: compare_keypoints(detections, truths); break;
  }
}

void SimilarityMatrix::compare_boxes(Span<const DetectionRecord* const> detections,
                                     Span<const GroundTruthAnnotation* const> truths) {
  double* value = values_.data();
  for (const DetectionRecord* detection : detections) {
    for (const GroundTruthAnnotation* truth : truths) *value++ = xywh_iou(detection->xywh, truth->xywh, truth->crowd);
  }
}

void SimilarityMatrix::compare_masks(Span<const DetectionRecord* const> detections,
                                     Span<const GroundTruthAnnotation* const> truths) {
  if (truth_runs_.size() < truths.size()) truth_runs_.resize(truths.size());
  if (detection_runs_.size() < detections.size()) detection_runs_.resize(detections.size());
  for (std::size_t d = 0; d < detections.size(); ++d) detection_runs_[d].assign(detections[d]->mask);
  const double lowest = *std::min_element(params_.iou_thresholds.begin(), params_.iou_thresholds.end());
  const double surely_below = lowest * (1 - 1e-9);
  // Drawing a polygon is worth while only where a detection may reach a threshold: at least that share of it must lie
  // where the polygon does.
  const auto may_reach = [&](const std::array<double, 4>& extent) {
    const auto first = detection_runs_.begin();
    return std::any_of(first, first + static_cast<std::ptrdiff_t>(detections.size()), [&](const MaskRuns& runs) {
      const double inside = runs.bound_within(extent[0], extent[1], extent[2], extent[3]);
      return inside > 0 && inside >= surely_below * static_cast<double>(runs.area());
    });
  };
  drawn_.assign(truths.size(), true);
  if (params_.boundary && truth_rims_.size() < truths.size()) truth_rims_.resize(truths.size());
  for (std::size_t g = 0; g < truths.size(); ++g) {
    const auto extent = truth_.mask_extent(*truths[g]);
    drawn_[g] = !extent || may_reach(*extent);
    if (!drawn_[g]) continue;
    truth_.mask_runs(*truths[g], truth_runs_[g]);
    if (!params_.boundary) continue;
    const Rle mask = truth_.mask(*truths[g]);
    truth_rims_[g].assign(rle_boundary(mask, boundary_distance(mask.height, mask.width)));
  }
  double* value = values_.data();
  for (std::size_t d = 0; d < detections.size(); ++d) {
    const MaskRuns& detected = detection_runs_[d];
    const double area = static_cast<double>(detected.area());
    bool has_rim = false;  // drawn when it is needed
    for (std::size_t g = 0; g < truths.size(); ++g, ++value) {
      if (!drawn_[g]) continue;
      const MaskRuns& runs = truth_runs_[g];
      const double truth_area = static_cast<double>(runs.area());
      const double most = static_cast<double>(MaskRuns::intersection_bound(detected, runs));
      const double least_union = truths[g]->crowd ? area : area + truth_area - most;
      if (most == 0 || most < surely_below * least_union) continue;
      const double both = static_cast<double>(MaskRuns::intersection(detected, runs));
      if (!(both > 0)) continue;
      *value = both / (truths[g]->crowd ? area : area + truth_area - both);
      if (!params_.boundary) continue;
      if (!has_rim) {
        const Rle& mask = detections[d]->mask;
        detection_rim_.assign(rle_boundary(mask, boundary_distance(mask.height, mask.width)));
      }
      has_rim = true;
      const double rim_area = static_cast<double>(detection_rim_.area());
      const double truth_rim_area = static_cast<double>(truth_rims_[g].area());
      const double rims = static_cast<double>(MaskRuns::intersection(detection_rim_, truth_rims_[g]));
      const double rim_iou = rims > 0 ? rims / (truths[g]->crowd ? rim_area : rim_area + truth_rim_area - rims) : 0;
      *value = std::min(*value, rim_iou);
    }
  }
}

void SimilarityMatrix::compare_keypoints(Span<const DetectionRecord* const> detections,
                                         Span<const GroundTruthAnnotation* const> truths) {
  double* value = values_.data();
  for (const DetectionRecord* detection : detections) {
    for (const GroundTruthAnnotation* truth : truths) {
      *value++ =
          keypoint_similarity(detection->keypoints, truth_.keypoints(*truth), *truth, params_.keypoint_sigmas, terms_);
    }
  }
}

}  // namespace fastermask
