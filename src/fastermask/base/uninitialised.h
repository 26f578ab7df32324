// Memory for pictures and batches: vectors of numbers whose resize() leaves new values unset (filling with zeros what
// is overwritten at once costs as much as moving a picture), and whose large blocks are kept for the next of their size.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace fastermask {

// Memory of at least `bytes`, as malloc gives it; throws std::bad_alloc. Large blocks come from the system in powers of
// two (pages that are never touched cost nothing), and go back to it only when more than kMostKeptBytes lie unused: a
// loader whose batches come and go in several threads stays at one size, and its pages are not made anew each time.
// Thread-safe.
void* take_block(std::size_t bytes);
void return_block(void* block, std::size_t bytes) noexcept;
inline constexpr std::size_t kMostKeptBytes = std::size_t{1} << 30;

template <class T>
class UninitialisedAllocator {
  static_assert(std::is_trivially_default_constructible_v<T>, "only numbers and the like may be left unset");

 public:
  using value_type = T;

  UninitialisedAllocator() = default;
  template <class U>
  UninitialisedAllocator(const UninitialisedAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) { return static_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* values, std::size_t count) noexcept { return_block(values, count * sizeof(T)); }

  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }

  template <class U>
  bool operator==(const UninitialisedAllocator<U>&) const noexcept {
    return true;
  }
  template <class U>
  bool operator!=(const UninitialisedAllocator<U>&) const noexcept {
    return false;
  }
};

// resize(n) and the constructor of a size leave new values unset; resize(n, value) and assign() set them.
template <class T>
using UninitialisedVector = std::vector<T, UninitialisedAllocator<T>>;

}  // namespace fastermask
