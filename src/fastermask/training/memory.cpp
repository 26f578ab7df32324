#include "fastermask/training/memory.h"

#include <malloc.h>

#include <cstdlib>
#include <string_view>

namespace fastermask {

void keep_freed_memory() {
  const char* wanted = std::getenv("FASTERMASK_KEEP_MEMORY");
  if (wanted != nullptr && std::string_view(wanted) == "0") return;
  mallopt(M_MMAP_MAX, 0);         // blocks of any size come from the heap, which can be reused
  mallopt(M_TRIM_THRESHOLD, -1);  // and the heap's top is not given back
  mallopt(M_TOP_PAD, 64 << 20);   // it grows in large steps
}

}  // namespace fastermask
