// Deformable convolution against numbers of torchvision 0.14.1 (ops.deform_conv2d and its autograd), and in a graph.
#include "fastermask/training/deform_conv_autograd.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/training/graph_executor.h"
#include "unit/training/tiny_network.h"

namespace fastermask {
namespace {

// sin(a i + b) * scale for the i-th element, in memory order of `shape`.
at::Tensor waves(const Shape& shape, double a, double b, double scale = 1) {
  NDArray array(DType::float32, shape);
  for (std::int64_t i = 0; i < array.size(); ++i) {
    array.data<float>()[i] = static_cast<float>(scale * std::sin(a * static_cast<double>(i) + b));
  }
  return to_tensor(array).contiguous();
}

at::Tensor channels_first(const at::Tensor& nhwc) { return nhwc.permute({0, 3, 1, 2}).detach(); }

// Five elements and the sum of absolute values, as recorded.
void expect_recorded(const at::Tensor& got, const std::vector<double>& elements, double sum) {
  const at::Tensor flat =
      (got.dim() == 4 && got.stride(1) == 1 ? got.permute({0, 2, 3, 1}) : got).detach().reshape({-1});
  const std::int64_t n = flat.size(0), places[] = {0, 1, n / 3, n / 2, n - 1};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(flat[places[i]].item<double>(), elements[i], 5e-6) << places[i];
  EXPECT_NEAR(flat.abs().to(at::kDouble).sum().item<double>(), sum, 1e-5 * sum + 1e-6);
}

struct DeformRun {
  at::Tensor input, offsets, weight, bias, output;
};

DeformRun run_deformable(const Layer& layer, std::int64_t rows, std::int64_t columns) {
  const std::int64_t taps = 9 * layer.offset_groups;
  DeformRun run;
  run.input = channels_first(waves({2, 5, 6, 4}, 0.37, 0.1)).set_requires_grad(true);
  at::Tensor offsets = waves({2, rows, columns, 2 * taps}, 0.71, 0.4, 2.5);
  if (layer.modulated) offsets = at::cat({offsets, waves({2, rows, columns, taps}, 0.53, 0.9, 1.5)}, 3);
  run.offsets = channels_first(offsets).set_requires_grad(true);
  run.weight = waves({4, 4 / layer.groups, 3, 3}, 0.29, 0.2).detach().set_requires_grad(true);
  run.bias = waves({4}, 0.61, 0.3).detach().set_requires_grad(true);
  run.output = deformable_convolution(layer, run.input, run.offsets, run.weight, run.bias);
  (run.output * channels_first(waves({2, rows, columns, 4}, 0.43, 0.7))).sum().backward();
  return run;
}

Layer deformable_layer() {
  Layer layer;
  layer.type = LayerType::deformable_convolution;
  layer.kernel = 3;
  layer.padding = 1;
  return layer;
}

TEST(DeformableConvolution, VersionOneEqualsTorchvisions) {
  const DeformRun run = run_deformable(deformable_layer(), 5, 6);
  expect_recorded(run.output, {0.542049, 0.377517, 0.282712, 0.146484, 1.02191}, 185.938);
  expect_recorded(run.input.grad(), {-0.519905, 0.39452, 0.0401532, 0.582317, -0.224626}, 84.9725);
  expect_recorded(run.offsets.grad(), {0.127691, -0.526408, -0.0128392, 0.185559, -0.0275654}, 111.524);
  expect_recorded(run.weight.grad().contiguous(), {-0.39955, -1.97063, 0.305989, 1.02736, 0.74538}, 118.145);
  expect_recorded(run.bias.grad(), {1.18345, 1.28214, 1.28214, 1.14739, 0.803741}, 4.41673);
}

TEST(DeformableConvolution, VersionTwoWithGroupsEqualsTorchvisions) {
  Layer layer = deformable_layer();
  layer.stride = layer.padding = layer.dilation = layer.groups = layer.offset_groups = 2;
  layer.modulated = true;
  const DeformRun run = run_deformable(layer, 3, 3);
  expect_recorded(run.output, {0.374123, 0.854544, 0.278488, 0.141796, 0.762265}, 53.9749);
  expect_recorded(run.input.grad(), {0.171306, 0.0329311, 0.164966, 0.15584, 0.200055}, 64.1312);
  expect_recorded(run.offsets.grad().slice(1, 0, 36).permute({0, 2, 3, 1}).contiguous(), {0, 0, 0, 0, 0}, 53.9905);
  expect_recorded(run.offsets.grad().slice(1, 36, 54).permute({0, 2, 3, 1}).contiguous(), {0, -0.0073267, 0, 0, 0},
                  4.36398);
  expect_recorded(run.weight.grad().contiguous(), {0.275141, -0.423548, -0.684242, 0.187069, 0.217061}, 20.989);
  expect_recorded(run.bias.grad(), {0.112813, -0.012532, -0.012532, -0.135595, -0.233971}, 0.494911);
}

// With all offsets 0 (as they start) it is the plain convolution; modulated, half of it.
TEST(DeformableConvolution, StartsAsAPlainConvolution) {
  for (const bool modulated : {false, true}) {
    GraphBuilder builder("dense", 4);
    const ConvolutionSpec spec = {6, 3, 2, 1, 2, NormType::frozen_batch, true};
    builder.output("deformed", builder.deformable_convolution("a", builder.input(), spec, {2, modulated}));
    const Network network = network_of(std::move(builder));
    const ParameterStore store(network, 1);
    TorchGraphExecutor executor(network.dense, store);
    const at::Tensor input = channels_first(waves({2, 7, 8, 4}, 0.37, 0.1));
    const at::Tensor plain =
        at::relu(at::conv2d(input, store.tensor("a.weight"), {}, 2, 1, 1, 2)) * (modulated ? 0.5 : 1);
    const at::Tensor got = executor.forward(input, true)[0];
    EXPECT_LT((got - plain).abs().max().item<double>(), 1e-5);
    got.sum().backward();
    EXPECT_TRUE(store.tensor("a_offset.weight").grad().defined());
    EXPECT_GT(store.tensor("a_offset.bias").grad().abs().sum().item<double>(), 0);
  }
}

}  // namespace
}  // namespace fastermask
