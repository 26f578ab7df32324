#include "fastermask/training/precision.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cstdlib>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/half_kernels.h"

namespace fastermask {
namespace {

constexpr double kFirstDynamicScale = 65536;
constexpr int kStepsToDouble = 2000;

at::Tensor rounded_copy(const at::Tensor& tensor) {
  if (!tensor.is_cpu()) return tensor.to(at::kBFloat16).to(at::kFloat);
  // Dense tensors are rounded in whatever order they lie in memory.
  const at::Tensor dense = tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
  at::Tensor result = at::empty_like(dense);
  round_to_bf16(dense.data_ptr<float>(), result.data_ptr<float>(), dense.numel());
  return result;
}

class RoundToBf16 : public torch::autograd::Function<RoundToBf16> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& tensor) {
    return rounded_copy(tensor);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list& gradients) {
    return {rounded_copy(gradients[0])};
  }
};

bool variable_is_set(const char* name) { return std::getenv(name) != nullptr; }

}  // namespace

PrecisionPlan precision_plan(const Config& config) {
  PrecisionPlan plan;
  if (variable_is_set("ALLOW_FP32") && variable_is_set("ALLOW_HF32")) {
    fail<ConfigError>("ALLOW_FP32 and ALLOW_HF32 cannot be set at the same time!");
  }
  if (config.solver.amp.enabled) {
    plan.precision = Precision::autocast;
    plan.dynamic_scale = true;
    plan.loss_scale = kFirstDynamicScale;
    return plan;
  }
  if (config.amp == 0 || config.opt_level == "O0") return plan;
  if (variable_is_set("ALLOW_FP32") || variable_is_set("ALLOW_HF32")) {
    log_warning("engine.defaults", "AMP 1 is turned off by {}",
                variable_is_set("ALLOW_FP32") ? "ALLOW_FP32" : "ALLOW_HF32");
    return plan;
  }
  plan.precision = config.opt_level == "O1" ? Precision::autocast : Precision::half;
  plan.dynamic_scale = config.loss_scale_value == "dynamic";
  if (plan.dynamic_scale) {
    plan.loss_scale = kFirstDynamicScale;
    return plan;
  }
  char* end = nullptr;
  plan.loss_scale = std::strtod(config.loss_scale_value.c_str(), &end);
  if (config.loss_scale_value.empty() || *end != '\0' || !(plan.loss_scale > 0) || plan.loss_scale > 1e30) {
    fail<ConfigError>("config: LOSS_SCALE_VALUE must be a positive number or dynamic, got '{}'",
                      config.loss_scale_value);
  }
  return plan;
}

Precision precision_on(const std::string& device, Precision precision, bool own_kernels) {
  if (precision == Precision::f32 || !at::Device(device).is_cpu()) return precision;
  const char* const units = std::getenv("FASTERMASK_BF16_UNITS");
  const bool rounding_asked_for = units != nullptr && std::string(units) == "0";
  if (own_kernels && !rounding_asked_for && half_arithmetic() != HalfArithmetic::float32)
    return Precision::half_products;
  return units != nullptr ? precision : Precision::f32;
}

std::string precision_name(Precision precision) {
  switch (precision) {
    case Precision::f32: break;
    case Precision::autocast:
    case Precision::half: return "bf16 by rounding";
    case Precision::half_products:
      switch (half_arithmetic()) {
        case HalfArithmetic::float32: break;
        case HalfArithmetic::bfloat16: return "bf16";
        case HalfArithmetic::float16: return "fp16";
      }
  }
  return "f32";
}

at::Tensor round_to_bf16(const at::Tensor& tensor) { return RoundToBf16::apply(tensor); }

LossScaler::LossScaler(const PrecisionPlan& plan) : scale_(plan.loss_scale), dynamic_(plan.dynamic_scale) {}

int LossScaler::update(bool overflow) {
  if (overflow) {
    good_steps_ = 0;
    if (dynamic_) scale_ /= 2;
    return ++skipped_;
  }
  skipped_ = 0;
  if (dynamic_ && ++good_steps_ == kStepsToDouble) {
    scale_ *= 2;
    good_steps_ = 0;
  }
  return 0;
}

PickleValue LossScaler::state() const {
  PickleValue state = PickleValue::dict();
  state.set("scale", PickleValue::real(scale_));
  state.set("good_steps", PickleValue::integer(good_steps_));
  state.set("skipped", PickleValue::integer(skipped_));
  return state;
}

void LossScaler::load_state(const PickleValue& state) {
  if (dynamic_) scale_ = state.at("scale").as_double();
  good_steps_ = static_cast<int>(state.at("good_steps").as_int());
  skipped_ = static_cast<int>(state.at("skipped").as_int());
}

}  // namespace fastermask
