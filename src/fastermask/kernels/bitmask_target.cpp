// See bitmask_target.h.
#include "fastermask/kernels/bitmask_target.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

// Sums of weights differ by rounding between the two ways of adding up. Far more than that:
constexpr float kSumMargin = 1e-3f;

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

// Eight pixels as bits, the first one lowest.
std::uint64_t pack_pixels(const std::uint8_t* pixels) {
  constexpr std::uint64_t kLowSevenBits = 0x7f7f7f7f7f7f7f7fu;
  std::uint64_t word;
  std::memcpy(&word, pixels, 8);
  word = ((((word & kLowSevenBits) + kLowSevenBits) | word) & ~kLowSevenBits) >> 7;
  return (word * 0x0102040810204080u) >> 56;
}

// The pixels around a sample and their weights, as RoIAlign takes them.
struct TargetSample {
  bool inside;
  int low;
  int high;
  float low_weight;
  float high_weight;
};

TargetSample target_sample(const RoiExtent& extent, int bin, int sample, int length) {
  const float position = roi_sample_position(extent.start, extent.bin_size, bin, sample, extent.samples);
  if (!(position >= -1.0f && position <= static_cast<float>(length))) return {false, 0, 0, 0, 0};
  const float inside = std::max(position, 0.0f);
  const int pixel = static_cast<int>(inside);
  if (pixel >= length - 1) return {true, length - 1, length - 1, 1, 0};
  const float fraction = inside - static_cast<float>(pixel);
  return {true, pixel, pixel + 1, 1.0f - fraction, fraction};
}

}  // namespace

BitmaskTarget::BitmaskTarget(const Box& roi, int size, int height, int width)
    : size_(size), rows_(make_axis(roi.y1, roi.y2, size, height)), columns_(make_axis(roi.x1, roi.x2, size, width)) {}

BitmaskTarget::Axis BitmaskTarget::make_axis(float low, float high, int size, int length) {
  Axis axis;
  axis.length = length;
  axis.extent = roi_extent(low, high, 1.0f, size, 0, true);
  make_roi_axis(axis.extent, length > 0 ? size : 0, length, axis.bins);
  axis.bins.starts.resize(target_index(size) + 1, 0);
  axis.weight.resize(target_index(size));
  for (std::size_t bin = 0; bin < axis.weight.size(); ++bin) {
    for (int i = axis.bins.starts[bin]; i < axis.bins.starts[bin + 1]; ++i) {
      axis.weight[bin] += axis.bins.weights[target_index(i)];
    }
  }
  if (!axis.bins.pixels.empty()) {
    axis.first = axis.bins.pixels.front();
    axis.count = axis.bins.pixels.back() - axis.first + 1;
  }
  return axis;
}

void BitmaskTarget::load(const BitMask& mask) {
  lines_ = &rows_;
  places_ = &columns_;
  words_ = target_index(columns_.count + 63) / 64;
  bits_.assign(words_ * target_index(rows_.count), 0);
  for (int y = 0; y < rows_.count; ++y) {
    const std::uint8_t* row = mask.row(rows_.first + y) + columns_.first;
    std::uint64_t* line = bits_.data() + words_ * target_index(y);
    int x = 0;
    for (; x + 8 <= columns_.count; x += 8) {
      const std::uint64_t eight = pack_pixels(row + x);
      line[x / 64] |= eight << (x % 64);
    }
    for (; x < columns_.count; ++x) line[x / 64] |= static_cast<std::uint64_t>(row[x] != 0 ? 1 : 0) << (x % 64);
  }
}

void BitmaskTarget::load(const Rle& rle) {
  check_rle(rle, "mask_target");
  lines_ = &columns_;
  places_ = &rows_;
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
  visit_words(std::max(begin, 0), std::min(end, places_->count), [&](std::size_t word, std::uint64_t bits) {
    words[word] |= bits;
    return true;
  });
}

bool BitmaskTarget::bit(int y, int x) const {
  const int line = lines_ == &rows_ ? y - rows_.first : x - columns_.first;
  const int place = lines_ == &rows_ ? x - columns_.first : y - rows_.first;
  return ((bits_[words_ * target_index(line) + target_index(place / 64)] >> (place % 64)) & 1u) != 0;
}

// Whether all pixels from the bin's first to its last have that value.
bool BitmaskTarget::all_equal(std::size_t line_bin, std::size_t place_bin, bool value) const {
  const auto pixel = [](const Axis& axis, int entry) { return axis.bins.pixels[target_index(entry)] - axis.first; };
  const int end = pixel(*lines_, lines_->bins.starts[line_bin + 1] - 1) + 1;
  const int place_begin = pixel(*places_, places_->bins.starts[place_bin]);
  const int place_end = pixel(*places_, places_->bins.starts[place_bin + 1] - 1) + 1;
  for (int line = pixel(*lines_, lines_->bins.starts[line_bin]); line < end; ++line) {
    const std::uint64_t* words = bits_.data() + words_ * target_index(line);
    const bool equal = visit_words(place_begin, place_end, [&](std::size_t word, std::uint64_t bits) {
      return (words[word] & bits) == (value ? bits : 0);
    });
    if (!equal) return false;
  }
  return true;
}

// Sum over the bin's pixels of weight x value: the sum over its samples but for rounding.
float BitmaskTarget::pixel_sum(std::size_t line_bin, std::size_t place_bin) const {
  const RoiAxis& lines = lines_->bins;
  const RoiAxis& places = places_->bins;
  float sum = 0;
  for (int i = lines.starts[line_bin]; i < lines.starts[line_bin + 1]; ++i) {
    const std::uint64_t* words = bits_.data() + words_ * target_index(lines.pixels[target_index(i)] - lines_->first);
    float line_sum = 0;
    for (int j = places.starts[place_bin]; j < places.starts[place_bin + 1]; ++j) {
      const int place = places.pixels[target_index(j)] - places_->first;
      line_sum += places.weights[target_index(j)] * static_cast<float>((words[place / 64] >> (place % 64)) & 1u);
    }
    sum += lines.weights[target_index(i)] * line_sum;
  }
  return sum;
}

// The sum over the bin's samples in RoIAlign's order of operations.
float BitmaskTarget::sample_sum(int row_bin, int column_bin) const {
  float sum = 0;
  for (int i = 0; i < rows_.extent.samples; ++i) {
    const TargetSample y = target_sample(rows_.extent, row_bin, i, rows_.length);
    for (int j = 0; j < columns_.extent.samples && y.inside; ++j) {
      const TargetSample x = target_sample(columns_.extent, column_bin, j, columns_.length);
      if (!x.inside) continue;
      sum += y.low_weight * x.low_weight * (bit(y.low, x.low) ? 1.0f : 0.0f) +
             y.low_weight * x.high_weight * (bit(y.low, x.high) ? 1.0f : 0.0f) +
             y.high_weight * x.low_weight * (bit(y.high, x.low) ? 1.0f : 0.0f) +
             y.high_weight * x.high_weight * (bit(y.high, x.high) ? 1.0f : 0.0f);
    }
  }
  return sum;
}

bool BitmaskTarget::bin_target(int row_bin, int column_bin) const {
  const std::size_t p = target_index(row_bin);
  const std::size_t q = target_index(column_bin);
  const std::size_t line_bin = lines_ == &rows_ ? p : q;
  const std::size_t place_bin = lines_ == &rows_ ? q : p;
  const int first_row = rows_.bins.starts[p];
  const int first_column = columns_.bins.starts[q];
  if (first_row == rows_.bins.starts[p + 1] || first_column == columns_.bins.starts[q + 1]) return false;
  const bool first = bit(rows_.bins.pixels[target_index(first_row)], columns_.bins.pixels[target_index(first_column)]);
  const bool uniform = all_equal(line_bin, place_bin, first);
  if (uniform && !first) return false;
  const float samples = static_cast<float>(rows_.extent.samples) * static_cast<float>(columns_.extent.samples);
  const float mean = (uniform ? rows_.weight[p] * columns_.weight[q] : pixel_sum(line_bin, place_bin)) / samples;
  if (std::abs(mean - 0.5f) > kSumMargin) return mean > 0.5f;
  return sample_sum(row_bin, column_bin) / samples >= 0.5f;
}

void BitmaskTarget::write(std::uint8_t* out) const {
  for (int p = 0; p < size_; ++p) {
    for (int q = 0; q < size_; ++q) *out++ = bin_target(p, q) ? 1 : 0;
  }
}

}  // namespace fastermask
