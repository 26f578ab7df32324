#include "fastermask/kernels/aligned_floats.h"

#include <sys/mman.h>

#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/memory_arena.h"

namespace fastermask {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

AlignedFloats::AlignedFloats(std::size_t size) : size_(size) {
  if (size == 0) return;
  const std::size_t bytes = size * sizeof(float);
  if (MemoryArena* const arena = shared_arena(); arena != nullptr && bytes >= 2 * kHugePage) {
    void* const memory = arena->allocate(bytes);
    if (memory == nullptr) fail("memory: {} MiB wanted, which the system does not give", (bytes >> 20) + 1);
    memory_ = {static_cast<float*>(memory), Free{true}};
    return;
  }
  const std::size_t border = bytes >= 2 * kHugePage ? kHugePage : kLine;
  const std::size_t whole = (bytes + border - 1) / border * border;
  void* memory = std::aligned_alloc(border, whole);
  if (memory == nullptr) fail("memory: {} MiB wanted, which the system does not give", (bytes >> 20) + 1);
#ifdef MADV_HUGEPAGE
  if (border == kHugePage) static_cast<void>(::madvise(memory, whole, MADV_HUGEPAGE));  // a wish; refusal is fine
#endif
  memory_.reset(static_cast<float*>(memory));
}

void AlignedFloats::Free::operator()(float* memory) const {
  if (of_arena) {
    shared_arena()->release(memory);
  } else {
    std::free(memory);
  }
}

float* thread_scratch(std::size_t size) {
  thread_local AlignedFloats scratch;
  if (scratch.size() < size) {
    scratch = AlignedFloats();
    scratch = AlignedFloats(size);
  }
  return scratch.data();
}

}  // namespace fastermask
