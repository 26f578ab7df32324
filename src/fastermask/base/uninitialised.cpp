#include "fastermask/base/uninitialised.h"

#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <limits>
#include <mutex>

namespace fastermask {
namespace {

constexpr std::size_t kSmallestLarge = std::size_t{256} << 10;

// The unused blocks of one size lie in a list that runs through themselves.
struct UnusedBlock {
  UnusedBlock* next;
};

struct BlockCache {
  std::mutex mutex;
  std::array<UnusedBlock*, 64> unused{};  // [power of two]
  std::size_t unused_bytes = 0;
};

// Never destroyed: vectors in static places may outlive it.
BlockCache& block_cache() {
  static BlockCache& cache = *new BlockCache;
  return cache;
}

// The power of two that a block of so many bytes is.
int block_power(std::size_t bytes) {
  int power = 18;
  while ((std::size_t{1} << power) < bytes) ++power;
  return power;
}

}  // namespace

void* take_block(std::size_t bytes) {
  if (bytes < kSmallestLarge) {
    void* block = std::malloc(bytes == 0 ? 1 : bytes);
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }
  if (bytes > std::numeric_limits<std::size_t>::max() / 4) throw std::bad_alloc();
  const int power = block_power(bytes);
  BlockCache& cache = block_cache();
  {
    const std::lock_guard<std::mutex> lock(cache.mutex);
    UnusedBlock*& first = cache.unused[static_cast<std::size_t>(power)];
    if (first != nullptr) {
      UnusedBlock* block = first;
      first = block->next;
      cache.unused_bytes -= std::size_t{1} << power;
      return block;
    }
  }
  void* block = ::mmap(nullptr, std::size_t{1} << power, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  return block;
}

void return_block(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  if (bytes < kSmallestLarge) {
    std::free(block);
    return;
  }
  const int power = block_power(bytes);
  const std::size_t size = std::size_t{1} << power;
  BlockCache& cache = block_cache();
  {
    const std::lock_guard<std::mutex> lock(cache.mutex);
    if (cache.unused_bytes + size <= kMostKeptBytes) {
      auto* unused = ::new (block) UnusedBlock{cache.unused[static_cast<std::size_t>(power)]};
      cache.unused[static_cast<std::size_t>(power)] = unused;
      cache.unused_bytes += size;
      return;
    }
  }
  ::munmap(block, size);
}

}  // namespace fastermask
