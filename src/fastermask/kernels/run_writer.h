// Builds an Rle from what comes along the columns: stretches of one value, or bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastermask/structures/mask.h"

namespace fastermask {

class RunWriter {
 public:
  // Adds `count` pixels of one value (0 or 1).
  void add(std::uint8_t value, std::uint32_t count) {
    if (count == 0) return;
    if (value != value_) {
      counts_.push_back(run_);
      run_ = 0;
      value_ = value;
    }
    run_ += count;
  }

  // Adds pixels that are 0 or 1, eight at a time where they are alike.
  void add_bytes(const std::uint8_t* pixels, std::size_t count);

  // The finished mask, in memory of just its size; the writer is empty afterwards and keeps its own.
  Rle finish(int height, int width);

 private:
  std::vector<std::uint32_t> counts_;
  std::uint32_t run_ = 0;
  std::uint8_t value_ = 0;
};

// Calls visit(begin, end) for each run of ones, as positions along the columns (x * height + y).
template <class Visit>
void for_each_run(const Rle& rle, const Visit& visit) {
  std::size_t position = 0;
  bool ones = false;
  for (const std::uint32_t count : rle.counts) {
    if (ones && count > 0) visit(position, position + count);
    position += count;
    ones = !ones;
  }
}

}  // namespace fastermask
