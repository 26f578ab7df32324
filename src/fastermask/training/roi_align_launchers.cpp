// Which devices have kernels of our own. Apart, because it is the one file that includes LibTorch's headers for CUDA.
#include "fastermask/training/roi_align_device.h"

#ifdef FASTERMASK_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "fastermask/base/error.h"
#include "fastermask/kernels/roi_align_cuda.h"
#endif

namespace fastermask {

#ifdef FASTERMASK_CUDA
namespace {

// In the stream of LibTorch's own operations, so that they come one after the other.
template <class Work>
void launch_on_cuda(const char* (*launch)(const Work&, cudaStream_t), const Work& work, const at::Device& device) {
  const c10::cuda::CUDAGuard guard(device);
  const char* error = launch(work, c10::cuda::getCurrentCUDAStream(device.index()).stream());
  if (error != nullptr) fail("roi_align: the kernel cannot be started on {}: {}", device.str(), error);
}

const RoiAlignLaunchers kCudaLaunchers = {[](const RoiAlignForward& work, const at::Device& device) {
                                            launch_on_cuda(launch_roi_align_forward, work, device);
                                          },
                                          [](const RoiAlignBackward& work, const at::Device& device) {
                                            launch_on_cuda(launch_roi_align_backward, work, device);
                                          }};

}  // namespace

const RoiAlignLaunchers* roi_align_launchers(at::DeviceType type) {
  return type == at::DeviceType::CUDA ? &kCudaLaunchers : nullptr;
}
#else
const RoiAlignLaunchers* roi_align_launchers(at::DeviceType) { return nullptr; }
#endif

}  // namespace fastermask
