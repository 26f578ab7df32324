// LibTorch's threads. It counts cores for itself and may settle on one; ours is the count that holds.
#pragma once

namespace fastermask {

// Gives LibTorch as many threads as num_threads() (base/parallel.h) says. Call after set_num_threads(), before the
// first network runs.
void use_compute_threads();

}  // namespace fastermask
