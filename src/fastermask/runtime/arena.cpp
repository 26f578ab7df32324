#include "fastermask/runtime/arena.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <vector>

#include "fastermask/kernels/aligned_floats.h"

namespace fastermask {

// Memory, and room beside it for the count of its users.
struct ArenaPool::Block {
  AlignedFloats memory;
  alignas(std::max_align_t) std::byte count[128];
};

struct ArenaPool::Blocks {
  std::mutex mutex;
  std::vector<std::unique_ptr<Block>> all;
  std::vector<Block*> unused;  // by size; has room for all

  static bool is_smaller(const Block* a, const Block* b) { return a->memory.size() < b->memory.size(); }

  void put_back(Block* block) {
    const std::lock_guard<std::mutex> lock(mutex);
    unused.insert(std::lower_bound(unused.begin(), unused.end(), block, is_smaller), block);
  }
};

// Gives a shared pointer's count the room in the block. The count is the last that is given back, when nobody uses the
// block any more.
template <class T>
class ArenaPool::BlockAllocator {
 public:
  using value_type = T;

  BlockAllocator(std::shared_ptr<Blocks> blocks, Block* block) : blocks_(std::move(blocks)), block_(block) {}
  template <class Other>
  BlockAllocator(const BlockAllocator<Other>& other) : blocks_(other.blocks_), block_(other.block_) {}

  T* allocate(std::size_t count) {
    static_assert(sizeof(T) <= sizeof(Block::count) && alignof(T) <= alignof(std::max_align_t));
    if (count != 1) throw std::bad_alloc();
    return reinterpret_cast<T*>(block_->count);
  }
  void deallocate(T*, std::size_t) { blocks_->put_back(block_); }

  template <class Other>
  bool operator==(const BlockAllocator<Other>& other) const {
    return block_ == other.block_;
  }
  template <class Other>
  bool operator!=(const BlockAllocator<Other>& other) const {
    return block_ != other.block_;
  }

 private:
  template <class Other>
  friend class BlockAllocator;
  std::shared_ptr<Blocks> blocks_;
  Block* block_;
};

ArenaPool::ArenaPool() : blocks_(std::make_shared<Blocks>()) {}

std::shared_ptr<float> ArenaPool::take(std::int64_t floats) {
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(floats, 1));
  Block* block = nullptr;
  {
    const std::lock_guard<std::mutex> lock(blocks_->mutex);
    auto& unused = blocks_->unused;
    auto fitting =
        std::find_if(unused.begin(), unused.end(), [&](const Block* b) { return b->memory.size() >= wanted; });
    if (fitting == unused.end() && !unused.empty()) --fitting;
    if (fitting != unused.end()) {
      block = *fitting;
      unused.erase(fitting);
    } else {
      blocks_->all.push_back(std::make_unique<Block>());
      unused.reserve(blocks_->all.size());
      block = blocks_->all.back().get();
    }
  }
  if (block->memory.size() < wanted) {
    try {
      block->memory = AlignedFloats();  // first give back, then take
      block->memory = AlignedFloats(wanted);
    } catch (...) {
      blocks_->put_back(block);
      throw;
    }
  }
  return {block->memory.data(), [](float*) {}, BlockAllocator<float>(blocks_, block)};
}

}  // namespace fastermask
