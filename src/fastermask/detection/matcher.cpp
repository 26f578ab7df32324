#include "fastermask/detection/matcher.h"

#include "fastermask/base/error.h"
#include "fastermask/kernels/matching.h"

namespace fastermask {

Matcher::Matcher(std::vector<double> thresholds, std::vector<int> labels)
    : Matcher(std::move(thresholds), std::move(labels), Options{}) {}

Matcher::Matcher(std::vector<double> thresholds, std::vector<int> labels, const Options& options)
    : options_(options) {
  if (labels.size() != thresholds.size() + 1) {
    fail<ConfigError>("matcher: there must be one label more than thresholds, got {} labels and {} thresholds",
                      labels.size(), thresholds.size());
  }
  double previous = 0;
  for (const double threshold : thresholds) {
    if (!(threshold > 0) || threshold < previous) {
      fail<ConfigError>("matcher: thresholds must be positive and rising, got {} after {}", threshold, previous);
    }
    previous = threshold;
    thresholds_.push_back(static_cast<float>(threshold));
  }
  for (const int label : labels) {
    if (label < -1 || label > 1) fail<ConfigError>("matcher: labels must be -1, 0 or 1, got {}", label);
    labels_.push_back(static_cast<std::int8_t>(label));
  }
}

Matches Matcher::match(Span<const Box> gt_boxes, Span<const Box> boxes) const {
  Matches matches;
  if (gt_boxes.empty()) {
    matches.gt_index.assign(boxes.size(), 0);
    matches.iou.assign(boxes.size(), 0.0f);
    matches.labels.assign(boxes.size(), labels_.front());
    return matches;
  }
  BestOverlaps overlaps = best_overlaps(gt_boxes, boxes);
  matches.labels.resize(boxes.size());
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    std::size_t interval = 0;
    while (interval < thresholds_.size() && overlaps.iou[i] >= thresholds_[interval]) ++interval;
    matches.labels[i] = labels_[interval];
  }
  if (options_.allow_low_quality) {
    std::vector<std::uint8_t> best(boxes.size(), 0);
    mark_best_anchors(gt_boxes, boxes, overlaps, !options_.compatibility, best);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      if (best[i] != 0) matches.labels[i] = 1;
    }
  }
  matches.gt_index = std::move(overlaps.gt_index);
  matches.iou = std::move(overlaps.iou);
  return matches;
}

}  // namespace fastermask
