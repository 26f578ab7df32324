// Weights rounded to 7 bits and laid out as the integer product reads them.
#include <algorithm>
#include <cmath>
#include <memory>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/integer_convolution.h"

namespace fastermask {
namespace {

std::shared_ptr<AlignedFloats> zeros(std::size_t count) {
  auto floats = std::make_shared<AlignedFloats>(count);
  std::fill_n(floats->data(), count, 0.0f);
  return floats;
}

SharedFloats share(const std::shared_ptr<AlignedFloats>& floats) {
  return {std::shared_ptr<const float>(floats, floats->data()), floats->size()};
}

float rounded(float value, float scale) {
  const float limit = kIntegerWeightMax;
  return std::clamp(std::nearbyint(value / scale), -limit, limit);
}

// The scale, from the one that clips nothing down to half of it, whose rounding leaves the smallest squared error.
float best_scale(const std::vector<float>& filter) {
  float largest = 0;
  for (const float value : filter) largest = std::max(largest, std::fabs(value));
  if (!(largest > 0)) return 1;
  float best = largest / kIntegerWeightMax;
  double least = -1;
  for (int step = 0; step <= 20; ++step) {
    const float scale = largest * (1 - 0.025f * static_cast<float>(step)) / kIntegerWeightMax;
    double error = 0;
    for (const float value : filter) {
      const double difference = rounded(value, scale) * scale - value;
      error += difference * difference;
    }
    if (least >= 0 && error >= least) continue;
    least = error;
    best = scale;
  }
  return best;
}

}  // namespace

void IntegerConvolution::pack(const float* weight, const float* bias, const std::vector<float>& input_means) {
  const auto& g = geometry_;
  const int panels = panels_of(g.out_channels);
  const std::size_t channels = static_cast<std::size_t>(panels) * kIntegerPanelWidth;
  const auto phases = static_cast<std::size_t>(phases_);
  const auto bytes =
      std::make_shared<AlignedFloats>(static_cast<std::size_t>(panels) * phases * panel_bytes_ / sizeof(float));
  const auto scale = zeros(channels), sum = zeros(channels * phases), biases = zeros(channels);
  std::fill_n(scale->data(), channels, 1.0f);
  const int area = g.kernel * g.kernel;
  // Of output channel k: [c][ky * kernel + kx].
  const auto element = [&](int k, int c, int tap) {
    const std::ptrdiff_t filter = g.transposed ? static_cast<std::ptrdiff_t>(c) * g.out_channels + k
                                               : static_cast<std::ptrdiff_t>(k) * g.in_channels + c;
    return weight[filter * area + tap];
  };
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> filter(static_cast<std::size_t>(g.in_channels) * static_cast<std::size_t>(area));
    std::vector<std::int8_t> columns(static_cast<std::size_t>(kIntegerPanelWidth) * static_cast<std::size_t>(depth_));
    for (std::int64_t p = begin; p < end; ++p) {
      const int first = static_cast<int>(p) * kIntegerPanelWidth;
      const int count = std::min(kIntegerPanelWidth, g.out_channels - first);
      for (int k = first; k < first + count; ++k) {
        for (int c = 0; c < g.in_channels; ++c) {
          for (int tap = 0; tap < area; ++tap) filter[static_cast<std::size_t>(c * area + tap)] = element(k, c, tap);
        }
        const float s = best_scale(filter);
        double mean_error = 0;  // of a sum; of a transposed convolution, of the mean of its phases
        for (int c = 0; c < g.in_channels && !input_means.empty(); ++c) {
          double error = 0;
          for (int tap = 0; tap < area; ++tap) error += rounded(element(k, c, tap), s) * s - element(k, c, tap);
          mean_error += error * input_means[static_cast<std::size_t>(c)];
        }
        scale->data()[k] = s;
        biases->data()[k] = static_cast<float>((bias == nullptr ? 0.0 : bias[k]) - mean_error / phases_);
      }
      for (int phase = 0; phase < phases_; ++phase) {
        auto* panel = reinterpret_cast<std::int8_t*>(bytes->data()) +
                      static_cast<std::size_t>(phase * panels + static_cast<int>(p)) * panel_bytes_;
        for (int part = 0; part < parts_; ++part, panel += integer_panel_bytes(depth_)) {
          for (int n = 0; n < count; ++n) {
            float total = 0;
            for (int i = 0; i < depth_; ++i) {
              const int tap = g.transposed ? phase : part * (depth_ / g.in_channels) + i / g.in_channels;
              const float value = rounded(element(first + n, i % g.in_channels, tap), scale->data()[first + n]);
              columns[static_cast<std::size_t>(n * depth_ + i)] = static_cast<std::int8_t>(value);
              total += value;
            }
            sum->data()[static_cast<std::size_t>(phase) * channels + static_cast<std::size_t>(first + n)] += total;
          }
          pack_integer_panel(columns.data(), count, depth_, panel);
        }
      }
    }
  });
  weights_ = {share(bytes), share(scale), share(sum), share(biases)};
}

}  // namespace fastermask
