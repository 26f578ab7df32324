// RoIAlign as a device with thousands of threads does it: what one thread computes, one number of the output or of the
// gradient. The host has already worked out which pixels count with which weights (roi_align_tables.h), so that a
// device samples exactly as the host does, and threads only multiply and add, in a fixed order and without atomics.
//   N images   R rois   H, W a level's size   C channels   P, Q pooled height and width
// For nvcc and for the host's compiler, hence without other headers of ours: a test runs every thread on the host.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define FASTERMASK_ON_DEVICE __host__ __device__
#else
#define FASTERMASK_ON_DEVICE
#endif

namespace fastermask {

constexpr int kMostRoiAlignLevels = 8;
constexpr int kRoiTileSize = 8;  // pixels; rois are listed by tiles of so many squared for the backward pass

// One axis of one roi. Item i (a bin, or the pixel `first` + i) has the entries starts[begin + i] to
// starts[begin + i + 1] of the tables.
struct RoiTableAxis {
  int first = 0;  // 0 for bins
  int count = 0;  // items
  int begin = 0;
};

struct RoiTableRecord {
  int level = 0;
  int image = 0;
  float share = 1;  // of one sample in its bin's mean
  RoiTableAxis rows;
  RoiTableAxis columns;
};

// Pointers into the tables, which lie where the threads run.
struct RoiTableView {
  const RoiTableRecord* rois = nullptr;  // [R]
  const int* starts = nullptr;
  const int* indices = nullptr;    // pixels for the forward pass, bins for the backward pass
  const float* weights = nullptr;  // beside `indices`
};

struct RoiAlignLevel {
  const float* features = nullptr;  // [N, H, W, C]
  int height = 0;
  int width = 0;
};

// All of a forward pass.
struct RoiAlignForward {
  RoiTableView tables;  // by bin
  RoiAlignLevel levels[kMostRoiAlignLevels];
  std::int64_t num_rois = 0;
  int pooled_height = 0;
  int pooled_width = 0;
  int channels = 0;
  float* output = nullptr;  // [R, P, Q, C], overwritten

  FASTERMASK_ON_DEVICE std::int64_t num_bins() const { return num_rois * pooled_height * pooled_width; }
};

// The backward pass into one level.
struct RoiAlignBackward {
  RoiTableView tables;               // by pixel
  const int* tile_starts = nullptr;  // [tiles of this level + 1]: [N, ceil(H / tile size), ceil(W / tile size)]
  const int* tile_rois = nullptr;    // rising within a tile, so that sums have one order
  std::int64_t num_images = 0;
  int height = 0;
  int width = 0;
  int pooled_height = 0;
  int pooled_width = 0;
  int channels = 0;
  const float* grad_output = nullptr;  // [R, P, Q, C]
  float* gradient = nullptr;           // [N, H, W, C], overwritten

  FASTERMASK_ON_DEVICE std::int64_t num_pixels() const { return num_images * height * width; }
};

// output[bin, channel], for `bin` of [R, P, Q].
FASTERMASK_ON_DEVICE inline float roi_align_bin(const RoiAlignForward& work, std::int64_t bin, int channel) {
  const auto q = static_cast<int>(bin % work.pooled_width);
  const auto p = static_cast<int>(bin / work.pooled_width % work.pooled_height);
  const RoiTableView& tables = work.tables;
  const RoiTableRecord& roi = tables.rois[bin / work.pooled_width / work.pooled_height];
  const RoiAlignLevel& level = work.levels[roi.level];
  const std::int64_t channels = work.channels;
  const float* image =
      level.features + static_cast<std::int64_t>(roi.image) * level.height * level.width * channels + channel;
  const int* rows = tables.starts + roi.rows.begin + p;
  const int* columns = tables.starts + roi.columns.begin + q;
  float sum = 0;
  for (int i = rows[0]; i < rows[1]; ++i) {
    const float* row = image + static_cast<std::int64_t>(tables.indices[i]) * level.width * channels;
    const float weight = tables.weights[i] * roi.share;
    for (int j = columns[0]; j < columns[1]; ++j) sum += weight * tables.weights[j] * row[tables.indices[j] * channels];
  }
  return sum;
}

// gradient[pixel, channel], for `pixel` of [N, H, W]: the bins of all rois that read the pixel, roi by roi.
FASTERMASK_ON_DEVICE inline float roi_align_pixel_gradient(const RoiAlignBackward& work, std::int64_t pixel,
                                                           int channel) {
  const auto x = static_cast<int>(pixel % work.width);
  const auto y = static_cast<int>(pixel / work.width % work.height);
  const std::int64_t image = pixel / work.width / work.height;
  const int tiles_x = (work.width + kRoiTileSize - 1) / kRoiTileSize;
  const int tiles_y = (work.height + kRoiTileSize - 1) / kRoiTileSize;
  const std::int64_t tile = (image * tiles_y + y / kRoiTileSize) * tiles_x + x / kRoiTileSize;
  const RoiTableView& tables = work.tables;
  const std::int64_t channels = work.channels;
  float sum = 0;
  for (int k = work.tile_starts[tile]; k < work.tile_starts[tile + 1]; ++k) {
    const std::int64_t r = work.tile_rois[k];
    const RoiTableRecord& roi = tables.rois[r];
    const int row = y - roi.rows.first, column = x - roi.columns.first;
    if (row < 0 || row >= roi.rows.count || column < 0 || column >= roi.columns.count) continue;
    const int* rows = tables.starts + roi.rows.begin + row;
    const int* columns = tables.starts + roi.columns.begin + column;
    for (int i = rows[0]; i < rows[1]; ++i) {
      const float* bins =
          work.grad_output + (r * work.pooled_height + tables.indices[i]) * work.pooled_width * channels + channel;
      const float weight = tables.weights[i] * roi.share;
      for (int j = columns[0]; j < columns[1]; ++j)
        sum += weight * tables.weights[j] * bins[tables.indices[j] * channels];
    }
  }
  return sum;
}

}  // namespace fastermask
