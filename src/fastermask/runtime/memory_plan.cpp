#include "fastermask/runtime/memory_plan.h"

#include <algorithm>
#include <cstddef>

namespace fastermask {
namespace {

constexpr std::int64_t kAlign = 16;

// Values that share their place, as one.
struct Block {
  std::int64_t floats = 0;
  int first = 0;
  int last = 0;
  std::int64_t offset = -1;
};

}  // namespace

MemoryPlan plan_memory(const std::vector<ValueLife>& values) {
  std::vector<std::size_t> block_of(values.size());
  std::vector<Block> blocks;
  for (std::size_t v = 0; v < values.size(); ++v) {
    const ValueLife& life = values[v];
    if (life.takes_over >= 0) {
      block_of[v] = block_of[static_cast<std::size_t>(life.takes_over)];
      Block& block = blocks[block_of[v]];
      block.floats = std::max(block.floats, life.floats);
      block.last = std::max(block.last, life.last);
      continue;
    }
    block_of[v] = blocks.size();
    blocks.push_back({(life.floats + kAlign - 1) / kAlign * kAlign, life.first, life.last, -1});
  }
  std::vector<std::size_t> order(blocks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].floats > blocks[b].floats; });
  MemoryPlan plan;
  std::vector<const Block*> placed;  // by offset
  for (const std::size_t index : order) {
    Block& block = blocks[index];
    if (block.floats == 0) continue;
    std::int64_t offset = 0;
    for (const Block* other : placed) {
      if (other->last < block.first || other->first > block.last) continue;  // never at the same time
      if (offset + block.floats <= other->offset) break;
      offset = std::max(offset, other->offset + other->floats);
    }
    block.offset = offset;
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &block,
                                   [](const Block* a, const Block* b) { return a->offset < b->offset; }),
                  &block);
    plan.floats = std::max(plan.floats, offset + block.floats);
  }
  for (const std::size_t block : block_of) plan.offsets.push_back(blocks[block].offset);
  return plan;
}

}  // namespace fastermask
