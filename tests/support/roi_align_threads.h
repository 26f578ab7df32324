// Every thread of RoIAlign's device kernels, run on the host one after another.
#pragma once

#include "fastermask/kernels/roi_align_thread.h"

namespace fastermask {

inline void run_roi_align_threads(const RoiAlignForward& work) {
  for (std::int64_t bin = 0; bin < work.num_bins(); ++bin) {
    for (int channel = 0; channel < work.channels; ++channel)
      work.output[bin * work.channels + channel] = roi_align_bin(work, bin, channel);
  }
}

inline void run_roi_align_threads(const RoiAlignBackward& work) {
  for (std::int64_t pixel = 0; pixel < work.num_pixels(); ++pixel) {
    for (int channel = 0; channel < work.channels; ++channel)
      work.gradient[pixel * work.channels + channel] = roi_align_pixel_gradient(work, pixel, channel);
  }
}

}  // namespace fastermask
