// RoIAlign's kernels for CUDA devices. Only in builds that have a CUDA compiler (FASTERMASK_CUDA); free of CUDA's
// headers.
#pragma once

#include "fastermask/kernels/roi_align_thread.h"

typedef struct CUstream_st* cudaStream_t;  // as in CUDA's driver_types.h

namespace fastermask {

// Start a pass on the current device, in that stream, and return without waiting for it. All pointers are the device's
// and must stay valid until the stream has come past. Null when the kernel has been started, else CUDA's reason. The
// same arguments give the same bits: no atomics.
const char* launch_roi_align_forward(const RoiAlignForward& work, cudaStream_t stream);
const char* launch_roi_align_backward(const RoiAlignBackward& work, cudaStream_t stream);

}  // namespace fastermask
