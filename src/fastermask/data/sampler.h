// Which image comes when. Streams are functions of the position: index_at(p) needs no history, so a run can start
// anywhere and threads may ask in any order. detectron2 data/samplers.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace fastermask {

struct Dataset;

// An endless stream of images. Positions count over all ranks. Thread-safe.
class SampleStream {
 public:
  SampleStream() = default;
  virtual ~SampleStream() = default;
  SampleStream(const SampleStream&) = delete;
  SampleStream& operator=(const SampleStream&) = delete;

  // The image at a position >= 0.
  virtual std::int64_t index_at(std::int64_t position) const = 0;
};

// Epoch after epoch, each a random order of all `size` images (or the same order when shuffle is off).
class TrainingSampler : public SampleStream {
 public:
  TrainingSampler(std::int64_t size, std::uint64_t seed, bool shuffle = true);

  // Images repeat as `repeats` says (see repeat_factors): the fraction is rounded at random, anew each epoch.
  TrainingSampler(std::vector<double> repeats, std::uint64_t seed, bool shuffle = true);

  std::int64_t index_at(std::int64_t position) const override;

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

// Epoch after epoch of a random part of the images: floor(size * ratio) of them, at least one, the same for equal
// seeds. detectron2 RandomSubsetTrainingSampler.
class RandomSubsetSampler : public SampleStream {
 public:
  RandomSubsetSampler(std::int64_t size, double ratio, std::uint64_t seed, bool shuffle = true);

  std::int64_t index_at(std::int64_t position) const override;

 private:
  std::vector<std::int64_t> subset_;
  TrainingSampler order_;
};

// Every position draws a class, all classes with images alike, and then one of the images that have it: an image comes
// in proportion to the sum of 1 / (images with the class) over its classes, as in CenterNet2's ClassAwareSampler. There
// are no epochs. Images with nothing but crowds never come.
class ClassAwareSampler : public SampleStream {
 public:
  // Throws DataError when no image has an instance.
  ClassAwareSampler(const Dataset& dataset, std::uint64_t seed);

  std::int64_t index_at(std::int64_t position) const override;

 private:
  std::vector<std::vector<std::int64_t>> images_of_;  // [class that has images][image]
  std::uint64_t seed_;
};

// Repeat factor of each image (LVIS, arXiv:1908.03195): for the share f(c) of images with class c, r(c) = max(1,
// sqrt(threshold / f(c))), without the root if asked; an image takes the largest of its classes, at least 1.
std::vector<double> repeat_factors(const Dataset& dataset, double threshold, bool square_root = true);

// The images [begin, end) that rank r of W evaluates: contiguous shares of ceil(size / W).
std::pair<std::int64_t, std::int64_t> inference_shard(std::int64_t size, int rank, int world_size);

}  // namespace fastermask
