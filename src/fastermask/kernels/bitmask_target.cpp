// See bitmask_target.h.
#include "fastermask/kernels/bitmask_target.h"

#include <algorithm>
#include <cstddef>

#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/roi_axis.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

std::size_t target_index(int value) { return static_cast<std::size_t>(value); }

// Bits begin .. end - 1 (0 <= begin < end <= 64) of a word.
std::uint64_t bit_range(int begin, int end) {
  const std::uint64_t below_end = end == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << end) - 1;
  return below_end & (~std::uint64_t{0} << begin);
}

// Calls visit(word index, mask) for the words that bits begin .. end - 1 of a line lie in; stops when it returns false.
template <class Visit>
bool visit_words(int begin, int end, const Visit& visit) {
  while (begin < end) {
    const int word = begin / 64;
    const int stop = std::min(end, (word + 1) * 64);
    if (!visit(target_index(word), bit_range(begin - word * 64, stop - word * 64))) return false;
    begin = stop;
  }
  return true;
}

}  // namespace

BitmaskTarget::BitmaskTarget(const Box& roi, int size, int height, int width)
    : size_(size), rows_(make_axis(roi.y1, roi.y2, size, height)), columns_(make_axis(roi.x1, roi.x2, size, width)) {}

BitmaskTarget::Axis BitmaskTarget::make_axis(float low, float high, int size, int length) {
  const RoiExtent extent = roi_extent(low, high, 1.0f, size, 0, true);
  Axis axis;
  axis.samples_a_bin = extent.samples;
  axis.starts.push_back(0);
  for (int bin = 0; bin < size; ++bin) {
    for (int i = 0; i < extent.samples; ++i) {
      const float position = roi_sample_position(extent.start, extent.bin_size, bin, i, extent.samples);
      if (length <= 0 || !(position >= -1.0f && position <= static_cast<float>(length))) continue;
      const float inside = std::max(position, 0.0f);
      const int pixel = std::min(static_cast<int>(inside), length - 1);
      const bool at_end = pixel == length - 1;
      const float fraction = at_end ? 0.0f : inside - static_cast<float>(pixel);
      axis.samples.push_back({pixel, at_end ? pixel : pixel + 1, 1.0f - fraction, fraction});
    }
    axis.starts.push_back(static_cast<int>(axis.samples.size()));
  }
  if (axis.samples.empty()) return axis;
  axis.first = axis.samples.front().low;
  axis.count = axis.samples.back().high - axis.first + 1;
  for (Sample& sample : axis.samples) {
    sample.low -= axis.first;
    sample.high -= axis.first;
  }
  return axis;
}

void BitmaskTarget::load(const BitMask& mask) {
  by_columns_ = false;
  words_ = target_index(columns_.count + 63) / 64;
  bits_.assign(words_ * target_index(rows_.count), 0);
  for (int y = 0; y < rows_.count; ++y) {
    const std::uint8_t* row = mask.row(rows_.first + y) + columns_.first;
    std::uint64_t* line = bits_.data() + words_ * target_index(y);
    for (int x = 0; x < columns_.count; ++x) {
      line[x / 64] |= static_cast<std::uint64_t>(row[x] != 0 ? 1 : 0) << (x % 64);
    }
  }
}

void BitmaskTarget::load(const Rle& rle) {
  check_rle(rle, "mask_target");
  by_columns_ = true;
  words_ = target_index(rows_.count + 63) / 64;
  bits_.assign(words_ * target_index(columns_.count), 0);
  if (bits_.empty()) return;
  const std::size_t height = target_index(rle.height);
  const std::size_t first = target_index(columns_.first) * height;
  const std::size_t last = first + target_index(columns_.count) * height;
  for_each_run(rle, [&](std::size_t begin, std::size_t end) {
    begin = std::max(begin, first);
    end = std::min(end, last);
    while (begin < end) {
      const std::size_t column = begin / height;
      const std::size_t stop = std::min(end, (column + 1) * height);
      set_bits(static_cast<int>(column) - columns_.first, static_cast<int>(begin - column * height) - rows_.first,
               static_cast<int>(stop - column * height) - rows_.first);
      begin = stop;
    }
  });
}

void BitmaskTarget::set_bits(int line, int begin, int end) {
  std::uint64_t* words = bits_.data() + words_ * target_index(line);
  visit_words(std::max(begin, 0), std::min(end, rows_.count), [&](std::size_t word, std::uint64_t bits) {
    words[word] |= bits;
    return true;
  });
}

bool BitmaskTarget::all_equal(int line_begin, int line_end, int bit_begin, int bit_end, bool value) const {
  for (int line = line_begin; line < line_end; ++line) {
    const std::uint64_t* words = bits_.data() + words_ * target_index(line);
    const bool equal = visit_words(bit_begin, bit_end, [&](std::size_t word, std::uint64_t bits) {
      return (words[word] & bits) == (value ? bits : 0);
    });
    if (!equal) return false;
  }
  return true;
}

float BitmaskTarget::bit(int y, int x) const {
  const int line = by_columns_ ? x : y;
  const int place = by_columns_ ? y : x;
  const std::uint64_t word = bits_[words_ * target_index(line) + target_index(place / 64)];
  return static_cast<float>((word >> (place % 64)) & 1u);
}

bool BitmaskTarget::bin_target(int p, int q) const {
  const Sample* y_begin = rows_.samples.data() + rows_.starts[target_index(p)];
  const Sample* y_end = rows_.samples.data() + rows_.starts[target_index(p) + 1];
  const Sample* x_begin = columns_.samples.data() + columns_.starts[target_index(q)];
  const Sample* x_end = columns_.samples.data() + columns_.starts[target_index(q) + 1];
  if (y_begin == y_end || x_begin == x_end) return false;
  const int rows[2] = {y_begin->low, y_end[-1].high + 1};
  const int columns[2] = {x_begin->low, x_end[-1].high + 1};
  const int* lines = by_columns_ ? columns : rows;
  const int* places = by_columns_ ? rows : columns;
  const bool first = bit(rows[0], columns[0]) != 0.0f;
  const bool whole = y_end - y_begin == rows_.samples_a_bin && x_end - x_begin == columns_.samples_a_bin;
  if ((whole || !first) && all_equal(lines[0], lines[1], places[0], places[1], first)) return first;
  float sum = 0;
  for (const Sample* y = y_begin; y != y_end; ++y) {
    for (const Sample* x = x_begin; x != x_end; ++x) {
      sum += y->low_weight * x->low_weight * bit(y->low, x->low) +
             y->low_weight * x->high_weight * bit(y->low, x->high) +
             y->high_weight * x->low_weight * bit(y->high, x->low) +
             y->high_weight * x->high_weight * bit(y->high, x->high);
    }
  }
  return sum / (static_cast<float>(rows_.samples_a_bin) * static_cast<float>(columns_.samples_a_bin)) >= 0.5f;
}

void BitmaskTarget::write(std::uint8_t* out) const {
  for (int p = 0; p < size_; ++p) {
    for (int q = 0; q < size_; ++q) *out++ = bin_target(p, q) ? 1 : 0;
  }
}

}  // namespace fastermask
