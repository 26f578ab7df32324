// Measuring for `fastermask bench`.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace fastermask::cli {

template <class Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Of an even number the upper one of the two in the middle. `values` must not be empty.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Work>
double best_of(int count, const Work& work) {
  double best = seconds_of(work);
  for (int i = 1; i < count; ++i) best = std::min(best, seconds_of(work));
  return best;
}

}  // namespace fastermask::cli
