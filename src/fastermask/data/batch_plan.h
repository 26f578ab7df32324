// Which images make up which training batch. Internal to the data layer.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastermask/data/dataset.h"
#include "fastermask/data/sampler.h"

namespace fastermask {

// One image of a batch: its place in the sampler's stream and the record found there.
struct BatchSlot {
  std::int64_t position = 0;
  std::int64_t record = 0;
};

using BatchPlan = std::vector<BatchSlot>;

// Deals the stream of a sampler into batches: as it comes, or in two piles (wide and other images), a batch as soon as
// a pile is full (detectron2 data/common.py AspectRatioGroupedDataset). With several ranks it is the batch of them all,
// of which rank r of W gets images r, r + W, ... To begin at iteration k, call next() k times.
class BatchPlanner {
 public:
  BatchPlanner(std::shared_ptr<const Dataset> dataset, std::shared_ptr<const SampleStream> sampler, int batch_size,
               bool aspect_grouping, int rank, int world_size);

  BatchPlan next();

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const SampleStream> sampler_;
  std::size_t batch_size_;
  bool aspect_grouping_;
  std::size_t rank_;
  std::size_t world_size_;
  std::int64_t position_ = 0;
  std::array<BatchPlan, 2> piles_;  // [wide]
};

inline bool is_wide(const ImageRecord& record) { return record.width > record.height; }

}  // namespace fastermask
