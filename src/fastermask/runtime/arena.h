// Memory for the values of a run, kept from run to run: in the steady state nothing is allocated.
#pragma once

#include <cstdint>
#include <memory>

namespace fastermask {

// Blocks of memory that come back when their user drops them. Thread-safe; blocks may outlive the pool.
class ArenaPool {
 public:
  ArenaPool();

  // At least `floats` floats, not initialised. The smallest free block that is large enough; else the largest free
  // one grows.
  std::shared_ptr<float> take(std::int64_t floats);

 private:
  struct Block;
  struct Blocks;
  template <class T>
  class BlockAllocator;
  std::shared_ptr<Blocks> blocks_;
};

}  // namespace fastermask
