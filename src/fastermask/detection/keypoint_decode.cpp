// Heat maps to keypoints (decode_keypoints of postprocess.h). The bicubic resize is separable, and only its maximum is
// wanted: output rows are looked at from the most promising on, until none can beat the best value found.
//   S heat-map size   K keypoints
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/detection/postprocess.h"

namespace fastermask {
namespace {

// The four source positions and weights of one output position. Keys 1981 with a = -0.75; positions repeat at borders.
struct CubicTap {
  std::array<int, 4> index;
  std::array<float, 4> weight;
};

std::vector<CubicTap> cubic_taps(int source_size, int output_size) {
  constexpr float kA = -0.75f;
  const auto near = [](float t) { return ((kA + 2) * t - (kA + 3)) * t * t + 1; };              // |t| <= 1
  const auto far = [](float t) { return ((kA * t - 5 * kA) * t + 8 * kA) * t - 4 * kA; };       // 1 < |t| < 2
  const float scale = static_cast<float>(source_size) / static_cast<float>(output_size);
  std::vector<CubicTap> taps(static_cast<std::size_t>(output_size));
  for (int i = 0; i < output_size; ++i) {
    const float position = scale * (static_cast<float>(i) + 0.5f) - 0.5f;
    const float floor = std::floor(position);
    const float t = std::clamp(position - floor, 0.0f, 1.0f);
    CubicTap& tap = taps[static_cast<std::size_t>(i)];
    tap.weight = {far(t + 1), near(t), near(1 - t), far(2 - t)};
    for (int k = 0; k < 4; ++k) {
      tap.index[static_cast<std::size_t>(k)] = std::clamp(static_cast<int>(floor) - 1 + k, 0, source_size - 1);
    }
  }
  return taps;
}

struct Peak {
  float value = -std::numeric_limits<float>::infinity();
  int x = 0;
  int y = 0;
};

// One heat map, stretched to the box's width row by row as rows are asked for.
class StretchedMap {
 public:
  StretchedMap(const std::vector<float>& map, int size, const std::vector<CubicTap>& columns)
      : map_(map),
        size_(static_cast<std::size_t>(size)),
        columns_(columns),
        rows_(size_),
        upper_(size_),
        lower_(size_) {
    for (std::size_t y = 0; y < size_; ++y) {
      const auto begin = map_.begin() + static_cast<std::ptrdiff_t>(y * size_);
      const auto [low, high] = std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(size_));
      // Cubic weights add up to 1, the negative ones to -0.1875 at most: how far a row can overshoot its own range.
      const float overshoot = 0.19f * (*high - *low);
      upper_[y] = *high + overshoot;
      lower_[y] = *low - overshoot;
    }
  }

  // No value of the output row with this tap is above it.
  float bound(const CubicTap& tap) const {
    float sum = 0;
    float magnitude = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t row = static_cast<std::size_t>(tap.index[k]);
      sum += tap.weight[k] * (tap.weight[k] > 0 ? upper_[row] : lower_[row]);
      magnitude += std::max(std::abs(upper_[row]), std::abs(lower_[row]));
    }
    const float bound = sum + 1e-5f * magnitude;  // more than all rounding
    return std::isnan(bound) ? std::numeric_limits<float>::infinity() : bound;
  }

  // The output row with this tap, into `out` [columns].
  void output_row(const CubicTap& tap, std::vector<float>& out) {
    const float* r0 = row(tap.index[0]);
    const float* r1 = row(tap.index[1]);
    const float* r2 = row(tap.index[2]);
    const float* r3 = row(tap.index[3]);
    for (std::size_t x = 0; x < out.size(); ++x) {
      out[x] = r0[x] * tap.weight[0] + r1[x] * tap.weight[1] + r2[x] * tap.weight[2] + r3[x] * tap.weight[3];
    }
  }

 private:
  const float* row(int index) {
    const std::size_t y = static_cast<std::size_t>(index);
    std::vector<float>& stretched = rows_[y];
    if (stretched.empty()) {
      const float* in = map_.data() + y * size_;
      stretched.resize(columns_.size());
      for (std::size_t x = 0; x < columns_.size(); ++x) {
        const CubicTap& tap = columns_[x];
        stretched[x] = in[tap.index[0]] * tap.weight[0] + in[tap.index[1]] * tap.weight[1] +
                       in[tap.index[2]] * tap.weight[2] + in[tap.index[3]] * tap.weight[3];
      }
    }
    return stretched.data();
  }

  const std::vector<float>& map_;
  std::size_t size_;
  const std::vector<CubicTap>& columns_;
  std::vector<std::vector<float>> rows_;  // [y] stretched, or empty when not asked for yet
  std::vector<float> upper_;              // [y] no stretched value is above it
  std::vector<float> lower_;              // [y] or below it
};

// The largest value of `map` [S, S] resized by the taps, and where it is; the first in row order among equals.
Peak find_peak(const std::vector<float>& map, int size, const std::vector<CubicTap>& columns,
               const std::vector<CubicTap>& rows) {
  StretchedMap stretched(map, size, columns);
  std::vector<std::pair<float, int>> promising;  // bound, output row
  for (std::size_t y = 0; y < rows.size(); ++y) {
    promising.emplace_back(stretched.bound(rows[y]), static_cast<int>(y));
  }
  std::sort(promising.begin(), promising.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  Peak peak;
  std::vector<float> row(columns.size());
  for (const auto& [bound, y] : promising) {
    if (bound < peak.value) break;
    stretched.output_row(rows[static_cast<std::size_t>(y)], row);
    const auto best = std::max_element(row.begin(), row.end());
    if (*best > peak.value || (*best == peak.value && y < peak.y)) {
      peak = {*best, static_cast<int>(best - row.begin()), y};
    }
  }
  return peak;
}

// A box's frame for decoding: its size, at least one pixel, and that size rounded up.
struct KeypointFrame {
  float width, height;
  int columns, rows;

  explicit KeypointFrame(const Box& box)
      : width(std::max(box.width(), 1.0f)), height(std::max(box.height(), 1.0f)),
        columns(static_cast<int>(std::ceil(width))), rows(static_cast<int>(std::ceil(height))) {}
};

void check_keypoint_boxes(Span<const Box> boxes) {
  constexpr float kMostPixels = 100000;
  for (const Box& box : boxes) {
    FASTERMASK_CHECK(box.finite() && box.width() <= kMostPixels && box.height() <= kMostPixels,
                     "decode_keypoints: boxes must be finite and at most {} pixels wide, got ({}, {}, {}, {})",
                     kMostPixels, box.x1, box.y1, box.x2, box.y2);
  }
}

std::vector<Keypoint> decode_instance(const float* heatmaps, const Box& box, int size, int num_keypoints) {
  const KeypointFrame frame(box);
  const std::vector<CubicTap> columns = cubic_taps(size, frame.columns);
  const std::vector<CubicTap> rows = cubic_taps(size, frame.rows);
  const std::size_t cells = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  const std::size_t count = static_cast<std::size_t>(num_keypoints);
  std::vector<Keypoint> keypoints(count);
  std::vector<float> map(cells);
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t i = 0; i < cells; ++i) map[i] = heatmaps[i * count + k];
    const Peak peak = find_peak(map, size, columns, rows);
    float sum = 0;
    for (const float value : map) sum += std::exp(value - peak.value);
    keypoints[k].x = (static_cast<float>(peak.x) + 0.5f) * (frame.width / static_cast<float>(frame.columns)) + box.x1;
    keypoints[k].y = (static_cast<float>(peak.y) + 0.5f) * (frame.height / static_cast<float>(frame.rows)) + box.y1;
    keypoints[k].visibility = 1.0f / sum;
  }
  return keypoints;
}

}  // namespace

std::vector<std::vector<Keypoint>> decode_keypoints(Span<const float> heatmaps, Span<const Box> boxes,
                                                    int heatmap_size, int num_keypoints) {
  FASTERMASK_CHECK(heatmap_size >= 1 && num_keypoints >= 1,
                   "decode_keypoints: heatmap_size and num_keypoints must be at least 1, got {} and {}", heatmap_size,
                   num_keypoints);
  const std::size_t values = static_cast<std::size_t>(heatmap_size) * static_cast<std::size_t>(heatmap_size) *
                             static_cast<std::size_t>(num_keypoints);
  FASTERMASK_CHECK(heatmaps.size() == boxes.size() * values,
                   "decode_keypoints: heatmaps must be [{}, {}, {}, {}], got {} values", boxes.size(), heatmap_size,
                   heatmap_size, num_keypoints, heatmaps.size());
  check_keypoint_boxes(boxes);
  std::vector<std::vector<Keypoint>> keypoints(boxes.size());
  parallel_for(0, static_cast<std::int64_t>(boxes.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      keypoints[i] = decode_instance(heatmaps.data() + i * values, boxes[i], heatmap_size, num_keypoints);
    }
  });
  return keypoints;
}

}  // namespace fastermask
