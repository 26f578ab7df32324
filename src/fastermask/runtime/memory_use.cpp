#include "fastermask/runtime/memory_use.h"

#include <sys/resource.h>

namespace fastermask {

double peak_resident_bytes() {
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<double>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

}  // namespace fastermask
