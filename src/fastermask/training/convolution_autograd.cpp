#include "fastermask/training/convolution_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include <mutex>
#include <optional>
#include <utility>

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_gradient.h"
#include "fastermask/training/gradient_sum.h"
#include "fastermask/training/row_loops.h"
#include "fastermask/training/sparse_gradient.h"

namespace fastermask {
namespace {

ConvolutionGeometry geometry_of(const Layer& layer) {
  ConvolutionGeometry geometry;
  geometry.in_channels = layer.in_channels;
  geometry.out_channels = layer.out_channels;
  geometry.kernel = layer.kernel;
  geometry.stride = layer.stride;
  geometry.padding = layer.padding;
  geometry.dilation = layer.dilation;
  geometry.groups = layer.groups;
  return geometry;
}

bool is_pointwise(const ConvolutionGeometry& g) { return g.kernel == 1 && g.padding == 0 && g.groups == 1; }

// Whether the weight's gradient can be computed on Winograd's tiles.
bool has_tile_gradient(const ConvolutionGeometry& g) { return PackedConvolution::winograd_fits(g) && g.padding == 1; }

// Whether our kernels take the output's gradient back to the input.
bool goes_back(const ConvolutionGeometry& g) {
  if (is_narrow(g)) return false;
  return is_pointwise(g) || (g.stride == 1 && g.groups == 1 && g.padding <= g.dilation * (g.kernel - 1));
}

// That way, of pixels that the output has: of a strided pointwise convolution every stride-th one of the input.
ConvolutionGeometry backward_geometry(const ConvolutionGeometry& g) {
  ConvolutionGeometry back = pointwise_geometry(g.out_channels, g.in_channels);
  back.kernel = g.kernel;
  back.dilation = g.dilation;
  back.transposed = is_pointwise(g) || has_tile_gradient(g);  // its weight is [in, out, ...], as it lies there
  back.padding = back.transposed ? g.padding : g.dilation * (g.kernel - 1) - g.padding;
  return back;
}

// Whether our kernels are faster than oneDNN's at the weight's gradient of a pointwise convolution.
bool has_rows_gradient(const ConvolutionGeometry& g) { return is_pointwise(g) && has_fp16_units(); }

}  // namespace

class ConvolutionWeight {
 public:
  ConvolutionWeight(const Layer& layer, const at::Tensor& weight, ProductNumbers numbers)
      : geometry_(geometry_of(layer)), weight_(weight.detach()), numbers_(numbers) {}

  const ConvolutionGeometry& geometry() const { return geometry_; }
  ProductNumbers numbers() const { return numbers_; }

  // `bias` is the same in every call.
  const PackedConvolution& forward(const at::Tensor& bias) {
    ++uses_;
    if (!forward_) forward_.emplace(pack_weight(geometry_, weight_, bias, numbers_));
    return *forward_;
  }

  // From the output's gradient to the input's; after as many calls as of the above its memory is given back. Autograd
  // may ask from several threads.
  std::shared_ptr<const PackedConvolution> backward() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (backward_ == nullptr) {
      const ConvolutionGeometry back = backward_geometry(geometry_);
      backward_ = std::make_shared<const PackedConvolution>(
          pack_weight(back, back.transposed ? weight_ : turned_weight(weight_), {}, numbers_));
    }
    return --uses_ == 0 ? std::move(backward_) : backward_;
  }

  // From rows of the output's gradient to the windows of the input that they came from.
  std::shared_ptr<const PackedConvolution> to_windows() {
    if (is_pointwise(geometry_)) return backward();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (to_windows_ == nullptr) {
      const at::Tensor matrix = kernels_as_windows(weight_);
      ConvolutionGeometry back = pointwise_geometry(matrix.size(0), matrix.size(1));
      back.transposed = true;  // its weight is [in, out], as it lies there
      to_windows_ = std::make_shared<const PackedConvolution>(pack_weight(back, matrix, {}, numbers_));
    }
    return to_windows_;
  }

  void forget_forward() { forward_.reset(); }

 private:
  ConvolutionGeometry geometry_;
  at::Tensor weight_;
  ProductNumbers numbers_;
  std::mutex mutex_;
  std::optional<PackedConvolution> forward_;
  std::shared_ptr<const PackedConvolution> backward_, to_windows_;
  int uses_ = 0;  // that have not gone back yet
};

namespace {

constexpr std::int64_t kTileSide = 4;  // output pixels
constexpr std::int64_t kLeastTiles = 64;
constexpr std::int64_t kLeastPixels = 64;

// [N, C, H, W] channels-last as [N H W, C]; every stride-th pixel each way.
at::Tensor pixel_rows(const at::Tensor& map, std::int64_t stride) {
  return strided_pixels(map, stride).permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
}

// The input's gradient from the output's, as work to be done. A strided pointwise convolution sees every stride-th
// pixel.
GradientPart input_gradient(const std::shared_ptr<ConvolutionWeight>& weight, const at::Tensor& gradient) {
  GradientPart part;
  if (const std::int64_t stride = weight->geometry().stride; stride > 1) {
    part.into = [weight, gradient, stride](const at::Tensor& sum, const at::Tensor& gate) {
      ConvolutionTail tail;
      tail.residual = strided_pixels(sum, stride);
      if (gate.defined()) tail.gate = strided_pixels(gate, stride);
      put_strided_pixels(run_packed(*weight->backward(), gradient, tail), stride, sum);
    };
  } else {
    part.onto = [weight, gradient](const at::Tensor& sum, const at::Tensor& gate) {
      ConvolutionTail tail;
      tail.residual = sum;
      tail.gate = gate;
      return run_packed(*weight->backward(), gradient, tail);
    };
  }
  return part;
}

// The same from few pixels of the output.
GradientPart input_gradient_of_few(const std::shared_ptr<ConvolutionWeight>& weight, const SparseGradient& gradient) {
  GradientPart part;
  const ConvolutionGeometry& geometry = weight->geometry();
  const at::Tensor windows = multiply_rows(*weight->to_windows(), gradient.rows);
  if (is_pointwise(geometry) && geometry.stride == 1) {
    part.few = SparseGradient{gradient.pixels, windows};
  } else {
    part.into = [geometry, windows, pixels = gradient.pixels](const at::Tensor& sum, const at::Tensor& gate) {
      add_windows(geometry, windows, pixels, gate, sum);
    };
  }
  return part;
}

at::Tensor weight_gradient(const ConvolutionGeometry& geometry, const at::Tensor& pixels, const at::Tensor& gradient,
                           ProductNumbers numbers) {
  if (has_rows_gradient(geometry)) {
    return rows_weight_gradient(pixel_rows(pixels, geometry.stride), pixel_rows(gradient, 1), numbers)
        .view({geometry.out_channels, geometry.in_channels, 1, 1});
  }
  at::Tensor result = at::empty({geometry.out_channels, geometry.in_channels, 3, 3}, pixels.options());
  WeightGradientCall call;
  call.input = pixels.data_ptr<float>();
  call.output_gradient = gradient.data_ptr<float>();
  call.batch = static_cast<int>(pixels.size(0));
  call.height = static_cast<int>(pixels.size(2));
  call.width = static_cast<int>(pixels.size(3));
  call.in_channels = geometry.in_channels;
  call.out_channels = geometry.out_channels;
  call.weight_gradient = result.data_ptr<float>();
  call.in_fp16 = numbers == ProductNumbers::halves;
  convolution_weight_gradient(call);
  return result;
}

// What the backward pass needs besides tensors.
struct ConvolutionHolder : torch::CustomClassHolder {
  std::shared_ptr<ConvolutionWeight> weight;
  GradientEdge to_input;
  at::Tensor ready;  // the output, where it has been computed already
  std::shared_ptr<std::optional<SparseGradient>> few;  // of the output (sum_gradients()); null: not for this layer
};

// Whether the backward pass knows how to leave out zeros.
bool may_be_sparse(const ConvolutionGeometry& g, const ConvolutionTail& tail) {
  return g.groups == 1 && !(tail.residual.defined() && tail.residual.requires_grad());
}

class OwnConvolution : public torch::autograd::Function<OwnConvolution> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const c10::intrusive_ptr<ConvolutionHolder>& holder, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& residual,
                            int residual_scale, bool relu) {
    const at::Tensor pixels = channels_last(input);
    context->saved_data["holder"] = c10::IValue::make_capsule(holder);
    context->saved_data["residual_scale"] = static_cast<std::int64_t>(residual_scale);
    context->save_for_backward({pixels, weight});
    if (holder->ready.defined()) return std::exchange(holder->ready, {});
    ConvolutionTail tail;
    if (residual.dim() == 4) tail.residual = residual;
    tail.residual_scale = residual_scale;
    tail.relu = relu;
    return run_packed(holder->weight->forward(bias), pixels, tail);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["holder"].toCapsule();
    const auto& holder = *static_cast<const ConvolutionHolder*>(capsule.get());
    const ConvolutionGeometry& geometry = holder.weight->geometry();
    const ProductNumbers numbers = holder.weight->numbers();
    // Inputs with gradients are counted by tensors: input, weight, bias, residual.
    const Needed needed{context->needs_input_grad(0), context->needs_input_grad(1), context->needs_input_grad(2)};
    if (holder.few != nullptr && holder.few->has_value())
      return of_few(holder, *std::exchange(*holder.few, std::nullopt), saved[0], needed);
    const at::Tensor gradient = channels_last(gradients[0]);  // masked already where there is a relu
    if (holder.few != nullptr) {
      if (const auto few = sparse_gradient(gradient)) return of_few(holder, *few, saved[0], needed);
    }
    bool input_left = needed.input, weight_left = needed.weight;
    at::Tensor to_input, to_weight, to_bias, to_residual;
    // In float32 oneDNN is as fast for what is not Winograd's, but for what can be done in registers.
    const bool own = numbers == ProductNumbers::halves || has_tile_gradient(geometry);
    const bool gains = holder.to_input && is_pointwise(geometry) && best_isa() == Isa::avx512;
    if (input_left && (own || gains) && goes_back(geometry)) {
      to_input = leave_or_compute(holder, input_gradient(holder.weight, gradient), saved[0]);
      input_left = false;
    } else {
      holder.to_input.forget();
    }
    if (weight_left && own && (has_rows_gradient(geometry) || has_tile_gradient(geometry))) {
      to_weight = weight_gradient(geometry, saved[0], gradient, numbers);
      weight_left = false;
    }
    if (input_left || weight_left) {
      const std::vector<std::int64_t> stride{geometry.stride, geometry.stride},
          padding{geometry.padding, geometry.padding}, dilation{geometry.dilation, geometry.dilation};
      const auto [of_input, of_weight, of_bias] =
          at::convolution_backward(gradient, saved[0], saved[1], c10::nullopt, stride, padding, dilation, false, {0, 0},
                                   geometry.groups, {input_left, weight_left, false});
      if (input_left) to_input = of_input;
      if (weight_left) to_weight = of_weight;
    }
    if (needed.bias) to_bias = column_sums(pixel_rows(gradient, 1));
    if (context->needs_input_grad(3)) {
      const std::int64_t scale = context->saved_data["residual_scale"].toInt();
      to_residual = scale == 1 ? gradient : window_sums(gradient, scale);
    }
    return {at::Tensor(), to_input, to_weight, to_bias, to_residual, at::Tensor(), at::Tensor()};
  }

 private:
  struct Needed {
    bool input, weight, bias;
  };

  static torch::autograd::variable_list of_few(const ConvolutionHolder& holder, const SparseGradient& few,
                                               const at::Tensor& pixels, const Needed& needed) {
    const ConvolutionGeometry& geometry = holder.weight->geometry();
    at::Tensor to_input, to_weight, to_bias;
    if (needed.input) {
      to_input = leave_or_compute(holder, input_gradient_of_few(holder.weight, few), pixels);
    } else {
      holder.to_input.forget();
    }
    if (needed.weight) {
      const at::Tensor windows = input_windows(geometry, pixels, few.pixels);
      to_weight = windows_as_kernels(geometry, rows_weight_gradient(windows, few.rows, holder.weight->numbers()));
    }
    if (needed.bias) to_bias = column_sums(few.rows);
    return {at::Tensor(), to_input, to_weight, to_bias, at::Tensor(), at::Tensor(), at::Tensor()};
  }

  static at::Tensor leave_or_compute(const ConvolutionHolder& holder, GradientPart part, const at::Tensor& pixels) {
    if (holder.to_input) return holder.to_input.leave(std::move(part));
    if (part.onto != nullptr) return part.onto({}, {});
    const at::Tensor sum = zero_map(pixels.sizes(), pixels.options());
    if (part.few.has_value()) {
      add_sparse(*part.few, {}, sum);
    } else {
      part.into(sum, {});
    }
    return sum;
  }
};

}  // namespace

std::shared_ptr<ConvolutionWeight> make_convolution_weight(const Layer& layer, const at::Tensor& weight,
                                                           ProductNumbers numbers) {
  return std::make_shared<ConvolutionWeight>(layer, weight, numbers);
}

void end_forward(ConvolutionWeight& weight) { weight.forget_forward(); }

bool convolution_suits(const Layer& layer, const at::Tensor& input, ProductNumbers numbers, bool has_tail,
                       bool is_packed) {
  if (layer.type != LayerType::convolution) return false;
  if (is_packed) return true;
  const ConvolutionGeometry geometry = geometry_of(layer);
  if (has_tile_gradient(geometry)) {
    const auto tiles_of = [](std::int64_t size) { return (size + kTileSide - 1) / kTileSide; };
    return input.size(0) * tiles_of(input.size(2)) * tiles_of(input.size(3)) >= kLeastTiles;
  }
  const std::int64_t pixels = input.size(0) * geometry.output_size(static_cast<int>(input.size(2))) *
                              geometry.output_size(static_cast<int>(input.size(3)));
  if (pixels < kLeastPixels) return false;
  if (is_narrow(geometry) && best_isa() == Isa::avx512) return true;  // four times as fast as oneDNN's
  if (numbers == ProductNumbers::halves && halves_fit(geometry) &&
      (!goes_back(geometry) || halves_fit(backward_geometry(geometry))))
    return true;
  const bool in_registers = has_tail || gradient_sum_of(input) != nullptr;
  return is_pointwise(geometry) && in_registers && best_isa() == Isa::avx512;
}

namespace {

// own_convolution(); `ready`: its output, or undefined.
at::Tensor apply_convolution(const ConvolutionOperands& of, const at::Tensor& input, const ConvolutionTail& tail,
                             bool hooked, const at::Tensor& ready) {
  // Autograd's functions take no undefined tensors.
  static const at::Tensor nothing = at::zeros({0});
  const auto holder = c10::make_intrusive<ConvolutionHolder>();
  holder->weight = of.packed;
  holder->ready = ready;
  if (may_be_sparse(of.packed->geometry(), tail)) holder->few = std::make_shared<std::optional<SparseGradient>>();
  const at::Tensor pixels = GradientEdge::read(input, holder->to_input);
  return sum_gradients(OwnConvolution::apply(holder, pixels, of.weight,
                                             of.bias.defined() ? of.bias : at::zeros({of.weight.size(0)}),
                                             tail.residual.defined() ? tail.residual : nothing, tail.residual_scale,
                                             tail.relu),
                       tail.relu, !hooked, holder->few);
}

}  // namespace

at::Tensor own_convolution(const std::shared_ptr<ConvolutionWeight>& packed, const at::Tensor& input,
                           const at::Tensor& weight, const at::Tensor& bias, const ConvolutionTail& tail, bool hooked) {
  return apply_convolution({packed, weight, bias}, input, tail, hooked, {});
}

std::pair<at::Tensor, at::Tensor> own_convolution_pair(const at::Tensor& input, const ConvolutionOperands& first,
                                                       const ConvolutionOperands& second, bool hooked) {
  std::pair<at::Tensor, at::Tensor> ready;
  {
    const at::NoGradGuard no_grad;
    ready = run_packed_pair(first.packed->forward(first.bias), second.packed->forward(second.bias), input);
  }
  return {apply_convolution(first, input, {}, hooked, ready.first),
          apply_convolution(second, input, {}, hooked, ready.second)};
}

}  // namespace fastermask
