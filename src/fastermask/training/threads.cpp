#include "fastermask/training/threads.h"

#include <ATen/Parallel.h>

#include "fastermask/base/parallel.h"

namespace fastermask {

void use_compute_threads() {
  const int threads = num_threads();
  at::set_num_threads(threads);
  set_num_threads(threads);  // LibTorch's first call counts the cores anew and tells OpenMP
}

}  // namespace fastermask
