#include "fastermask/training/winograd_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include <mutex>
#include <optional>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_gradient.h"

namespace fastermask {

class WinogradWeight {
 public:
  explicit WinogradWeight(const at::Tensor& weight) : weight_(weight.detach()) {}

  // `bias` is the same in every call.
  const PackedConvolution& forward(const at::Tensor& bias) {
    if (!forward_) {
      const at::Tensor rows = weight_.contiguous();
      const at::Tensor values = bias.contiguous();
      forward_.emplace(geometry(weight_.size(1), weight_.size(0)), rows.data_ptr<float>(), values.data_ptr<float>(),
                       ConvolutionMethod::winograd);
    }
    return *forward_;
  }

  // From the output's gradient to the input's: the kernel turned by half a turn, channels exchanged. Autograd may ask
  // from several threads.
  const PackedConvolution& backward() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!backward_) {
      const at::Tensor turned = weight_.flip({2, 3}).transpose(0, 1).contiguous();
      backward_.emplace(geometry(weight_.size(0), weight_.size(1)), turned.data_ptr<float>(), nullptr,
                        ConvolutionMethod::winograd);
    }
    return *backward_;
  }

  void forget_forward() { forward_.reset(); }

 private:
  static ConvolutionGeometry geometry(std::int64_t in, std::int64_t out) {
    ConvolutionGeometry geometry;
    geometry.in_channels = static_cast<int>(in);
    geometry.out_channels = static_cast<int>(out);
    geometry.kernel = 3;
    geometry.padding = 1;
    return geometry;
  }

  at::Tensor weight_;
  std::mutex mutex_;
  std::optional<PackedConvolution> forward_;
  std::optional<PackedConvolution> backward_;
};

namespace {

constexpr std::int64_t kTileSide = 4;  // output pixels
constexpr std::int64_t kLeastTiles = 64;

at::Tensor run_packed(const PackedConvolution& convolution, const at::Tensor& input) {
  const at::Tensor pixels = channels_last(input);
  const at::Tensor output =
      at::empty({pixels.size(0), convolution.geometry().out_channels, pixels.size(2), pixels.size(3)}, pixels.options(),
                at::MemoryFormat::ChannelsLast);
  ConvolutionCall call;
  call.input = pixels.data_ptr<float>();
  call.batch = static_cast<int>(pixels.size(0));
  call.height = static_cast<int>(pixels.size(2));
  call.width = static_cast<int>(pixels.size(3));
  call.output = output.data_ptr<float>();
  convolution.run(call);
  return output;
}

at::Tensor weight_gradient(const at::Tensor& pixels, const at::Tensor& gradient, at::IntArrayRef shape) {
  const at::Tensor result = at::empty(shape, pixels.options());
  WeightGradientCall call;
  call.input = pixels.data_ptr<float>();
  call.output_gradient = gradient.data_ptr<float>();
  call.batch = static_cast<int>(pixels.size(0));
  call.height = static_cast<int>(pixels.size(2));
  call.width = static_cast<int>(pixels.size(3));
  call.in_channels = static_cast<int>(shape[1]);
  call.out_channels = static_cast<int>(shape[0]);
  call.weight_gradient = result.data_ptr<float>();
  convolution_weight_gradient(call);
  return result;
}

struct WeightHolder : torch::CustomClassHolder {
  explicit WeightHolder(std::shared_ptr<WinogradWeight> held) : weight(std::move(held)) {}
  std::shared_ptr<WinogradWeight> weight;
};

class WinogradConvolution : public torch::autograd::Function<WinogradConvolution> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const std::shared_ptr<WinogradWeight>& packed,
                            const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
    const at::Tensor pixels = channels_last(input);
    context->save_for_backward({pixels, weight});
    context->saved_data["packed"] = c10::IValue::make_capsule(c10::make_intrusive<WeightHolder>(packed));
    return run_packed(packed->forward(bias), pixels);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const auto holder = context->saved_data["packed"].toCapsule();
    const at::Tensor gradient = channels_last(gradients[0]);
    at::Tensor to_input;
    at::Tensor to_weight;
    at::Tensor to_bias;
    // Inputs with gradients are counted by tensors: input, weight, bias.
    if (context->needs_input_grad(0))
      to_input = run_packed(static_cast<WeightHolder*>(holder.get())->weight->backward(), gradient);
    if (context->needs_input_grad(1)) to_weight = weight_gradient(saved[0], gradient, saved[1].sizes());
    if (context->needs_input_grad(2)) to_bias = gradient.sum({0, 2, 3});
    return {at::Tensor(), to_input, to_weight, to_bias};
  }
};

}  // namespace

std::shared_ptr<WinogradWeight> make_winograd_weight(const at::Tensor& weight) {
  return std::make_shared<WinogradWeight>(weight);
}

void end_forward(WinogradWeight& weight) { weight.forget_forward(); }

bool winograd_suits(const Layer& layer, const at::Tensor& input) {
  if (layer.type != LayerType::convolution || layer.padding != 1) return false;
  ConvolutionGeometry geometry;
  geometry.in_channels = layer.in_channels;
  geometry.out_channels = layer.out_channels;
  geometry.kernel = layer.kernel;
  geometry.stride = layer.stride;
  geometry.padding = layer.padding;
  geometry.dilation = layer.dilation;
  geometry.groups = layer.groups;
  const auto tiles_of = [](std::int64_t size) { return (size + kTileSide - 1) / kTileSide; };
  return PackedConvolution::winograd_fits(geometry) &&
         input.size(0) * tiles_of(input.size(2)) * tiles_of(input.size(3)) >= kLeastTiles;
}

at::Tensor winograd_convolution(const std::shared_ptr<WinogradWeight>& packed, const at::Tensor& input,
                                const at::Tensor& weight, const at::Tensor& bias) {
  // Autograd's functions take no undefined tensors.
  const at::Tensor used_bias =
      bias.defined() ? bias : at::zeros({weight.size(0)}, weight.options().requires_grad(false));
  return WinogradConvolution::apply(packed, input, weight, used_bias);
}

}  // namespace fastermask
