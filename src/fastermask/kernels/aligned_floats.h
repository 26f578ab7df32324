// Float memory on cache-line borders, not initialised unless asked, in huge pages where the kernel gives them.
#pragma once

#include <cstddef>
#include <memory>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/fp16.h"

namespace fastermask {

// Allocated memory of `size()` floats, 64-byte aligned; movable. Above a few megabytes it lies on 2 MiB borders and is
// marked for huge pages, or comes from the shared arena where that is on: page faults on fresh activations otherwise
// cost as much as the arithmetic.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t size);  // throws Error that says how much was wanted when there is no memory

  float* data() { return memory_.get(); }
  const float* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    bool of_arena;  // else of the C library
    void operator()(float* memory) const;
  };
  std::unique_ptr<float[], Free> memory_;
  std::size_t size_ = 0;
};

// Floats that somebody holds: packed here, or part of a mapped file. 64-byte aligned.
struct SharedFloats {
  std::shared_ptr<const float> data;
  std::size_t size = 0;
};

// The same of bfloat16 numbers.
struct SharedHalves {
  std::shared_ptr<const Bf16> data;
  std::size_t size = 0;
};

// And of float16 numbers.
struct SharedFp16 {
  std::shared_ptr<const Fp16> data;
  std::size_t size = 0;
};

// This thread's scratch memory of at least `size` floats, its content undefined. It grows and is kept until the thread
// ends; a later call may move it.
float* thread_scratch(std::size_t size);

}  // namespace fastermask
