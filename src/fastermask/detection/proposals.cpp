#include "fastermask/detection/proposals.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/nms.h"

namespace fastermask {
namespace {

std::size_t anchors_of_level(const RpnLevel& level) {
  return static_cast<std::size_t>(level.height) * static_cast<std::size_t>(level.width) *
         static_cast<std::size_t>(level.num_anchors);
}

void check_rpn_levels(Span<const RpnLevel> levels, std::size_t num_anchors, std::size_t num_images) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const RpnLevel& level = levels[i];
    FASTERMASK_CHECK(level.num_images == static_cast<int>(num_images) && level.height >= 0 && level.width >= 0 &&
                         level.num_anchors >= 0,
                     "proposals: level {} must be of {} images, got [{}, {}, {}, {}]", i, num_images, level.num_images,
                     level.height, level.width, level.num_anchors);
    total += anchors_of_level(level);
  }
  FASTERMASK_CHECK(total == num_anchors, "proposals: the levels have {} anchors, but {} anchor boxes are given", total,
                   num_anchors);
}

// The candidates of one level of one image, best first, decoded.
Proposals select_on_level(const RpnLevel& level, std::size_t image, Span<const Box> level_anchors,
                          const ProposalParams& params) {
  const std::size_t count = anchors_of_level(level);
  const float* logits = level.logits + image * count;
  const float* deltas = level.deltas + image * count * 4;
  const std::vector<int> best = top_scores(Span<const float>(logits, count), params.pre_nms_topk);
  Proposals candidates;
  candidates.boxes.reserve(best.size());
  candidates.logits.reserve(best.size());
  for (const int i : best) {
    const std::size_t index = static_cast<std::size_t>(i);
    const float* d = deltas + index * 4;
    candidates.boxes.push_back(params.coder.decode({d[0], d[1], d[2], d[3]}, level_anchors[index]));
    candidates.logits.push_back(logits[index]);
  }
  return candidates;
}

// Clip, drop, suppress: the candidates of all levels of one image become its proposals.
Proposals suppress_in_image(Span<const Proposals> candidates_per_level, const ImageSize& size,
                            const ProposalParams& params) {
  Proposals all;
  std::vector<int> levels;
  std::size_t count = 0;
  for (const Proposals& candidates : candidates_per_level) count += candidates.size();
  all.boxes.reserve(count);
  all.logits.reserve(count);
  levels.reserve(count);
  const float min_size = static_cast<float>(params.min_box_size);
  for (std::size_t level = 0; level < candidates_per_level.size(); ++level) {
    const Proposals& candidates = candidates_per_level[level];
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!candidates.boxes[i].finite() || !std::isfinite(candidates.logits[i])) {
        if (params.training) {
          fail<DivergedError>("Predicted boxes or scores contain Inf/NaN. Training has diverged.");
        }
        continue;
      }
      const Box box = clip(candidates.boxes[i], size);
      if (!(box.width() > min_size && box.height() > min_size)) continue;
      all.boxes.push_back(box);
      all.logits.push_back(candidates.logits[i]);
      levels.push_back(static_cast<int>(level));
    }
  }
  const std::vector<int> best = batched_nms(all.boxes, all.logits, levels, params.nms_thresh, params.post_nms_topk);
  Proposals kept;
  kept.boxes.reserve(best.size());
  kept.logits.reserve(best.size());
  for (const int i : best) {
    kept.boxes.push_back(all.boxes[static_cast<std::size_t>(i)]);
    kept.logits.push_back(all.logits[static_cast<std::size_t>(i)]);
  }
  return kept;
}

}  // namespace

std::vector<Proposals> find_top_rpn_proposals(Span<const RpnLevel> levels, Span<const Box> anchors,
                                              Span<const ImageSize> image_sizes, const ProposalParams& params) {
  check_rpn_levels(levels, anchors.size(), image_sizes.size());
  FASTERMASK_CHECK(params.pre_nms_topk >= 0 && params.post_nms_topk >= 0,
                   "proposals: pre_nms_topk and post_nms_topk must not be negative, got {} and {}",
                   params.pre_nms_topk, params.post_nms_topk);
  std::vector<std::size_t> first_anchor(levels.size(), 0);
  for (std::size_t i = 1; i < levels.size(); ++i) {
    first_anchor[i] = first_anchor[i - 1] + anchors_of_level(levels[i - 1]);
  }
  std::vector<Proposals> candidates(image_sizes.size() * levels.size());  // [image][level]
  parallel_for(0, static_cast<std::int64_t>(candidates.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t task = static_cast<std::size_t>(begin); task < static_cast<std::size_t>(end); ++task) {
      const std::size_t level = task % levels.size();
      candidates[task] = select_on_level(levels[level], task / levels.size(),
                                         anchors.subspan(first_anchor[level], anchors_of_level(levels[level])), params);
    }
  });
  std::vector<Proposals> proposals(image_sizes.size());
  parallel_for(0, static_cast<std::int64_t>(proposals.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t image = static_cast<std::size_t>(begin); image < static_cast<std::size_t>(end); ++image) {
      const Span<const Proposals> of_image(candidates.data() + image * levels.size(), levels.size());
      proposals[image] = suppress_in_image(of_image, image_sizes[image], params);
    }
  });
  return proposals;
}

}  // namespace fastermask
