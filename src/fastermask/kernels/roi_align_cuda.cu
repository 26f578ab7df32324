// One block a bin (or a pixel), one thread a channel: neighbours read neighbouring floats, and a block's threads walk
// the same lists. What a thread computes is in roi_align_thread.h, which the host's tests run.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "fastermask/kernels/roi_align_cuda.h"

namespace fastermask {
namespace {

constexpr int kMostThreads = 256;
constexpr std::int64_t kMostBlocks = 1 << 30;  // below what a grid's x may be; what is more, blocks take in turn

__global__ void __launch_bounds__(kMostThreads) roi_align_forward_kernel(const RoiAlignForward work) {
  for (std::int64_t bin = blockIdx.x; bin < work.num_bins(); bin += gridDim.x) {
    for (int channel = static_cast<int>(threadIdx.x); channel < work.channels; channel += static_cast<int>(blockDim.x))
      work.output[bin * work.channels + channel] = roi_align_bin(work, bin, channel);
  }
}

__global__ void __launch_bounds__(kMostThreads) roi_align_backward_kernel(const RoiAlignBackward work) {
  for (std::int64_t pixel = blockIdx.x; pixel < work.num_pixels(); pixel += gridDim.x) {
    for (int channel = static_cast<int>(threadIdx.x); channel < work.channels; channel += static_cast<int>(blockDim.x))
      work.gradient[pixel * work.channels + channel] = roi_align_pixel_gradient(work, pixel, channel);
  }
}

// Whole warps of 32.
unsigned threads_for(int channels) { return static_cast<unsigned>(std::min((channels + 31) / 32 * 32, kMostThreads)); }

unsigned blocks_for(std::int64_t items) { return static_cast<unsigned>(std::min(items, kMostBlocks)); }

const char* error_of_launch() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace

const char* launch_roi_align_forward(const RoiAlignForward& work, cudaStream_t stream) {
  if (work.num_bins() == 0 || work.channels == 0) return nullptr;
  roi_align_forward_kernel<<<blocks_for(work.num_bins()), threads_for(work.channels), 0, stream>>>(work);
  return error_of_launch();
}

const char* launch_roi_align_backward(const RoiAlignBackward& work, cudaStream_t stream) {
  if (work.num_pixels() == 0 || work.channels == 0) return nullptr;
  roi_align_backward_kernel<<<blocks_for(work.num_pixels()), threads_for(work.channels), 0, stream>>>(work);
  return error_of_launch();
}

}  // namespace fastermask
