// Memory for what comes and goes by the hundred megabytes, such as a training step's activations: kept from step to
// step instead of being given back to the kernel, which would make every page anew, and in huge pages where there are
// any.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace fastermask {

// Best fit over large regions from the system; neighbouring unused blocks become one. Thread-safe.
class MemoryArena {
 public:
  // Keeps up to `most_unused` bytes of memory that nobody uses; more is given back, the largest blocks first.
  explicit MemoryArena(std::size_t most_unused) : most_unused_(most_unused) {}
  ~MemoryArena();  // gives everything back: nothing may be in use any more
  MemoryArena(const MemoryArena&) = delete;
  MemoryArena& operator=(const MemoryArena&) = delete;

  // At least `bytes`, on a 64-byte border, content undefined; null when the system has no more.
  void* allocate(std::size_t bytes);

  // Takes back what allocate() gave; false (and nothing happens) when `memory` is not this arena's.
  bool release(void* memory) noexcept;

  struct Usage {
    std::size_t used = 0;      // bytes handed out
    std::size_t unused = 0;    // kept for later: pages that were touched, as far as is known
    std::size_t reserved = 0;  // addresses taken from the system
  };
  Usage usage() const;

 private:
  struct Block {
    std::size_t size = 0;
    std::size_t touched = 0;  // of an unused block: bytes at its beginning that may have pages
    bool used = false;
    bool begins_region = false;
  };
  using Blocks = std::map<char*, Block>;

  bool add_region(std::size_t bytes);
  void* take(Blocks::iterator block, std::size_t bytes);
  Blocks::iterator join_neighbours(Blocks::iterator block);
  void set_unused(Blocks::iterator block);
  void forget_unused(Blocks::iterator block);
  void give_back(std::size_t most_unused);

  mutable std::mutex mutex_;
  std::size_t most_unused_;
  Blocks blocks_;
  std::set<std::pair<std::size_t, char*>> unused_;  // by size, then address
  Usage usage_;
};

// The process's arena for large temporary values; null until turned on. Turned on once, before threads share it, and
// never destroyed.
MemoryArena* shared_arena();
void turn_on_shared_arena(std::size_t most_unused);

}  // namespace fastermask
