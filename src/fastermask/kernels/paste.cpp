// Pasting soft masks into images: the sample positions of a box's rows and columns are worked out once, then each line
// of pixels is one call of a vectorised loop.
#include "fastermask/kernels/paste.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

std::size_t paste_index(int value) { return static_cast<std::size_t>(value); }

// Where the pixels of the pasted region sample the soft mask, along one axis. Cells count from the zero border around
// the soft mask: cell 0 is outside, cell 1 the first value.
struct PasteAxis {
  int begin = 0;                    // pixels begin .. begin + count - 1 of the image
  int count = 0;
  std::vector<std::int32_t> cells;  // [count] the nearer cell; the further one follows it
  std::vector<float> near_parts;    // [count] weights; both 0 outside
  std::vector<float> far_parts;     // [count]
};

// Fills `axis`, whose storage is used again.
void make_paste_axis(float low, float high, int length, int mask_size, PasteAxis& axis) {
  axis.begin = axis.count = 0;
  axis.cells.clear();
  axis.near_parts.clear();
  axis.far_parts.clear();
  if (!std::isfinite(low) || !std::isfinite(high)) return;
  const float limit = static_cast<float>(length);
  axis.begin = static_cast<int>(std::min(std::max(std::floor(low) - 1, 0.0f), limit));
  const int end = static_cast<int>(std::max(std::min(std::ceil(high) + 1, limit), 0.0f));
  axis.count = std::max(end - axis.begin, 0);
  for (int i = 0; i < axis.count; ++i) {
    const float centre = static_cast<float>(axis.begin + i) + 0.5f;
    const float normalised = (centre - low) / (high - low) * 2 - 1;
    const float position = (normalised + 1) * (static_cast<float>(mask_size) / 2) - 0.5f;
    const float cell = std::floor(position);
    const bool inside = cell >= -1 && cell < static_cast<float>(mask_size);
    axis.cells.push_back(inside ? static_cast<std::int32_t>(cell) + 1 : 0);
    axis.far_parts.push_back(inside ? position - cell : 0);
    axis.near_parts.push_back(inside ? 1 - (position - cell) : 0);
  }
}

// A soft mask ready to be sampled in an image. May be set again and again, and then uses the same memory.
class PasteRegion {
 public:
  void set(const float* soft, int mask_size, const Box& box, ImageSize image, bool along_columns) {
    side_ = mask_size + 2;
    along_columns_ = along_columns;
    FASTERMASK_CHECK(mask_size >= 1, "paste: the soft mask's size must be at least 1, got {}", mask_size);
    FASTERMASK_CHECK(image.height > 0 && image.width > 0, "paste: the image's size must be positive, got {} x {}",
                     image.height, image.width);
    make_paste_axis(box.y1, box.y2, image.height, mask_size, rows_);
    make_paste_axis(box.x1, box.x2, image.width, mask_size, columns_);
    if (rows_.count == 0 || columns_.count == 0) rows_.count = columns_.count = 0;
    padded_.assign(paste_index(side_) * paste_index(side_), 0.0f);
    for (int y = 0; y < mask_size; ++y) {
      for (int x = 0; x < mask_size; ++x) {
        const int to = along_columns ? (x + 1) * side_ + y + 1 : (y + 1) * side_ + x + 1;
        padded_[paste_index(to)] = soft[y * mask_size + x];
      }
    }
    values_.resize(paste_index(line_length()));
  }

  const PasteAxis& rows() const { return rows_; }
  const PasteAxis& columns() const { return columns_; }

  // The values of the region's line (a column or a row, as chosen).
  const float* sample(int line_number) {
    const PasteAxis& along = along_columns_ ? rows_ : columns_;
    const PasteAxis& across = along_columns_ ? columns_ : rows_;
    const std::size_t i = paste_index(line_number);
    const float* nearer = padded_.data() + across.cells[i] * side_;
    const float* further = nearer + side_;
    PasteLine line{};
    line.nw = nearer;
    line.ne = along_columns_ ? further : nearer + 1;
    line.sw = along_columns_ ? nearer + 1 : further;
    line.se = further + 1;
    line.at = along.cells.data();
    line.near_part = along.near_parts.data();
    line.far_part = along.far_parts.data();
    line.across_near = across.near_parts[i];
    line.across_far = across.far_parts[i];
    line.along_columns = along_columns_;
    line.count = along.count;
    row_ops().paste_line(line, values_.data());
    return values_.data();
  }

  int line_length() const { return along_columns_ ? rows_.count : columns_.count; }

 private:
  int side_ = 0;
  bool along_columns_ = false;
  PasteAxis rows_;
  PasteAxis columns_;
  std::vector<float> padded_;  // [side, side] transposed when lines are columns
  std::vector<float> values_;  // one line
};

// Memory of one thread, kept from mask to mask.
struct RlePasteScratch {
  PasteRegion region;
  RunWriter writer;
  std::vector<std::uint8_t> pixels;  // of a column
};

}  // namespace

BitMask paste_mask(const float* soft, int mask_size, const Box& box, ImageSize image, float threshold) {
  PasteRegion region;
  region.set(soft, mask_size, box, image, false);
  BitMask mask(image.height, image.width);
  for (int y = 0; y < region.rows().count; ++y) {
    row_ops().threshold_line(region.sample(y), region.line_length(), threshold,
                             mask.row(region.rows().begin + y) + region.columns().begin);
  }
  return mask;
}

Rle paste_mask_to_rle(const float* soft, int mask_size, const Box& box, ImageSize image, float threshold) {
  thread_local RlePasteScratch scratch;
  PasteRegion& region = scratch.region;
  RunWriter& writer = scratch.writer;
  region.set(soft, mask_size, box, image, true);
  const std::uint32_t height = static_cast<std::uint32_t>(image.height);
  const std::uint32_t above = static_cast<std::uint32_t>(region.rows().begin);
  const std::uint32_t inside = static_cast<std::uint32_t>(region.rows().count);
  const std::uint32_t left = static_cast<std::uint32_t>(region.columns().begin);
  const std::uint32_t columns = static_cast<std::uint32_t>(region.columns().count);
  std::vector<std::uint8_t>& pixels = scratch.pixels;
  pixels.resize(inside);
  writer.add(0, left * height);
  for (std::uint32_t x = 0; x < columns; ++x) {
    row_ops().threshold_line(region.sample(static_cast<int>(x)), region.line_length(), threshold, pixels.data());
    writer.add(0, above);
    writer.add_bytes(pixels.data(), pixels.size());
    writer.add(0, height - above - inside);
  }
  writer.add(0, (static_cast<std::uint32_t>(image.width) - left - columns) * height);
  return writer.finish(image.height, image.width);
}

std::vector<Rle> paste_masks_to_rle(Span<const std::vector<float>> soft_masks, int mask_size, Span<const Box> boxes,
                                    ImageSize image, float threshold) {
  FASTERMASK_CHECK(soft_masks.size() == boxes.size(), "paste: {} boxes need as many soft masks, got {}", boxes.size(),
                   soft_masks.size());
  const std::size_t values = paste_index(std::max(mask_size, 0)) * paste_index(std::max(mask_size, 0));
  std::vector<Rle> masks(boxes.size());
  parallel_for(0, static_cast<std::int64_t>(boxes.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      FASTERMASK_CHECK(soft_masks[i].size() == values, "paste: soft mask {} must have {} x {} values, got {}", i,
                       mask_size, mask_size, soft_masks[i].size());
      masks[i] = paste_mask_to_rle(soft_masks[i].data(), mask_size, boxes[i], image, threshold);
    }
  });
  return masks;
}

Image paste_soft_mask(const float* soft, int mask_size, const Box& box, ImageSize image) {
  PasteRegion region;
  region.set(soft, mask_size, box, image, false);
  Image result(image.height, image.width, 1);
  for (int y = 0; y < region.rows().count; ++y) {
    const float* values = region.sample(y);
    std::uint8_t* row = result.row(region.rows().begin + y) + region.columns().begin;
    for (int x = 0; x < region.columns().count; ++x) {
      row[x] = static_cast<std::uint8_t>(std::min(std::max(values[x] * 255, 0.0f), 255.0f));
    }
  }
  return result;
}

}  // namespace fastermask
