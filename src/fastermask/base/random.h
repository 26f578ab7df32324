// Counter-based random numbers: every random choice is a function of its place, named by a key such as
// (seed, iteration, image id, purpose). The stream does not depend on threads, timing or restarts.
// Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fastermask {

// What a random stream is for. Part of its key, so that streams for different purposes never meet. Values are stable:
// append, don't renumber.
enum class RandomPurpose : std::uint32_t {
  initialisation = 1,
  shuffle = 2,
  augmentation = 3,
  anchor_sampling = 4,
  proposal_sampling = 5,
  synthetic_scene = 6,
  replacement = 7,
  copy_paste = 8,
  subset = 9,
  test = 100,
};

// A stream of random numbers. Copyable; equal keys give equal streams on every machine. Not thread-safe: make one per
// place instead of sharing.
class Random {
 public:
  // The stream for (seed, purpose, a, b): a and b name the place, such as the iteration and the image id.
  Random(std::uint64_t seed, RandomPurpose purpose, std::uint64_t a = 0, std::uint64_t b = 0);

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  double uniform();                                // [0, 1), 53 bits
  double uniform(double low, double high);         // [low, high)
  std::int64_t uniform_int(std::int64_t count);    // [0, count), unbiased; count >= 1
  double normal();                                 // mean 0, standard deviation 1
  bool bernoulli(double probability);

  // A uniformly random order of 0 .. count-1.
  std::vector<std::int64_t> permutation(std::int64_t count);

  // The first k of permutation(count), in that order, in O(k) memory and time beyond the result. Throws if k > count.
  std::vector<std::int64_t> sample(std::int64_t count, std::int64_t k);

 private:
  void refill();

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace fastermask
