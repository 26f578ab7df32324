// The sample positions and weights of RoIAlign along one axis. See roi_axis.h.
#include "fastermask/kernels/roi_axis.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// Far more than any picture has; keeps the work for a runaway box bounded.
constexpr float kMaxRoiLength = 1e7f;

// Adds weight to the bin's entry of that pixel. Positions rise, so it is one of the last two entries or new.
void add_roi_entry(RoiAxis& axis, std::size_t bin_begin, int pixel, float weight) {
  for (std::size_t back = 1; back <= 2 && axis.pixels.size() >= bin_begin + back; ++back) {
    const std::size_t entry = axis.pixels.size() - back;
    if (axis.pixels[entry] == pixel) {
      axis.weights[entry] += weight;
      return;
    }
  }
  axis.pixels.push_back(pixel);
  axis.weights.push_back(weight);
}

}  // namespace

RoiExtent roi_extent(float low, float high, float spatial_scale, int pooled, int sampling_ratio, bool aligned) {
  const float offset = aligned ? 0.5f : 0.0f;
  RoiExtent extent;
  extent.start = low * spatial_scale - offset;
  float length = (high * spatial_scale - offset) - extent.start;
  if (!aligned) length = std::max(length, 1.0f);
  FASTERMASK_CHECK(length <= kMaxRoiLength, "roi_align: a roi may span at most {} feature pixels, got {}",
                   kMaxRoiLength, length);
  extent.bin_size = length / static_cast<float>(pooled);
  extent.samples = sampling_ratio > 0 ? sampling_ratio : std::max(0, static_cast<int>(std::ceil(extent.bin_size)));
  return extent;
}

void make_roi_axis(const RoiExtent& extent, int pooled, int length, RoiAxis& axis) {
  axis.starts.assign(1, 0);
  axis.pixels.clear();
  axis.weights.clear();
  axis.samples = extent.samples;
  for (int bin = 0; bin < pooled; ++bin) {
    const std::size_t bin_begin = axis.pixels.size();
    for (int sample = 0; sample < extent.samples; ++sample) {
      float position = roi_sample_position(extent.start, extent.bin_size, bin, sample, extent.samples);
      if (!(position >= -1.0f && position <= static_cast<float>(length))) continue;
      position = std::max(position, 0.0f);
      const int low = static_cast<int>(position);
      if (low >= length - 1) {
        add_roi_entry(axis, bin_begin, length - 1, 1.0f);
        continue;
      }
      const float fraction = position - static_cast<float>(low);
      add_roi_entry(axis, bin_begin, low, 1.0f - fraction);
      add_roi_entry(axis, bin_begin, low + 1, fraction);
    }
    axis.starts.push_back(static_cast<int>(axis.pixels.size()));
  }
}

void transpose_roi_axis(const RoiAxis& axis, RoiAxisByPixel& by_pixel) {
  by_pixel.first = 0;
  by_pixel.starts.assign(1, 0);
  by_pixel.bins.resize(axis.pixels.size());
  by_pixel.weights.resize(axis.pixels.size());
  if (axis.pixels.empty()) return;
  const auto range = std::minmax_element(axis.pixels.begin(), axis.pixels.end());
  by_pixel.first = *range.first;
  const int count = *range.second - *range.first + 1;
  by_pixel.starts.assign(static_cast<std::size_t>(count) + 1, 0);
  const auto slot = [&](int pixel) { return static_cast<std::size_t>(pixel - by_pixel.first); };
  for (const int pixel : axis.pixels) ++by_pixel.starts[slot(pixel) + 1];
  for (std::size_t i = 1; i < by_pixel.starts.size(); ++i) by_pixel.starts[i] += by_pixel.starts[i - 1];
  std::vector<int> next(by_pixel.starts.begin(), by_pixel.starts.end() - 1);
  for (int bin = 0; bin < axis.bins(); ++bin) {
    const std::size_t begin = static_cast<std::size_t>(axis.starts[static_cast<std::size_t>(bin)]);
    const std::size_t end = static_cast<std::size_t>(axis.starts[static_cast<std::size_t>(bin) + 1]);
    for (std::size_t entry = begin; entry < end; ++entry) {
      const std::size_t to = static_cast<std::size_t>(next[slot(axis.pixels[entry])]++);
      by_pixel.bins[to] = bin;
      by_pixel.weights[to] = axis.weights[entry];
    }
  }
}

}  // namespace fastermask
