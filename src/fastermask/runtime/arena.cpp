#include "fastermask/runtime/arena.h"

#include <algorithm>
#include <utility>

namespace fastermask {

ArenaPool::ArenaPool() : free_(std::make_shared<Free>()) {}

std::shared_ptr<float> ArenaPool::take(std::int64_t floats) {
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(floats, 1));
  auto block = std::make_shared<AlignedFloats>();
  {
    const std::lock_guard<std::mutex> lock(free_->mutex);
    auto& blocks = free_->blocks;  // by size
    auto fitting = std::find_if(blocks.begin(), blocks.end(), [&](const auto& b) { return b.size() >= wanted; });
    if (fitting == blocks.end() && !blocks.empty()) --fitting;
    if (fitting != blocks.end()) {
      *block = std::move(*fitting);
      blocks.erase(fitting);
    }
  }
  if (block->size() < wanted) {
    *block = AlignedFloats();  // first give back, then take
    *block = AlignedFloats(wanted);
  }
  float* const data = block->data();
  return {data, [block, pool = free_](float*) {
            const std::lock_guard<std::mutex> lock(pool->mutex);
            auto& blocks = pool->blocks;
            const auto place = std::find_if(blocks.begin(), blocks.end(),
                                            [&](const auto& b) { return b.size() >= block->size(); });
            blocks.insert(place, std::move(*block));
          }};
}

}  // namespace fastermask
