// Reading the reference numbers into the types of the detection layer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "fastermask/structures/box.h"
#include "fastermask/structures/ndarray.h"
#include "fastermask/weights/npz.h"

namespace fastermask::golden {

inline const NDArray& array(const NamedArrays& arrays, const std::string& name) {
  const auto it = arrays.find(name);
  if (it == arrays.end()) fail("golden: no array named {}", name);
  return it->second;
}

inline std::vector<float> floats(const NamedArrays& arrays, const std::string& name) {
  return array(arrays, name).to_floats();
}

inline std::vector<int> integers(const NamedArrays& arrays, const std::string& name) {
  const std::vector<std::int64_t> values = array(arrays, name).to_integers();
  return {values.begin(), values.end()};
}

// [..., 4] floats as boxes.
inline Boxes boxes(const NamedArrays& arrays, const std::string& name) {
  const std::vector<float> values = floats(arrays, name);
  Boxes result(values.size() / 4);
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = {values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]};
  }
  return result;
}

// [N, C, H, W] -> [N, H, W, C].
inline std::vector<float> channels_last(const NDArray& source) {
  const std::vector<float> in = source.to_floats();
  const std::size_t images = static_cast<std::size_t>(source.shape.at(0));
  const std::size_t channels = static_cast<std::size_t>(source.shape.at(1));
  const std::size_t pixels = static_cast<std::size_t>(source.shape.at(2) * source.shape.at(3));
  std::vector<float> out(in.size());
  for (std::size_t n = 0; n < images; ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      const float* plane = in.data() + (n * channels + c) * pixels;
      for (std::size_t p = 0; p < pixels; ++p) out[(n * pixels + p) * channels + c] = plane[p];
    }
  }
  return out;
}

// The largest difference of a coordinate, in pixels.
inline double difference(const Box& a, const Box& b) {
  return std::max({std::abs(a.x1 - b.x1), std::abs(a.y1 - b.y1), std::abs(a.x2 - b.x2), std::abs(a.y2 - b.y2)});
}

// One line of the record of worst errors that the tests leave in their output.
inline void report(const std::string& what, double worst) {
  std::printf("[  worst   ] %s: %.3g\n", what.c_str(), worst);
}

}  // namespace fastermask::golden
