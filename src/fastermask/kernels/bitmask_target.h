// The mask head's target from a bitmap: RoIAlign of zeros and ones, then a threshold. Bins that see only ones or only
// zeros, nearly all of them, are decided by whole words of bits; the rest are summed as RoIAlign does, bit for bit.
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/structures/mask.h"

namespace fastermask {

class BitmaskTarget {
 public:
  // Prepares the samples of a size x size target for `roi` in a mask of the given size.
  BitmaskTarget(const Box& roi, int size, int height, int width);

  // Takes the part of the mask that the samples see. One of the two, once. The Rle's counts are checked (DataError).
  void load(const BitMask& mask);
  void load(const Rle& rle);

  // Writes the target: [size, size], 0 or 1.
  void write(std::uint8_t* out) const;

 private:
  // One sample along an axis: the two pixels it lies between, relative to the part of the mask that is kept.
  struct Sample {
    int low;
    int high;
    float low_weight;
    float high_weight;
  };
  // The samples of all bins along an axis that lie in the mask.
  struct Axis {
    std::vector<int> starts;  // [size + 1]
    std::vector<Sample> samples;
    int samples_a_bin = 0;  // those outside the mask included
    int first = 0;          // pixels first .. first + count - 1 are seen
    int count = 0;
  };

  static Axis make_axis(float low, float high, int size, int length);
  void set_bits(int line, int begin, int end);
  bool all_equal(int line_begin, int line_end, int bit_begin, int bit_end, bool value) const;
  bool bin_target(int p, int q) const;
  float bit(int y, int x) const;

  int size_;
  Axis rows_;
  Axis columns_;
  bool by_columns_ = false;  // a line of bits is a column (from an Rle), else a row
  std::size_t words_ = 0;    // a line
  std::vector<std::uint64_t> bits_;
};

}  // namespace fastermask
