#include "fastermask/training/layer_recorder.h"

#include <fmt/format.h>

namespace fastermask {

void LayerRecorder::record(const std::string& layer, const at::Tensor& output) {
  std::string name = layer;
  for (int run = 1; outputs_.count(name) != 0; ++run) name = fmt::format("{}:{}", layer, run);
  outputs_.emplace(name, to_array(output.detach()));
  if (!output.requires_grad()) return;
  output.register_hook([this, name](const at::Tensor& gradient) { gradients_[name] = to_array(gradient); });
}

}  // namespace fastermask
