#include "fastermask/evaluation/proposal_recall.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

constexpr float kAnyArea = 1e10f;
constexpr float kSmallLimit = 32 * 32;
constexpr float kMediumLimit = 96 * 96;

// As torch.arange(0.5, 0.95 + 1e-5, 0.05) in float32.
std::array<float, 10> proposal_iou_thresholds() {
  std::array<float, 10> thresholds{};
  for (std::size_t i = 0; i < thresholds.size(); ++i)
    thresholds[i] = static_cast<float>(0.5 + static_cast<double>(i) * 0.05);
  return thresholds;
}

Box truth_box(const GroundTruthAnnotation& annotation) {
  const float x = static_cast<float>(annotation.xywh[0]);
  const float y = static_cast<float>(annotation.xywh[1]);
  return {x, y, x + static_cast<float>(annotation.xywh[2]), y + static_cast<float>(annotation.xywh[3])};
}

}  // namespace

ProposalRecall::ProposalRecall(std::shared_ptr<const CocoGroundTruth> truth, std::vector<int> limits)
    : truth_(std::move(truth)), added_(truth_->images().size(), 0) {
  for (const int limit : limits) {
    FASTERMASK_CHECK(limit > 0, "proposal recall: limits on proposals must be positive, got {}", limit);
    groups_.push_back({limit, "", 0, kAnyArea, {}});
    groups_.push_back({limit, "s", 0, kSmallLimit, {}});
    groups_.push_back({limit, "m", kSmallLimit, kMediumLimit, {}});
    groups_.push_back({limit, "l", kMediumLimit, kAnyArea, {}});
  }
}

void ProposalRecall::add(std::int64_t image_id, Span<const Box> proposals) {
  const int image = truth_->find_image(image_id);
  if (image < 0) {
    fail<DataError>("proposal recall: image id {} is not among the {} images of {}", image_id, truth_->images().size(),
                    truth_->name());
  }
  if (std::exchange(added_[static_cast<std::size_t>(image)], 1) != 0) {
    fail<DataError>("proposal recall: image {} is added twice", image_id);
  }
  if (proposals.empty()) return;
  for (Group& group : groups_) {
    std::vector<const GroundTruthAnnotation*> truths;
    for (const GroundTruthAnnotation& annotation : truth_->annotations_of(static_cast<std::size_t>(image))) {
      const float area = static_cast<float>(annotation.area);
      if (!annotation.crowd && area >= group.low && area <= group.high) truths.push_back(&annotation);
    }
    const std::size_t count = std::min(proposals.size(), static_cast<std::size_t>(group.limit));
    if (!truths.empty()) add_group(group, proposals.first(count), truths);
  }
}

// Pairs off, again and again, the ground truth that is covered best and the proposal that covers it.
void ProposalRecall::add_group(Group& group, Span<const Box> proposals,
                               const std::vector<const GroundTruthAnnotation*>& truths) {
  const std::size_t truth_count = truths.size();
  std::vector<float> overlaps(proposals.size() * truth_count);
  for (std::size_t g = 0; g < truth_count; ++g) {
    const Box box = truth_box(*truths[g]);
    for (std::size_t p = 0; p < proposals.size(); ++p) overlaps[p * truth_count + g] = iou(proposals[p], box);
  }
  std::vector<std::uint8_t> proposal_used(proposals.size(), 0);
  std::vector<std::uint8_t> truth_used(truth_count, 0);
  // The best proposal left for each ground truth; looked for again only when it is taken.
  std::vector<std::size_t> best(truth_count, proposals.size());
  const auto find_best = [&](std::size_t g) {
    best[g] = proposals.size();
    for (std::size_t p = 0; p < proposals.size(); ++p) {
      const bool better =
          best[g] == proposals.size() || overlaps[p * truth_count + g] > overlaps[best[g] * truth_count + g];
      if (proposal_used[p] == 0 && better) best[g] = p;
    }
  };
  for (std::size_t g = 0; g < truth_count; ++g) find_best(g);
  const std::size_t pairs = std::min(proposals.size(), truth_count);
  for (std::size_t i = 0; i < pairs; ++i) {
    std::size_t covered = truth_count;
    for (std::size_t g = 0; g < truth_count; ++g) {
      if (truth_used[g] != 0) continue;
      const bool better = covered == truth_count ||
                          overlaps[best[g] * truth_count + g] > overlaps[best[covered] * truth_count + covered];
      if (better) covered = g;
    }
    const std::size_t taken = best[covered];
    group.overlaps.push_back(overlaps[taken * truth_count + covered]);
    proposal_used[taken] = 1;
    truth_used[covered] = 1;
    for (std::size_t g = 0; g < truth_count; ++g) {
      if (truth_used[g] == 0 && best[g] == taken && i + 1 < pairs) find_best(g);
    }
  }
  group.overlaps.resize(group.overlaps.size() + truth_count - pairs, 0.0f);
}

TaskMetrics ProposalRecall::metrics() const {
  TaskMetrics metrics;
  metrics.task = "box_proposals";
  const std::array<float, 10> thresholds = proposal_iou_thresholds();
  for (const Group& group : groups_) {
    float sum = 0;
    for (const float threshold : thresholds) {
      const auto found = std::count_if(group.overlaps.begin(), group.overlaps.end(),
                                       [threshold](float overlap) { return overlap >= threshold; });
      sum += static_cast<float>(found) / static_cast<float>(group.overlaps.size());
    }
    const double recall = group.overlaps.empty() ? std::numeric_limits<double>::quiet_NaN()
                                                 : static_cast<double>(sum / static_cast<float>(thresholds.size()));
    metrics.metrics.emplace_back(fmt::format("AR{}@{}", group.suffix, group.limit), recall * 100);
  }
  return metrics;
}

}  // namespace fastermask
