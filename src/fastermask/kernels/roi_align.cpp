// RoIAlign: a bin is a weighted sum of pixels (rows of C numbers), and the gradient of a pixel is a weighted sum of
// bins.
#include "fastermask/kernels/roi_align.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/roi_axis.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

std::size_t roi_index(int value) { return static_cast<std::size_t>(value); }

template <class Level>
void check_roi_levels(Span<const Level> levels, Span<const Roi> rois, int pooled_height, int pooled_width,
                      int sampling_ratio, const char* where) {
  FASTERMASK_CHECK(pooled_height > 0 && pooled_width > 0, "{}: the pooled size must be positive, got {} x {}", where,
                   pooled_height, pooled_width);
  FASTERMASK_CHECK(sampling_ratio >= 0, "{}: the sampling ratio must be 0 (adaptive) or positive, got {}", where,
                   sampling_ratio);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const Level& level = levels[i];
    FASTERMASK_CHECK(level.batch > 0 && level.height > 0 && level.width > 0 && level.channels > 0,
                     "{}: level {} must have positive sizes, got [{}, {}, {}, {}]", where, i, level.batch,
                     level.height, level.width, level.channels);
    FASTERMASK_CHECK(level.channels == levels[0].channels, "{}: level {} must have {} channels as level 0, got {}",
                     where, i, levels[0].channels, level.channels);
  }
  for (std::size_t i = 0; i < rois.size(); ++i) {
    const Roi& roi = rois[i];
    FASTERMASK_CHECK(roi.level >= 0 && roi_index(roi.level) < levels.size(),
                     "{}: roi {} must name one of {} levels, got {}", where, i, levels.size(), roi.level);
    const int batch = levels[roi_index(roi.level)].batch;
    FASTERMASK_CHECK(roi.image >= 0 && roi.image < batch, "{}: roi {} must name one of {} images, got {}", where, i,
                     batch, roi.image);
    FASTERMASK_CHECK(roi.box.finite(), "{}: roi {} must be finite, got ({}, {}, {}, {})", where, i, roi.box.x1,
                     roi.box.y1, roi.box.x2, roi.box.y2);
  }
}

template <class Level>
void make_roi_axes(const Level& level, const Roi& roi, const RoiAlignParams& params, RoiAxis& rows, RoiAxis& columns) {
  make_roi_axis(roi_extent(roi.box.y1, roi.box.y2, level.spatial_scale, params.pooled_height, params.sampling_ratio,
                           params.aligned),
                params.pooled_height, level.height, rows);
  make_roi_axis(roi_extent(roi.box.x1, roi.box.x2, level.spatial_scale, params.pooled_width, params.sampling_ratio,
                           params.aligned),
                params.pooled_width, level.width, columns);
}

float roi_sample_share(const RoiAxis& rows, const RoiAxis& columns) {
  return 1.0f / std::max(static_cast<float>(rows.samples) * static_cast<float>(columns.samples), 1.0f);
}

void sum_weighted(const float* const* rows, const float* weights, int count, std::ptrdiff_t n, float* out) {
  row_ops().weighted_sum(rows, weights, count, n, false, out);
}
void sum_weighted(const Bf16* const* rows, const float* weights, int count, std::ptrdiff_t n, float* out) {
  row_ops().weighted_sum_of_bf16(rows, weights, count, n, false, out);
}
void sum_weighted(const float* const* rows, const float* weights, int count, std::ptrdiff_t n, Bf16* out) {
  row_ops().weighted_sum_to_bf16(rows, weights, count, n, out);
}
void sum_weighted(const Bf16* const* rows, const float* weights, int count, std::ptrdiff_t n, Bf16* out) {
  row_ops().weighted_sum_in_bf16(rows, weights, count, n, out);
}

// A list of rows to be summed.
template <class Number>
struct WeightedRows {
  std::vector<const Number*> rows;
  std::vector<float> weights;

  void clear() {
    rows.clear();
    weights.clear();
  }
  void push(const Number* row, float weight) {
    rows.push_back(row);
    weights.push_back(weight);
  }
  // Overwrites the n numbers at `out`.
  template <class Out>
  void sum_to(std::size_t n, Out* out) const {
    sum_weighted(rows.data(), weights.data(), static_cast<int>(rows.size()), static_cast<std::ptrdiff_t>(n), out);
  }
  void add_to(std::size_t n, float* out) const {
    row_ops().weighted_sum(rows.data(), weights.data(), static_cast<int>(rows.size()), static_cast<std::ptrdiff_t>(n),
                           true, out);
  }
};

// Memory of one thread, kept from roi to roi.
template <class Number>
struct RoiAlignScratch {
  RoiAxis rows;
  RoiAxis columns;
  WeightedRows<Number> taps;
};

template <class In, class Out>
void align_one_roi(const FeatureLevelOf<In>& level, const Roi& roi, const RoiAlignParams& params,
                   RoiAlignScratch<In>& scratch, Out* output) {
  RoiAxis& rows = scratch.rows;
  RoiAxis& columns = scratch.columns;
  make_roi_axes(level, roi, params, rows, columns);
  const float share = roi_sample_share(rows, columns);
  const std::size_t channels = roi_index(level.channels);
  const std::size_t row_size = roi_index(level.width) * channels;
  const In* image = level.data + roi_index(roi.image) * roi_index(level.height) * row_size;
  for (std::size_t p = 0; p < roi_index(params.pooled_height); ++p) {
    for (std::size_t q = 0; q < roi_index(params.pooled_width); ++q, output += channels) {
      scratch.taps.clear();
      for (int i = rows.starts[p]; i < rows.starts[p + 1]; ++i) {
        const In* row = image + roi_index(rows.pixels[roi_index(i)]) * row_size;
        const float weight = rows.weights[roi_index(i)] * share;
        for (int j = columns.starts[q]; j < columns.starts[q + 1]; ++j) {
          scratch.taps.push(row + roi_index(columns.pixels[roi_index(j)]) * channels,
                            weight * columns.weights[roi_index(j)]);
        }
      }
      scratch.taps.sum_to(channels, output);
    }
  }
}

// Runs body(next) on as many threads as `count` tasks can use; each takes the next task off `next` when done with its
// last.
template <class Body>
void run_roi_tasks(std::int64_t count, const Body& body) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t threads = std::min<std::int64_t>(num_threads(), count);
  parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) body(next);
  });
}

// --- backward ---

// Where one roi's gradient goes.
struct RoiFootprint {
  RoiAxisByPixel rows;
  RoiAxisByPixel columns;
  float share = 1;
};

// A band of rows of one image of one level: what one task writes to.
struct GradientBand {
  int level;
  int image;
  int first_row;
  int end_row;
};

constexpr int kBandRows = 8;

std::vector<GradientBand> gradient_bands(Span<const FeatureLevelGradient> levels) {
  std::vector<GradientBand> bands;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    if (levels[l].data == nullptr) continue;
    for (int image = 0; image < levels[l].batch; ++image) {
      for (int row = 0; row < levels[l].height; row += kBandRows) {
        bands.push_back({static_cast<int>(l), image, row, std::min(row + kBandRows, levels[l].height)});
      }
    }
  }
  return bands;
}

std::vector<RoiFootprint> roi_footprints(Span<const FeatureLevelGradient> levels, Span<const Roi> rois,
                                         const RoiAlignParams& params) {
  std::vector<RoiFootprint> footprints(rois.size());
  parallel_for(0, static_cast<std::int64_t>(rois.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    RoiAxis rows;
    RoiAxis columns;
    for (std::size_t r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
      const FeatureLevelGradient& level = levels[roi_index(rois[r].level)];
      if (level.data == nullptr) continue;
      make_roi_axes(level, rois[r], params, rows, columns);
      transpose_roi_axis(rows, footprints[r].rows);
      transpose_roi_axis(columns, footprints[r].columns);
      footprints[r].share = roi_sample_share(rows, columns);
    }
  });
  return footprints;
}

template <class Number>
struct GradientScratch {
  WeightedRows<Number> bins;
  WeightedRows<float> taps;
  std::vector<float> mixed;  // [Q, C] this feature row's share of the roi's bins, summed over bin rows
};

// Adds one roi's gradient to one feature row: first the bin rows that touch it are mixed, then each pixel gathers from
// the mixture's bins, so that it is read and written once.
template <class Number>
void add_roi_row(const RoiFootprint& footprint, int row, const Number* grad_roi, std::size_t pooled_width,
                 std::size_t channels, GradientScratch<Number>& scratch, float* feature_row) {
  const std::size_t slot = roi_index(row - footprint.rows.first);
  scratch.bins.clear();
  for (int i = footprint.rows.starts[slot]; i < footprint.rows.starts[slot + 1]; ++i) {
    scratch.bins.push(grad_roi + roi_index(footprint.rows.bins[roi_index(i)]) * pooled_width * channels,
                      footprint.rows.weights[roi_index(i)] * footprint.share);
  }
  if (scratch.bins.rows.empty()) return;
  scratch.bins.sum_to(pooled_width * channels, scratch.mixed.data());
  const RoiAxisByPixel& columns = footprint.columns;
  for (std::size_t column = 0; column < roi_index(columns.count()); ++column) {
    scratch.taps.clear();
    for (int i = columns.starts[column]; i < columns.starts[column + 1]; ++i) {
      scratch.taps.push(scratch.mixed.data() + roi_index(columns.bins[roi_index(i)]) * channels,
                        columns.weights[roi_index(i)]);
    }
    if (scratch.taps.rows.empty()) continue;
    scratch.taps.add_to(channels, feature_row + (roi_index(columns.first) + column) * channels);
  }
}

template <class In, class Out>
void align_rois(Span<const FeatureLevelOf<In>> levels, Span<const Roi> rois, const RoiAlignParams& params,
                Out* output) {
  check_roi_levels(levels, rois, params.pooled_height, params.pooled_width, params.sampling_ratio, "roi_align");
  if (rois.empty()) return;
  const std::size_t roi_size = roi_index(params.pooled_height) * roi_index(params.pooled_width) *
                               roi_index(levels[0].channels);
  const std::int64_t count = static_cast<std::int64_t>(rois.size());
  run_roi_tasks(count, [&](std::atomic<std::int64_t>& next) {
    thread_local RoiAlignScratch<In> kept;
    RoiAlignScratch<In>& scratch = kept;
    for (std::int64_t task = next++; task < count; task = next++) {
      const std::size_t r = static_cast<std::size_t>(task);
      align_one_roi(levels[roi_index(rois[r].level)], rois[r], params, scratch, output + r * roi_size);
    }
  });
}

template <class Number>
void add_roi_gradients(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       const Number* grad_output) {
  check_roi_levels(levels, rois, params.pooled_height, params.pooled_width, params.sampling_ratio, "roi_align");
  if (rois.empty()) return;
  const std::vector<RoiFootprint> footprints = roi_footprints(levels, rois, params);
  const std::vector<GradientBand> bands = gradient_bands(levels);
  const std::size_t channels = roi_index(levels[0].channels);
  const std::size_t pooled_width = roi_index(params.pooled_width);
  const std::size_t roi_size = roi_index(params.pooled_height) * pooled_width * channels;
  const std::int64_t count = static_cast<std::int64_t>(bands.size());
  run_roi_tasks(count, [&](std::atomic<std::int64_t>& next) {
    GradientScratch<Number> scratch;
    scratch.mixed.resize(pooled_width * channels);
    for (std::int64_t task = next++; task < count; task = next++) {
      const GradientBand& band = bands[static_cast<std::size_t>(task)];
      const FeatureLevelGradient& level = levels[roi_index(band.level)];
      const std::size_t row_size = roi_index(level.width) * channels;
      float* image = level.data + roi_index(band.image) * roi_index(level.height) * row_size;
      for (std::size_t r = 0; r < rois.size(); ++r) {
        if (rois[r].level != band.level || rois[r].image != band.image) continue;
        const RoiAxisByPixel& rows = footprints[r].rows;
        const int end = std::min(band.end_row, rows.first + rows.count());
        for (int row = std::max(band.first_row, rows.first); row < end; ++row) {
          add_roi_row(footprints[r], row, grad_output + r * roi_size, pooled_width, channels, scratch,
                      image + roi_index(row) * row_size);
        }
      }
    }
  });
}

}  // namespace

void check_roi_arguments(Span<const FeatureLevel> levels, Span<const Roi> rois, int pooled_height, int pooled_width,
                         int sampling_ratio, const char* where) {
  check_roi_levels(levels, rois, pooled_height, pooled_width, sampling_ratio, where);
}

void check_roi_arguments(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, int pooled_height,
                         int pooled_width, int sampling_ratio, const char* where) {
  check_roi_levels(levels, rois, pooled_height, pooled_width, sampling_ratio, where);
}

void roi_align_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       float* output) {
  align_rois(levels, rois, params, output);
}

void roi_align_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       Bf16* output) {
  align_rois(levels, rois, params, output);
}

void roi_align_forward(Span<const HalfFeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       Bf16* output) {
  align_rois(levels, rois, params, output);
}

void roi_align_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, const RoiAlignParams& params,
                        const float* grad_output) {
  add_roi_gradients(levels, rois, params, grad_output);
}

void roi_align_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, const RoiAlignParams& params,
                        const Bf16* grad_output) {
  add_roi_gradients(levels, rois, params, grad_output);
}

}  // namespace fastermask
