// Mixed precision: where a training rounds to 16 bits, and how it scales its loss. On CPUs, 16 bits are bfloat16. A
// processor with bfloat16 units that are faster than its float32 ones computes on bfloat16 tensors; others compute in
// float32, or, if asked, round: a value is then kept as a float32 that bfloat16 can represent, and products are summed
// in float32, the same numbers as with units but for the order of sums.
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
  half  // O2: weights and all values between layers have 16 bits, with float32 master weights; norms compute in float32
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

// Whether LibTorch multiplies bfloat16 tensors on units made for it. FASTERMASK_BF16_UNITS=1 or 0 decides otherwise, to
// compare: without such units LibTorch's bfloat16 is many times slower than float32.
bool computes_in_bf16();

// `precision`, but float32 on a CPU that would gain nothing from less: one that does not compute in bf16, unless
// FASTERMASK_BF16_UNITS=0 asks for the numbers that it would have computed. `device`: as LibTorch names it.
Precision precision_on(const std::string& device, Precision precision);

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
