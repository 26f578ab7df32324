#include "fastermask/data/batch_plan.h"

#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {

BatchPlanner::BatchPlanner(std::shared_ptr<const Dataset> dataset, std::shared_ptr<const SampleStream> sampler,
                           int batch_size, bool aspect_grouping, int rank, int world_size)
    : dataset_(std::move(dataset)),
      sampler_(std::move(sampler)),
      batch_size_(static_cast<std::size_t>(batch_size)),
      aspect_grouping_(aspect_grouping),
      rank_(static_cast<std::size_t>(rank)),
      world_size_(static_cast<std::size_t>(world_size)) {
  FASTERMASK_CHECK(batch_size >= 1, "loader: the batch size must be at least 1, got {}", batch_size);
  FASTERMASK_CHECK(world_size >= 1 && rank >= 0 && rank < world_size, "loader: rank {} of {} processes", rank,
                   world_size);
}

BatchPlan BatchPlanner::next() {
  while (true) {
    const BatchSlot slot{position_, sampler_->index_at(position_)};
    ++position_;
    const bool wide = aspect_grouping_ && is_wide(dataset_->records[static_cast<std::size_t>(slot.record)]);
    BatchPlan& pile = piles_[wide ? 1 : 0];
    pile.push_back(slot);
    if (pile.size() < batch_size_ * world_size_) continue;
    BatchPlan own;
    for (std::size_t i = rank_; i < pile.size(); i += world_size_) own.push_back(pile[i]);
    pile.clear();
    return own;
  }
}

}  // namespace fastermask
