#include "fastermask/kernels/nms.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>

#include "fastermask/base/error.h"
#include "fastermask/kernels/iou_isa.h"

namespace fastermask {
namespace {

// A score as an integer that falls as the score rises; NaN is lowest, 0 and -0 are equal.
std::uint32_t falling_key(float score) {
  if (std::isnan(score)) return 0;
  const float value = score == 0 ? 0.0f : score;
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const std::uint32_t rising = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return ~rising;
}

// Key and index in one number: sorting it orders by falling score and then by index, without ties.
std::uint64_t rank_of(float score, std::size_t index) {
  return (static_cast<std::uint64_t>(falling_key(score)) << 32) | static_cast<std::uint64_t>(index);
}

// The ranks that may be among the `count` best: a histogram over the keys' leading bits finds the bin where the
// `count`-th lies, and everything up to that bin is kept. Two cheap passes in place of a selection over all.
std::vector<std::uint64_t> candidate_ranks(Span<const float> scores, std::size_t count) {
  constexpr unsigned kShift = 18;
  std::vector<std::uint32_t> histogram(std::size_t{1} << (32 - kShift), 0);
  for (const float score : scores) ++histogram[falling_key(score) >> kShift];
  std::size_t total = 0;
  std::uint32_t last_bin = 0;
  while (total + histogram[last_bin] < count) total += histogram[last_bin++];
  std::vector<std::uint64_t> ranks;
  ranks.reserve(total + histogram[last_bin]);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (falling_key(scores[i]) >> kShift <= last_bin) ranks.push_back(rank_of(scores[i], i));
  }
  return ranks;
}

// The largest float not above the threshold: a float exceeds the one exactly when it exceeds the other.
float float_not_above(double threshold) {
  const float rounded = static_cast<float>(threshold);
  return static_cast<double>(rounded) > threshold ? std::nextafter(rounded, -1.0f) : rounded;
}

// Keeps a box unless one already kept overlaps it too much.
class GreedySuppressor {
 public:
  explicit GreedySuppressor(float threshold) : threshold_(threshold) {}

  bool keep(const Box& box) {
    if (kept_.size() > 0 && kernels_->any_above(box, kept_.columns(), kept_.padded_size(), threshold_)) return false;
    kept_.push_back(box);
    return true;
  }

 private:
  const OverlapKernels* kernels_ = &overlap_kernels();
  float threshold_;
  BoxColumnList kept_;
};

std::vector<int> nms_class_by_class(Span<const Box> boxes, Span<const float> scores, Span<const int> classes,
                                    double iou_threshold, int max_keep) {
  const float threshold = float_not_above(iou_threshold);
  std::map<int, GreedySuppressor> suppressors;
  std::vector<int> kept;
  for (const int i : top_scores(scores)) {
    if (static_cast<int>(kept.size()) >= max_keep) break;
    const std::size_t index = static_cast<std::size_t>(i);
    if (suppressors.try_emplace(classes[index], threshold).first->second.keep(boxes[index])) kept.push_back(i);
  }
  return kept;
}

}  // namespace

std::vector<int> top_scores(Span<const float> scores, int count) {
  FASTERMASK_CHECK(count >= 0, "top_scores: count must not be negative, got {}", count);
  const std::size_t wanted = std::min(scores.size(), static_cast<std::size_t>(count));
  if (wanted == 0) return {};
  std::vector<std::uint64_t> ranks = candidate_ranks(scores, wanted);
  const auto middle = ranks.begin() + static_cast<std::ptrdiff_t>(wanted);
  if (middle != ranks.end()) std::nth_element(ranks.begin(), middle, ranks.end());
  std::sort(ranks.begin(), middle);
  std::vector<int> order(wanted);
  std::transform(ranks.begin(), middle, order.begin(),
                 [](std::uint64_t rank) { return static_cast<int>(rank & 0xFFFFFFFFu); });
  return order;
}

std::vector<int> nms(Span<const Box> boxes, Span<const float> scores, double iou_threshold, int max_keep) {
  FASTERMASK_CHECK(boxes.size() == scores.size(), "nms: there must be one score a box, got {} boxes and {} scores",
                   boxes.size(), scores.size());
  GreedySuppressor suppressor(float_not_above(iou_threshold));
  std::vector<int> kept;
  for (const int i : top_scores(scores)) {
    if (static_cast<int>(kept.size()) >= max_keep) break;
    if (suppressor.keep(boxes[static_cast<std::size_t>(i)])) kept.push_back(i);
  }
  return kept;
}

std::vector<int> batched_nms(Span<const Box> boxes, Span<const float> scores, Span<const int> classes,
                             double iou_threshold, int max_keep) {
  FASTERMASK_CHECK(boxes.size() == scores.size() && boxes.size() == classes.size(),
                   "batched_nms: there must be one score and one class a box, got {} boxes, {} scores and {} classes",
                   boxes.size(), scores.size(), classes.size());
  constexpr std::size_t kOffsetLimit = 1000;
  if (boxes.size() > kOffsetLimit) return nms_class_by_class(boxes, scores, classes, iou_threshold, max_keep);
  float largest = -std::numeric_limits<float>::infinity();
  for (const Box& box : boxes) largest = std::max({largest, box.x1, box.y1, box.x2, box.y2});
  Boxes moved(boxes.begin(), boxes.end());
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const float offset = static_cast<float>(classes[i]) * (largest + 1.0f);
    moved[i] = {moved[i].x1 + offset, moved[i].y1 + offset, moved[i].x2 + offset, moved[i].y2 + offset};
  }
  return nms(moved, scores, iou_threshold, max_keep);
}

}  // namespace fastermask
