// The slow, obvious twins of the box kernels, and boxes to feed them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/structures/box.h"

namespace fastermask::ref {

// Greedy NMS as the definition has it.
inline std::vector<int> nms(const Boxes& boxes, const std::vector<float>& scores, double threshold) {
  std::vector<int> order(boxes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  std::vector<int> kept;
  for (const int i : order) {
    const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](int k) {
      return static_cast<double>(iou(boxes[static_cast<std::size_t>(k)], boxes[static_cast<std::size_t>(i)])) >
             threshold;
    });
    if (!suppressed) kept.push_back(i);
  }
  return kept;
}

// `count` boxes in a 400 x 300 picture, crowded enough to overlap, in steps of a quarter pixel so that ties occur;
// every fiftieth is empty.
inline Boxes random_boxes(int count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  Boxes boxes;
  for (int i = 0; i < count; ++i) {
    const auto quarter = [&](int limit) { return static_cast<float>(random.uniform_int(limit * 4)) / 4; };
    const float x = quarter(360);
    const float y = quarter(260);
    boxes.push_back(i % 50 == 49 ? Box{x, y, x, y} : Box{x, y, x + 1 + quarter(60), y + 1 + quarter(50)});
  }
  return boxes;
}

// Scores with a tenth of them equal to another one.
inline std::vector<float> random_scores(int count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test, 1);
  std::vector<float> scores;
  for (int i = 0; i < count; ++i) {
    scores.push_back(i % 10 == 9 ? scores[static_cast<std::size_t>(i / 2)] : static_cast<float>(random.normal()));
  }
  return scores;
}

// The message of the Error that `action` throws, or "no error".
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace fastermask::ref
