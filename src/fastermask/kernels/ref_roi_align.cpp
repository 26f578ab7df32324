// RoIAlign in plain loops: one bin, one sample, one channel at a time.
#include "fastermask/kernels/ref_roi_align.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "fastermask/kernels/roi_axis.h"

namespace fastermask {
namespace {

// The four pixels around a sample and their weights. inside is false for samples that count as zero.
struct RefCorners {
  bool inside = false;
  int y[2] = {0, 0};
  int x[2] = {0, 0};
  float weight_y[2] = {0, 0};
  float weight_x[2] = {0, 0};
};

void ref_locate(float position, int length, int* pixels, float* weights) {
  position = std::max(position, 0.0f);
  pixels[0] = std::min(static_cast<int>(position), length - 1);
  pixels[1] = std::min(pixels[0] + 1, length - 1);
  if (pixels[0] == length - 1) position = static_cast<float>(length - 1);
  weights[1] = position - static_cast<float>(pixels[0]);
  weights[0] = 1.0f - weights[1];
}

RefCorners ref_corners(float y, float x, int height, int width) {
  RefCorners corners;
  corners.inside =
      y >= -1.0f && y <= static_cast<float>(height) && x >= -1.0f && x <= static_cast<float>(width);
  if (!corners.inside) return corners;
  ref_locate(y, height, corners.y, corners.weight_y);
  ref_locate(x, width, corners.x, corners.weight_x);
  return corners;
}

// Calls visit(bin index in [R, P, Q], level, image, y, x, weight) for every pixel that every bin touches.
template <class Level, class Visit>
void ref_visit_samples(Span<const Level> levels, Span<const Roi> rois, const RoiAlignParams& params, Visit visit) {
  std::size_t bin = 0;
  for (const Roi& roi : rois) {
    const Level& level = levels[static_cast<std::size_t>(roi.level)];
    const RoiExtent extent_y = roi_extent(roi.box.y1, roi.box.y2, level.spatial_scale, params.pooled_height,
                                          params.sampling_ratio, params.aligned);
    const RoiExtent extent_x = roi_extent(roi.box.x1, roi.box.x2, level.spatial_scale, params.pooled_width,
                                          params.sampling_ratio, params.aligned);
    const float count = static_cast<float>(std::max(extent_y.samples * extent_x.samples, 1));
    for (int p = 0; p < params.pooled_height; ++p) {
      for (int q = 0; q < params.pooled_width; ++q, ++bin) {
        for (int i = 0; i < extent_y.samples * extent_x.samples; ++i) {
          const float y = roi_sample_position(extent_y.start, extent_y.bin_size, p, i / extent_x.samples,
                                              extent_y.samples);
          const float x = roi_sample_position(extent_x.start, extent_x.bin_size, q, i % extent_x.samples,
                                              extent_x.samples);
          const RefCorners corners = ref_corners(y, x, level.height, level.width);
          if (!corners.inside) continue;
          for (int corner = 0; corner < 4; ++corner) {
            visit(bin, level, roi.image, corners.y[corner / 2], corners.x[corner % 2],
                  corners.weight_y[corner / 2] * corners.weight_x[corner % 2] / count);
          }
        }
      }
    }
  }
}

template <class Level>
std::size_t ref_pixel(const Level& level, int image, int y, int x) {
  const std::size_t row = static_cast<std::size_t>(image) * static_cast<std::size_t>(level.height) +
                          static_cast<std::size_t>(y);
  return (row * static_cast<std::size_t>(level.width) + static_cast<std::size_t>(x)) *
         static_cast<std::size_t>(level.channels);
}

}  // namespace

void ref_roi_align_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                           float* output) {
  check_roi_arguments(levels, rois, params.pooled_height, params.pooled_width, params.sampling_ratio, "roi_align");
  if (rois.empty()) return;
  const std::size_t channels = static_cast<std::size_t>(levels[0].channels);
  const std::size_t bins = rois.size() * static_cast<std::size_t>(params.pooled_height * params.pooled_width);
  std::fill(output, output + bins * channels, 0.0f);
  ref_visit_samples(levels, rois, params,
                    [&](std::size_t bin, const FeatureLevel& level, int image, int y, int x, float weight) {
                      const float* pixel = level.data + ref_pixel(level, image, y, x);
                      for (std::size_t c = 0; c < channels; ++c) output[bin * channels + c] += weight * pixel[c];
                    });
}

void ref_roi_align_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois,
                            const RoiAlignParams& params, const float* grad_output) {
  check_roi_arguments(levels, rois, params.pooled_height, params.pooled_width, params.sampling_ratio, "roi_align");
  if (rois.empty()) return;
  const std::size_t channels = static_cast<std::size_t>(levels[0].channels);
  ref_visit_samples(levels, rois, params,
                    [&](std::size_t bin, const FeatureLevelGradient& level, int image, int y, int x, float weight) {
                      float* pixel = level.data + ref_pixel(level, image, y, x);
                      for (std::size_t c = 0; c < channels; ++c) pixel[c] += weight * grad_output[bin * channels + c];
                    });
}

}  // namespace fastermask
