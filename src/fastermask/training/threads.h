// LibTorch's threads. It counts cores for itself and may settle on one; ours is the count that holds.
#pragma once

namespace fastermask {

// Gives LibTorch as many threads as num_threads() (base/parallel.h) says. Call after set_num_threads(), before the
// first network runs.
void use_compute_threads();

// LibTorch's threads, GNU OpenMP's, spin for milliseconds after each of its loops, which takes the cores away from the
// threads that have work: those of our own loops, or another program's. OpenMP reads its settings before main() runs,
// hence the program starts itself anew with others, unless the user has set them. `argv`: main()'s.
void keep_torch_threads_from_spinning(char** argv);

}  // namespace fastermask
