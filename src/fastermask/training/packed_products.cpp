#include "fastermask/training/packed_products.h"

#include <algorithm>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/linear_gradient.h"

namespace fastermask {
namespace {

ConvolutionMethod faster_method(const ConvolutionGeometry& geometry, bool halves) {
  if (halves) return PackedConvolution::method_in_bf16(geometry);
  return PackedConvolution::winograd_fits(geometry) ? ConvolutionMethod::winograd : ConvolutionMethod::direct;
}

}  // namespace

bool is_narrow(const ConvolutionGeometry& geometry) {
  ConvolutionGeometry plain = geometry;
  plain.transposed = false;  // as the way back of a plain convolution is packed
  return PackedConvolution::is_narrow(plain, ConvolutionMethod::direct);
}

at::Tensor turned_weight(const at::Tensor& weight) {
  const at::Tensor values = weight.contiguous();
  const std::int64_t out = weight.size(0), in = weight.size(1), area = weight.size(2) * weight.size(3);
  at::Tensor result = at::empty({in, out, weight.size(2), weight.size(3)}, values.options());
  const float* const from = values.data_ptr<float>();
  float* const to = result.data_ptr<float>();
  parallel_for(0, in, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = 0; k < out; ++k) {
      for (std::int64_t c = begin; c < end; ++c) {
        const float* const kernel = from + (k * in + c) * area;
        std::reverse_copy(kernel, kernel + area, to + (c * out + k) * area);
      }
    }
  });
  return result;
}

bool halves_fit(const ConvolutionGeometry& geometry) {
  if (is_narrow(geometry)) return false;
  const ConvolutionMethod method = faster_method(geometry, true);
  switch (half_arithmetic()) {
    case HalfArithmetic::float32: return false;
    case HalfArithmetic::bfloat16: return PackedConvolution::pairs_fit(geometry, method);
    case HalfArithmetic::float16: return PackedConvolution::fp16_fits(geometry, method);
  }
  return false;
}

PackedConvolution pack_weight(const ConvolutionGeometry& geometry, const at::Tensor& weight, const at::Tensor& bias,
                              ProductNumbers numbers) {
  const at::Tensor values = weight.contiguous();
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  const float* const bias_values = bias.defined() ? shift.data_ptr<float>() : nullptr;
  const bool halves = numbers == ProductNumbers::halves && halves_fit(geometry);
  const ConvolutionMethod method = faster_method(geometry, halves);
  return halves ? PackedConvolution::in_halves(geometry, values.data_ptr<float>(), bias_values, method)
                : PackedConvolution(geometry, values.data_ptr<float>(), bias_values, method);
}

ConvolutionGeometry pointwise_geometry(std::int64_t in, std::int64_t out) {
  ConvolutionGeometry geometry;
  geometry.in_channels = static_cast<int>(in);
  geometry.out_channels = static_cast<int>(out);
  return geometry;
}

at::Tensor run_packed(const PackedConvolution& convolution, const at::Tensor& input, const ConvolutionTail& tail) {
  const ConvolutionGeometry& geometry = convolution.geometry();
  const at::Tensor pixels = channels_last(input);
  ConvolutionCall call;
  call.input = pixels.data_ptr<float>();
  call.batch = static_cast<int>(pixels.size(0));
  call.height = static_cast<int>(pixels.size(2));
  call.width = static_cast<int>(pixels.size(3));
  at::Tensor output = at::empty(
      {pixels.size(0), geometry.out_channels, geometry.output_size(call.height), geometry.output_size(call.width)},
      pixels.options(), at::MemoryFormat::ChannelsLast);
  call.output = output.data_ptr<float>();
  const at::Tensor residual = tail.residual.defined() ? channels_last(tail.residual) : tail.residual;
  if (residual.defined()) call.residual = residual.data_ptr<float>();
  call.residual_scale = tail.residual_scale;
  call.relu = tail.relu;
  const at::Tensor gate = tail.gate.defined() ? channels_last(tail.gate) : tail.gate;
  if (gate.defined()) call.gate = gate.data_ptr<float>();
  convolution.run(call);
  return output;
}

std::pair<at::Tensor, at::Tensor> run_packed_pair(const PackedConvolution& first, const PackedConvolution& second,
                                                  const at::Tensor& input) {
  constexpr std::int64_t kBlockNumbers = 1 << 17;  // of input, which stay in the second-level cache until both are done
  const at::Tensor pixels = channels_last(input);
  const std::int64_t channels = pixels.size(1), count = pixels.numel() / channels;
  const auto output_of = [&](const PackedConvolution& convolution) {
    return at::empty({pixels.size(0), convolution.geometry().out_channels, pixels.size(2), pixels.size(3)},
                     pixels.options(), at::MemoryFormat::ChannelsLast);
  };
  std::pair<at::Tensor, at::Tensor> outputs{output_of(first), output_of(second)};
  const std::int64_t block = std::max<std::int64_t>(96, kBlockNumbers / channels);
  const float* const in = pixels.data_ptr<float>();
  parallel_for(0, (count + block - 1) / block, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin * block; pixel < std::min(end * block, count); pixel += block) {
      ConvolutionCall call;
      call.input = in + pixel * channels;
      call.width = static_cast<int>(std::min(block, count - pixel));
      call.output = outputs.first.data_ptr<float>() + pixel * outputs.first.size(1);
      first.run(call);
      call.output = outputs.second.data_ptr<float>() + pixel * outputs.second.size(1);
      second.run(call);
    }
  });
  return outputs;
}

at::Tensor multiply_rows(const PackedConvolution& convolution, const at::Tensor& rows) {
  const at::Tensor dense = rows.contiguous();
  at::Tensor result = at::empty({dense.size(0), convolution.geometry().out_channels}, dense.options());
  ConvolutionCall call;
  call.input = dense.data_ptr<float>();
  call.batch = static_cast<int>(dense.size(0));
  call.output = result.data_ptr<float>();
  convolution.run(call);
  return result;
}

at::Tensor rows_weight_gradient(const at::Tensor& rows, const at::Tensor& gradient, ProductNumbers numbers) {
  const at::Tensor input = rows.contiguous(), output_gradient = gradient.contiguous();
  at::Tensor result = at::empty({gradient.size(1), rows.size(1)}, input.options());
  LinearGradientCall call;
  call.input = input.data_ptr<float>();
  call.output_gradient = output_gradient.data_ptr<float>();
  call.rows = input.size(0);
  call.in_features = static_cast<int>(rows.size(1));
  call.out_features = static_cast<int>(gradient.size(1));
  call.weight_gradient = result.data_ptr<float>();
  call.in_fp16 = numbers == ProductNumbers::halves;
  linear_weight_gradient(call);
  return result;
}

}  // namespace fastermask
