// Times of the convolutions of a ResNet-50 FPN on 800 x 1216 pictures, in each precision and way. `FLOP/s` counts the
// direct way's operations.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_gradient.h"
#include "fastermask/kernels/integer_convolution.h"
#include "fastermask/kernels/linear_gradient.h"

namespace fastermask {
namespace {

struct Shape {
  const char* name;
  ConvolutionGeometry geometry;
  int batch, height, width;
};

const Shape kShapes[] = {
    {"stem", {3, 64, 7, 2, 3}, 1, 800, 1216},
    {"res2.conv1", {256, 64, 1, 1, 0}, 1, 200, 304},
    {"res2.conv2", {64, 64, 3, 1, 1}, 1, 200, 304},
    {"res2.conv3", {64, 256, 1, 1, 0}, 1, 200, 304},
    {"res3.conv1", {512, 128, 1, 1, 0}, 1, 100, 152},
    {"res3.conv2", {128, 128, 3, 1, 1}, 1, 100, 152},
    {"res3.conv3", {128, 512, 1, 1, 0}, 1, 100, 152},
    {"res4.conv1", {1024, 256, 1, 1, 0}, 1, 50, 76},
    {"res4.conv2", {256, 256, 3, 1, 1}, 1, 50, 76},
    {"res4.conv3", {256, 1024, 1, 1, 0}, 1, 50, 76},
    {"res5.conv1", {2048, 512, 1, 1, 0}, 1, 25, 38},
    {"res5.conv2", {512, 512, 3, 1, 1}, 1, 25, 38},
    {"res5.conv3", {512, 2048, 1, 1, 0}, 1, 25, 38},
    {"fpn.output2", {256, 256, 3, 1, 1}, 1, 200, 304},
    {"mask_fcn", {256, 256, 3, 1, 1}, 32, 14, 14},
    {"box_head.fc1", {12544, 1024, 1, 1, 0}, 512, 1, 1},
};

// In huge pages where there are any, as the executor's memory is.
AlignedFloats random_values(std::size_t count, double low) {
  Random random(1, RandomPurpose::test);
  AlignedFloats values(count);
  for (std::size_t i = 0; i < count; ++i) values.data()[i] = static_cast<float>(random.uniform(low, 1));
  return values;
}

struct Arrays {
  explicit Arrays(const Shape& shape)
      : weight(random_values(static_cast<std::size_t>(shape.geometry.out_channels * shape.geometry.in_channels *
                                                      shape.geometry.kernel * shape.geometry.kernel),
                             -1)),
        bias(random_values(static_cast<std::size_t>(shape.geometry.out_channels), -1)),
        input(random_values(static_cast<std::size_t>(shape.batch * shape.height * shape.width) *
                                static_cast<std::size_t>(shape.geometry.in_channels),
                            0)),
        pixels(static_cast<std::size_t>(shape.batch * shape.geometry.output_size(shape.height) *
                                        shape.geometry.output_size(shape.width))),
        output(random_values(pixels * static_cast<std::size_t>(shape.geometry.out_channels), 0)) {}
  AlignedFloats weight, bias, input;
  std::size_t pixels;
  AlignedFloats output;
};

void count_operations(benchmark::State& state, const Arrays& arrays) {
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(arrays.pixels) * static_cast<double>(arrays.weight.size()),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void bench_floats(benchmark::State& state, const Shape& shape, ConvolutionMethod method, bool halves) {
  Arrays arrays(shape);
  const PackedConvolution packed =
      halves ? PackedConvolution::in_bf16(shape.geometry, arrays.weight.data(), arrays.bias.data(), method)
             : PackedConvolution(shape.geometry, arrays.weight.data(), arrays.bias.data(), method);
  ConvolutionCall call{arrays.input.data(), shape.batch, shape.height, shape.width, arrays.output.data()};
  call.relu = true;
  for (auto _ : state) packed.run(call);
  count_operations(state, arrays);
}

// `halves`: the result is wanted in 16 bits, too, as by a layer that adds it to another.
void bench_integers(benchmark::State& state, const Shape& shape, bool halves) {
  const ConvolutionGeometry& g = shape.geometry;
  Arrays arrays(shape);
  const IntegerConvolution packed(g, arrays.weight.data(), arrays.bias.data(), {});
  const ActivationRange range{1.0f / 127, 0};
  AlignedFloats in(integer_map_bytes(shape.batch, shape.height, shape.width, g.in_channels, g.padding) / 4 + 1);
  const int height = g.output_size(shape.height), width = g.output_size(shape.width);
  const int border = height > 1 ? 1 : 0;  // what a 3x3 kernel after it would read
  AlignedFloats out(integer_map_bytes(shape.batch, height, width, g.out_channels, border) / 4 + 1);
  std::vector<float> scale, bias;
  packed.scales_for(range, scale, bias);
  IntegerConvolutionCall call;
  call.input = {reinterpret_cast<std::uint8_t*>(in.data()), g.padding, range};
  call.batch = shape.batch;
  call.height = shape.height;
  call.width = shape.width;
  call.scale = &scale;
  call.bias = &bias;
  call.relu = true;
  if (halves) call.half_output = reinterpret_cast<Bf16*>(arrays.output.data());
  call.quantised = {reinterpret_cast<std::uint8_t*>(out.data()), border, range};
  quantise_map(arrays.input.data(), shape.batch, shape.height, shape.width, g.in_channels, call.input);
  fill_border(shape.batch, height, width, g.out_channels, call.quantised);
  for (auto _ : state) packed.run(call);
  count_operations(state, arrays);
}

// The gradient of the weight, as in training.
void bench_gradient(benchmark::State& state, const Shape& shape, bool in_fp16) {
  const ConvolutionGeometry& g = shape.geometry;
  Arrays arrays(shape);
  AlignedFloats result(arrays.weight.size());
  LinearGradientCall rows;
  WeightGradientCall tiles;
  rows.input = tiles.input = arrays.input.data();
  rows.output_gradient = tiles.output_gradient = arrays.output.data();
  rows.rows = static_cast<std::int64_t>(arrays.pixels);
  rows.in_features = tiles.in_channels = g.in_channels;
  rows.out_features = tiles.out_channels = g.out_channels;
  tiles.batch = shape.batch;
  tiles.height = shape.height;
  tiles.width = shape.width;
  rows.weight_gradient = tiles.weight_gradient = result.data();
  rows.in_fp16 = tiles.in_fp16 = in_fp16;
  for (auto _ : state) g.kernel == 1 ? linear_weight_gradient(rows) : convolution_weight_gradient(tiles);
  count_operations(state, arrays);
}

const int kRegistered = [] {
  for (const Shape& shape : kShapes) {
    const auto add = [&](const char* way, auto body) {
      benchmark::RegisterBenchmark((std::string("convolution/") + shape.name + "/" + way).c_str(), body)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    };
    if (PackedConvolution::winograd_fits(shape.geometry) || shape.geometry.kernel == 1) {
      add("gradient-f32", [=](auto& state) { bench_gradient(state, shape, false); });
      add("gradient-fp16", [=](auto& state) { bench_gradient(state, shape, true); });
    }
    for (const bool halves : {false, true}) {
      const auto way = [&](const char* f32, const char* bf16) { return halves ? bf16 : f32; };
      add(way("f32", "bf16"), [=](auto& state) { bench_floats(state, shape, ConvolutionMethod::direct, halves); });
      if (!PackedConvolution::winograd_fits(shape.geometry)) continue;
      add(way("f32-winograd", "bf16-winograd"),
          [=](auto& state) { bench_floats(state, shape, ConvolutionMethod::winograd, halves); });
    }
    add("int8", [=](auto& state) { bench_integers(state, shape, false); });
    add("int8-to-both", [=](auto& state) { bench_integers(state, shape, true); });
  }
  return 0;
}();

}  // namespace
}  // namespace fastermask
