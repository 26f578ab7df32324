// The mask head's target from a bitmap: RoIAlign of zeros and ones, then a threshold. Bins that see only zeros, or only
// ones, are decided by whole words of bits; the sums of the rest are taken over pixels instead of samples, and only
// where such a sum comes too near to the threshold are the samples added up in RoIAlign's own order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastermask/kernels/roi_axis.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

class BitmaskTarget {
 public:
  // Prepares a size x size target for `roi` in a mask of the given size.
  BitmaskTarget(const Box& roi, int size, int height, int width);
  BitmaskTarget(const BitmaskTarget&) = delete;
  BitmaskTarget& operator=(const BitmaskTarget&) = delete;

  // Takes the part of the mask that the roi sees. One of the two, once. The Rle's counts are checked (DataError).
  void load(const BitMask& mask);
  void load(const Rle& rle);

  // Writes the target: [size, size], 0 or 1.
  void write(std::uint8_t* out) const;

 private:
  struct Axis {
    RoiExtent extent;
    RoiAxis bins;               // pixels and weights of each bin
    std::vector<float> weight;  // [size] sum of a bin's weights
    int length = 0;             // of the mask
    int first = 0;              // pixels first .. first + count - 1 are seen
    int count = 0;
  };

  static Axis make_axis(float low, float high, int size, int length);
  void set_bits(int line, int begin, int end);
  bool bit(int y, int x) const;
  bool all_equal(std::size_t line_bin, std::size_t place_bin, bool value) const;
  float pixel_sum(std::size_t line_bin, std::size_t place_bin) const;
  float sample_sum(int row_bin, int column_bin) const;
  bool bin_target(int row_bin, int column_bin) const;

  int size_;
  Axis rows_;
  Axis columns_;
  // Bits of the part seen, in lines: columns (from an Rle) or rows. Places run along a line.
  const Axis* lines_ = nullptr;
  const Axis* places_ = nullptr;
  std::size_t words_ = 0;  // a line
  std::vector<std::uint64_t> bits_;
};

}  // namespace fastermask
