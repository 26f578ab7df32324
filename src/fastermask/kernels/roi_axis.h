// RoIAlign along one axis. Bilinear samples on a regular grid separate: a bin's mean is a sum over rows and columns of
// (row weight) x (column weight) x (pixel). This is the row half, or the column half.
#pragma once

#include <vector>

#include "fastermask/kernels/roi_align.h"

namespace fastermask {

// For each bin, the pixels it touches along the axis and their weights (summed over its samples).
struct RoiAxis {
  std::vector<int> starts;     // [bins + 1] where each bin's entries begin
  std::vector<int> pixels;     // [entries] rising within a bin
  std::vector<float> weights;  // [entries]
  int samples = 0;             // samples a bin, those outside the level included

  int bins() const { return static_cast<int>(starts.size()) - 1; }
};

// Position of one sample, shared by every kernel that must agree with it to the last bit.
//   start  of the roi, in feature pixels      bin   size of a bin      samples  a bin
inline float roi_sample_position(float start, float bin_size, int bin, int sample, int samples) {
  return start + static_cast<float>(bin) * bin_size +
         (static_cast<float>(sample) + 0.5f) * bin_size / static_cast<float>(samples);
}

// Where a roi's axis lies in feature pixels. low, high: the box's coordinates in input-image pixels.
struct RoiExtent {
  float start = 0;
  float bin_size = 0;
  int samples = 0;  // a bin; 0 for a roi of no size with adaptive sampling
};
RoiExtent roi_extent(float low, float high, float spatial_scale, int pooled, int sampling_ratio, bool aligned);

// Fills `axis` (its storage is reused) for `pooled` bins over a level of `length` pixels.
void make_roi_axis(const RoiExtent& extent, int pooled, int length, RoiAxis& axis);

// The same entries by pixel: for pixel first + i, the bins that touch it.
struct RoiAxisByPixel {
  int first = 0;               // the first pixel touched
  std::vector<int> starts;     // [pixels + 1]
  std::vector<int> bins;       // [entries] rising within a pixel
  std::vector<float> weights;  // [entries]

  int count() const { return static_cast<int>(starts.size()) - 1; }  // pixels from first to the last touched
};
void transpose_roi_axis(const RoiAxis& axis, RoiAxisByPixel& by_pixel);

}  // namespace fastermask
