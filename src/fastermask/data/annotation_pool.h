// A growing array of plain values that may instead lie in a mapped file. Internal to the data layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"

namespace fastermask {

// Values of its own, or a view of `size` values that somebody else keeps alive. The first change to a view copies it.
template <class T>
class AnnotationPool {
  static_assert(std::is_trivially_copyable_v<T>, "pools are written to files as they are");

 public:
  AnnotationPool() = default;
  explicit AnnotationPool(std::vector<T> values) : own_(std::move(values)) {}
  static AnnotationPool view_of(const T* data, std::size_t size) {
    AnnotationPool pool;
    pool.mapped_ = data;
    pool.mapped_size_ = size;
    return pool;
  }

  std::size_t size() const { return mapped_ != nullptr ? mapped_size_ : own_.size(); }
  const T* data() const { return mapped_ != nullptr ? mapped_ : own_.data(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }
  const T& operator[](std::size_t index) const { return data()[index]; }

  void push_back(const T& value) { own().push_back(value); }
  template <class Iterator>
  void append(Iterator first, Iterator last) {
    own().insert(own().end(), first, last);
  }
  // Value i becomes the former value order[i]; `order` names every place once, and is used up.
  void arrange(std::vector<std::uint32_t>& order) {
    FASTERMASK_CHECK(order.size() == size(), "pool: {} places for {} values", order.size(), size());
    std::vector<T>& values = own();
    for (std::uint32_t first = 0; first < order.size(); ++first) {  // one cycle after another
      const T kept = values[first];
      std::uint32_t to = first;
      for (std::uint32_t from = order[to]; from != first; from = order[to]) {
        values[to] = values[from];
        order[to] = to;
        to = from;
      }
      values[to] = kept;
      order[to] = to;
    }
  }
  // Keeps the memory.
  void clear() {
    mapped_ = nullptr;
    own_.clear();
  }
  T& at_own(std::size_t index) { return own()[index]; }
  void shrink_to_fit() { own_.shrink_to_fit(); }

  void reserve(std::size_t size) { own().reserve(size); }

  // Bytes of values of its own; a view has none.
  std::size_t memory_bytes() const { return own_.size() * sizeof(T); }

 private:
  std::vector<T>& own() {
    if (mapped_ != nullptr) {
      own_.assign(mapped_, mapped_ + mapped_size_);
      mapped_ = nullptr;
    }
    return own_;
  }

  std::vector<T> own_;
  const T* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
};

}  // namespace fastermask
