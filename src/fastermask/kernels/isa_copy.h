// Picks the copy of a kernel compiled for this machine. For the sources of kernels that have a *_isa.cpp file.
#pragma once

#include "fastermask/base/cpu.h"

// Declares FUNCTION's copies: FASTERMASK_DECLARE_COPIES(void add(const float* a, float* b, int n)) inside namespace
// fastermask makes generic::add and, where the processor family has them, avx2::add and avx512::add.
// FASTERMASK_PICK_COPY(add, isa) is the address of the one for `isa`.
#if defined(__x86_64__)
#define FASTERMASK_DECLARE_COPIES(...) \
  namespace generic {                  \
  __VA_ARGS__;                         \
  }                                    \
  namespace avx2 {                     \
  __VA_ARGS__;                         \
  }                                    \
  namespace avx512 {                   \
  __VA_ARGS__;                         \
  }
#define FASTERMASK_PICK_COPY(function, isa)                   \
  ((isa) == ::fastermask::Isa::avx512 ? &avx512::function     \
   : (isa) == ::fastermask::Isa::avx2 ? &avx2::function       \
                                      : &generic::function)
#else
#define FASTERMASK_DECLARE_COPIES(...) \
  namespace generic {                  \
  __VA_ARGS__;                         \
  }
#define FASTERMASK_PICK_COPY(function, isa) (static_cast<void>(isa), &generic::function)
#endif
