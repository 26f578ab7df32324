#include "fastermask/detection/roi_levels.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"

namespace fastermask {

std::vector<int> assign_boxes_to_levels(Span<const Box> boxes, const RoiLevelParams& params) {
  FASTERMASK_CHECK(params.min_level <= params.max_level,
                   "roi_levels: min_level must not be above max_level, got {} and {}", params.min_level,
                   params.max_level);
  const float canonical_size = static_cast<float>(params.canonical_box_size);
  const float canonical_level = static_cast<float>(params.canonical_level);
  const float lowest = static_cast<float>(params.min_level);
  const float highest = static_cast<float>(params.max_level);
  std::vector<int> levels;
  levels.reserve(boxes.size());
  for (const Box& box : boxes) {
    const float relative_size = std::sqrt(box.area()) / canonical_size;
    const float level = std::floor(canonical_level + std::log2(relative_size + 1e-8f));
    // A negative area has no square root; it goes to the finest level, as an empty box does.
    levels.push_back(std::isnan(level) ? 0 : static_cast<int>(std::clamp(level, lowest, highest)) - params.min_level);
  }
  return levels;
}

}  // namespace fastermask
