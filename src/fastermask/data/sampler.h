// Which image comes when. Streams are functions of the position: index_at(p) needs no history, so a run can start
// anywhere and threads may ask in any order. detectron2 data/samplers.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace fastermask {

struct Dataset;

// An endless stream over `size` images: epoch after epoch, each a random order of all (or the same order when shuffle
// is off). Positions count over all ranks: rank r of W takes positions r, r + W, ... Thread-safe.
class TrainingSampler {
 public:
  TrainingSampler(std::int64_t size, std::uint64_t seed, bool shuffle = true);

  // Images repeat as `repeats` says (see repeat_factors): the fraction is rounded at random, anew each epoch.
  TrainingSampler(std::vector<double> repeats, std::uint64_t seed, bool shuffle = true);

  // The image at a position >= 0.
  std::int64_t index_at(std::int64_t position) const;

 private:
  struct Epoch {
    std::int64_t number = -1;
    std::int64_t begin = 0;  // its first position
    std::vector<std::int64_t> order;
  };
  Epoch make_epoch(std::int64_t number, std::int64_t begin) const;

  std::int64_t size_;
  std::uint64_t seed_;
  bool shuffle_;
  std::vector<double> repeats_;  // empty: 1 each
  mutable std::mutex mutex_;
  mutable Epoch current_;
};

// Repeat factor of each image (LVIS, arXiv:1908.03195): for the share f(c) of images with class c, r(c) = max(1,
// sqrt(threshold / f(c))), without the root if asked; an image takes the largest of its classes, at least 1.
std::vector<double> repeat_factors(const Dataset& dataset, double threshold, bool square_root = true);

// The images [begin, end) that rank r of W evaluates: contiguous shares of ceil(size / W).
std::pair<std::int64_t, std::int64_t> inference_shard(std::int64_t size, int rank, int world_size);

}  // namespace fastermask
