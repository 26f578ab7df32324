#include "fastermask/training/layer_recorder.h"

#include <fmt/format.h>

#include <cmath>

namespace fastermask {

std::string describe_non_finite(const NDArray& array) {
  const float* values = array.data<float>();
  std::int64_t bad = 0, first = -1;
  for (std::int64_t i = 0; i < array.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (first < 0) first = i;
    ++bad;
  }
  if (bad == 0) return "";
  return fmt::format("{}: {} of {} values are not finite, the first at {}: {}", to_string(array.shape), bad,
                     array.size(), first, values[first]);
}

void LayerKeeper::record(const std::string& layer, const at::Tensor& output) {
  std::string name = layer;
  for (int run = 1; outputs_.count(name) != 0; ++run) name = fmt::format("{}:{}", layer, run);
  outputs_.emplace(name, to_array(output.detach()));
  if (!output.requires_grad()) return;
  output.register_hook([this, name](const at::Tensor& gradient) { gradients_[name] = to_array(gradient); });
}

void NonFiniteFinder::record(const std::string& layer, const at::Tensor& output) {
  if (!found_.empty()) return;
  const std::string bad = describe_non_finite(to_array(output.detach()));
  if (!bad.empty()) found_ = fmt::format("output of {} {}", layer, bad);
  if (!bad.empty() || !output.requires_grad()) return;
  output.register_hook([this, layer](const at::Tensor& gradient) {
    if (!found_.empty()) return;
    const std::string bad_gradient = describe_non_finite(to_array(gradient));
    if (!bad_gradient.empty()) found_ = fmt::format("gradient at the output of {} {}", layer, bad_gradient);
  });
}

}  // namespace fastermask
