// Reading the recorded numbers in the forms that the kernels take.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/structures/mask.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask::testing_support {

inline nlohmann::json load_json(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error("cannot read " + path);
  return nlohmann::json::parse(file);
}

// Row `index` of a [N, 4] array.
inline Box box_at(const NDArray& boxes, std::size_t index) {
  const float* values = boxes.data<float>() + 4 * index;
  return {values[0], values[1], values[2], values[3]};
}

// The index-th [H, W] map of a [N, H, W] array as a bitmap, or the whole of a [H, W] array.
inline BitMask mask_at(const NDArray& array, std::size_t index) {
  const std::size_t rank = array.shape.size();
  BitMask mask(static_cast<int>(array.shape[rank - 2]), static_cast<int>(array.shape[rank - 1]));
  const std::vector<std::int64_t> values = array.to_integers();
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    mask.pixels[i] = values[index * mask.pixels.size() + i] != 0 ? 1 : 0;
  }
  return mask;
}

// [N, C, H, W] to [N, H, W, C].
inline std::vector<float> channels_last(const NDArray& array) {
  const std::size_t batch = static_cast<std::size_t>(array.shape[0]);
  const std::size_t channels = static_cast<std::size_t>(array.shape[1]);
  const std::size_t pixels = static_cast<std::size_t>(array.shape[2] * array.shape[3]);
  const std::vector<float> from = array.to_floats();
  std::vector<float> to(from.size());
  for (std::size_t n = 0; n < batch; ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t i = 0; i < pixels; ++i) {
        to[(n * pixels + i) * channels + c] = from[(n * channels + c) * pixels + i];
      }
    }
  }
  return to;
}

inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

}  // namespace fastermask::testing_support
