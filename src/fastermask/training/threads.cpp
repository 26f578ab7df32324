#include "fastermask/training/threads.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <unistd.h>

#include <cstdlib>

#include "fastermask/base/parallel.h"

namespace fastermask {

void use_compute_threads() {
  const int threads = num_threads();
  at::set_num_threads(threads);
  omp_set_num_threads(threads);  // LibTorch's first call counts the cores anew and tells OpenMP
}

void keep_torch_threads_from_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "1000", 1);
  execv("/proc/self/exe", argv);  // returns only when it fails; then we go on as we are
}

}  // namespace fastermask
