// Times of the weights' gradients of a Mask R-CNN R50-FPN on two pictures of 640 x 800, in float32 and in 16 bits.
// `FLOP/s` counts the direct way's operations.
#include <benchmark/benchmark.h>

#include <string>

#include "fastermask/base/random.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/convolution_gradient.h"
#include "fastermask/kernels/linear_gradient.h"

namespace fastermask {
namespace {

struct GradientShape {
  const char* name;
  int kernel;  // 3, or 1 for a linear layer over all pixels
  int batch, height, width, in, out;
};

const GradientShape kGradientShapes[] = {
    {"fpn.output2", 3, 2, 160, 200, 256, 256}, {"fpn.output4", 3, 2, 40, 50, 256, 256},
    {"res3.conv2", 3, 2, 80, 100, 128, 128},   {"res5.conv2", 3, 2, 20, 25, 512, 512},
    {"mask_fcn", 3, 24, 14, 14, 256, 256},     {"res3.conv3", 1, 2, 80, 100, 128, 512},
    {"res4.conv1", 1, 2, 40, 50, 1024, 256},   {"fpn.lateral2", 1, 2, 160, 200, 256, 256},
    {"box_head.fc1", 1, 1024, 1, 1, 12544, 1024},
};

AlignedFloats gradient_values(std::size_t count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  AlignedFloats values(count);
  for (std::size_t i = 0; i < count; ++i) values.data()[i] = static_cast<float>(random.uniform(-1, 1));
  return values;
}

void bench_gradient(benchmark::State& state, const GradientShape& shape, bool in_16_bits) {
  const auto pixels = static_cast<std::size_t>(shape.batch * shape.height * shape.width);
  const auto in = static_cast<std::size_t>(shape.in), out = static_cast<std::size_t>(shape.out);
  const auto area = static_cast<std::size_t>(shape.kernel * shape.kernel);
  const AlignedFloats input = gradient_values(pixels * in, 1), gradient = gradient_values(pixels * out, 2);
  AlignedFloats result(in * out * area);
  for (auto _ : state) {
    if (shape.kernel == 3) {
      convolution_weight_gradient({input.data(), gradient.data(), shape.batch, shape.height, shape.width, shape.in,
                                   shape.out, result.data(), in_16_bits});
    } else {
      linear_weight_gradient({input.data(), gradient.data(), static_cast<std::int64_t>(pixels), shape.in, shape.out,
                              result.data(), in_16_bits});
    }
  }
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(pixels * in * out * area),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

const int kGradientsRegistered = [] {
  for (const GradientShape& shape : kGradientShapes) {
    for (const bool in_16_bits : {false, true}) {
      benchmark::RegisterBenchmark(
          (std::string("gradient/") + shape.name + (in_16_bits ? "/16_bits" : "/f32")).c_str(),
          [shape, in_16_bits](benchmark::State& state) { bench_gradient(state, shape, in_16_bits); })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
  return 0;
}();

}  // namespace
}  // namespace fastermask
