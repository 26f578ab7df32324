// Counts what a whole program allocates, by standing in for the C library's malloc. Include it in one file of a program;
// kCountsAllocations says whether it can count there (not under sanitizers, which have a malloc of their own).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fastermask {

inline std::atomic<std::int64_t> g_allocations{0};  // calls so far

}  // namespace fastermask

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace fastermask {

constexpr bool kCountsAllocations = true;

}  // namespace fastermask

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  ++fastermask::g_allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++fastermask::g_allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  ++fastermask::g_allocations;
  return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++fastermask::g_allocations;
  return __libc_memalign(alignment, size);
}
}

#else

namespace fastermask {

constexpr bool kCountsAllocations = false;

}  // namespace fastermask

#endif
