// Batch normalisation with the statistics of all processes' pictures: SyncBN. detectron2 layers/batch_norm.py
// NaiveSyncBatchNorm and torch.nn.SyncBatchNorm; each process may have another number of pictures or regions, or none.
//   N images or regions of this process   C channels   M = N H W, summed over the processes
#pragma once

#include "fastermask/training/tensor.h"

namespace fastermask {

struct NormState {
  at::Tensor running_mean;  // [C], moved towards the batch's
  at::Tensor running_var;   // [C], likewise, with M - 1 in the denominator
  double momentum = 0.1;
  double epsilon = 1e-5;
};

// y = (x - mean) / sqrt(var + epsilon) * weight + bias, mean and variance over M; differentiable in x, weight and bias,
// the gradient of x through the statistics of all processes included. Every process must call it in the same order,
// forward and backward; for one process it is at::batch_norm.
//   input  [N, C, ...], any device
at::Tensor synchronised_batch_norm(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                                   const NormState& state);

}  // namespace fastermask
