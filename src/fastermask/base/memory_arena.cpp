#include "fastermask/base/memory_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <limits>

namespace fastermask {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kRegion = std::size_t{256} << 20;  // addresses only: pages come when they are touched
// Blocks are multiples of this, so that a huge page rarely holds the end of one and the beginning of the next.
constexpr std::size_t kStep = std::size_t{64} << 10;
// And begin this much apart from one another, so that equal sizes do not meet in the same cache sets.
constexpr std::size_t kColour = 320;

std::size_t round_up(std::size_t size, std::size_t step) { return (size + step - 1) / step * step; }

std::atomic<MemoryArena*> the_shared_arena{nullptr};

}  // namespace

MemoryArena::~MemoryArena() {
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    char* const begin = block->first;
    std::size_t size = 0;
    do {
      size += block->second.size;
      ++block;
    } while (block != blocks_.end() && !block->second.begins_region);
    ::munmap(begin, size);
  }
}

void* MemoryArena::allocate(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 4) return nullptr;
  const std::size_t size = round_up(bytes, kStep) + kColour;
  const std::lock_guard<std::mutex> lock(mutex_);
  auto fit = unused_.lower_bound({size, nullptr});
  if (fit == unused_.end()) {
    if (!add_region(std::max(size, kRegion)) && !add_region(size)) {
      give_back(0);  // perhaps whole regions become free
      if (!add_region(size)) return nullptr;
    }
    fit = unused_.lower_bound({size, nullptr});
  }
  return take(blocks_.find(fit->second), size);
}

bool MemoryArena::release(void* memory) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto block = blocks_.find(static_cast<char*>(memory));
  if (block == blocks_.end() || !block->second.used) return false;
  usage_.used -= block->second.size;
  block->second.used = false;
  block->second.touched = block->second.size;
  set_unused(join_neighbours(block));
  if (usage_.unused > most_unused_) give_back(most_unused_);
  return true;
}

MemoryArena::Usage MemoryArena::usage() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return usage_;
}

bool MemoryArena::add_region(std::size_t bytes) {
  const std::size_t size = round_up(bytes, kHugePage);
  // One huge page more, of which the parts before the first border and behind the last are given back.
  void* const reserved =
      ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return false;
  char* const begin = static_cast<char*>(reserved);
  const std::size_t before =
      round_up(reinterpret_cast<std::uintptr_t>(begin), kHugePage) - reinterpret_cast<std::uintptr_t>(begin);
  if (before > 0) ::munmap(begin, before);
  if (before < kHugePage) ::munmap(begin + before + size, kHugePage - before);
#ifdef MADV_HUGEPAGE
  static_cast<void>(::madvise(begin + before, size, MADV_HUGEPAGE));  // a wish; refusal is fine
#endif
  const auto block = blocks_.emplace(begin + before, Block{size, 0, false, true}).first;
  usage_.reserved += size;
  set_unused(block);
  return true;
}

// The first `bytes` of an unused block.
void* MemoryArena::take(Blocks::iterator block, std::size_t bytes) {
  forget_unused(block);
  const std::size_t rest = block->second.size - bytes;
  if (rest >= kStep) {
    const std::size_t touched = block->second.touched > bytes ? block->second.touched - bytes : 0;
    const auto remainder = blocks_.emplace_hint(std::next(block), block->first + bytes, Block{rest, touched});
    block->second.size = bytes;
    set_unused(remainder);
  }
  block->second.used = true;
  usage_.used += block->second.size;
  return block->first;
}

// Makes an unused block, its unused neighbours and it, one; none of them is in `unused_` afterwards.
MemoryArena::Blocks::iterator MemoryArena::join_neighbours(Blocks::iterator block) {
  const auto next = std::next(block);
  if (next != blocks_.end() && !next->second.used && !next->second.begins_region) {
    forget_unused(next);
    block->second.size += next->second.size;
    block->second.touched += next->second.touched;
    blocks_.erase(next);
  }
  if (block != blocks_.begin() && !block->second.begins_region) {
    const auto previous = std::prev(block);
    if (!previous->second.used) {
      forget_unused(previous);
      previous->second.touched += block->second.touched;
      previous->second.size += block->second.size;
      blocks_.erase(block);
      return previous;
    }
  }
  return block;
}

void MemoryArena::set_unused(Blocks::iterator block) {
  unused_.emplace(block->second.size, block->first);
  usage_.unused += block->second.touched;
}

void MemoryArena::forget_unused(Blocks::iterator block) {
  unused_.erase({block->second.size, block->first});
  usage_.unused -= block->second.touched;
}

// Gives pages back until at most `most_unused` bytes of them are unused: whole regions where nothing is used.
void MemoryArena::give_back(std::size_t most_unused) {
  auto candidate = unused_.end();
  while (candidate != unused_.begin() && (usage_.unused > most_unused || most_unused == 0)) {
    --candidate;
    const auto block = blocks_.find(candidate->second);
    const auto next = std::next(block);
    if (block->second.begins_region && (next == blocks_.end() || next->second.begins_region)) {
      usage_.unused -= block->second.touched;
      usage_.reserved -= block->second.size;
      ::munmap(block->first, block->second.size);
      blocks_.erase(block);
      candidate = unused_.erase(candidate);
    } else if (block->second.touched > 0) {
      // Only whole pages within the block: its neighbours' share of the first and last must stay.
      char* const begin = reinterpret_cast<char*>(round_up(reinterpret_cast<std::uintptr_t>(block->first), 4096));
      char* const end = block->first + block->second.size;
      const auto pages = static_cast<std::size_t>(end - begin) / 4096 * 4096;
      static_cast<void>(::madvise(begin, pages, MADV_DONTNEED));
      usage_.unused -= block->second.touched;
      block->second.touched = 0;
    }
  }
}

MemoryArena* shared_arena() { return the_shared_arena.load(std::memory_order_acquire); }

void turn_on_shared_arena(std::size_t most_unused) {
  static MemoryArena& arena = *new MemoryArena(most_unused);
  the_shared_arena.store(&arena, std::memory_order_release);
}

}  // namespace fastermask
