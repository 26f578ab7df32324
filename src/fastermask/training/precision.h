// Mixed precision: where a training rounds to 16 bits, and how it scales its loss. Values always are float32 tensors. On
// processors with units for 16 bits that pay (half_arithmetic()), convolutions and linear layers round what they
// multiply, within our own kernels. Other CPUs compute in float32. If asked, values are rounded to bfloat16 instead: the
// numbers of a machine that computes on bfloat16 tensors, but for the order of sums.
#pragma once

#include <cstdint>
#include <string>

#include "fastermask/config/config.h"
#include "fastermask/training/tensor.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {

enum class Precision {
  f32,       // O0
  autocast,  // O1: convolutions and matrix products take and give 16 bits; all else is float32
  half,  // O2: weights and all values between layers have 16 bits, with float32 master weights; norms compute in float32
  half_products  // both on our own kernels: only what is multiplied has 16 bits, in between it would be but lost
};

struct PrecisionPlan {
  Precision precision = Precision::f32;
  double loss_scale = 1;
  bool dynamic_scale = false;
};

// From AMP with OPT_LEVEL and LOSS_SCALE_VALUE, or SOLVER.AMP.ENABLED (O1 with a dynamic scale, as detectron2's). The
// environment variables ALLOW_FP32 and ALLOW_HF32 turn AMP off. Throws ConfigError when both of them are set, or for a
// LOSS_SCALE_VALUE that is neither a positive number nor "dynamic".
PrecisionPlan precision_plan(const Config& config);

// What a plan's precision is on that device (as LibTorch names it). On a CPU, half_products where there are units that
// pay, unless own kernels are off, otherwise float32. FASTERMASK_BF16_UNITS=0 asks for rounding instead, to compare; so
// does 1 where no units are.
Precision precision_on(const std::string& device, Precision precision, bool own_kernels = true);

// In people's words: "f32", "bf16" or "fp16" by what products are of, or "bf16 by rounding".
std::string precision_name(Precision precision);

// The tensor rounded to bfloat16; its gradient is rounded likewise.
at::Tensor round_to_bf16(const at::Tensor& tensor);

// The factor that keeps small gradients from vanishing in 16 bits. arXiv:1710.03740 section 3.2; dynamic:
// torch.cuda.amp's GradScaler (from 65536, halved when gradients overflow, doubled after 2000 steps in a row without).
class LossScaler {
 public:
  explicit LossScaler(const PrecisionPlan& plan);

  double scale() const { return scale_; }

  // To be called after every step: whether its gradients were not finite, so that it was skipped. Returns the number of
  // steps skipped in a row.
  int update(bool overflow);

  PickleValue state() const;
  void load_state(const PickleValue& state);

 private:
  double scale_;
  bool dynamic_;
  int good_steps_ = 0;
  int skipped_ = 0;
};

}  // namespace fastermask
