#include "fastermask/training/flatten_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include "fastermask/kernels/feature_map.h"

namespace fastermask {
namespace {

FeatureMapShape map_shape(at::IntArrayRef sizes) {
  return {static_cast<int>(sizes[0]), static_cast<int>(sizes[2]), static_cast<int>(sizes[3]),
          static_cast<int>(sizes[1])};
}

class FlattenMap : public torch::autograd::Function<FlattenMap> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input) {
    const bool is_half = input.scalar_type() == at::kBFloat16;
    context->saved_data["sizes"] = input.sizes();
    context->saved_data["is_half"] = is_half;
    const at::Tensor map = channels_last(input);
    at::Tensor rows = at::empty({map.size(0), map.numel() / map.size(0)}, map.options().dtype(at::kFloat));
    if (is_half) {
      flatten_channels_first(map_shape(map.sizes()), bf16_data(map), rows.data_ptr<float>());
    } else {
      flatten_channels_first(map_shape(map.sizes()), map.data_ptr<float>(), rows.data_ptr<float>());
    }
    return rows;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const std::vector<std::int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor rows = gradients[0].contiguous();
    const bool is_half = context->saved_data["is_half"].toBool();
    at::Tensor map =
        at::empty(sizes, rows.options().dtype(is_half ? at::kBFloat16 : at::kFloat), at::MemoryFormat::ChannelsLast);
    if (is_half) {
      unflatten_channels_first(map_shape(sizes), rows.data_ptr<float>(), bf16_data(map));
    } else {
      unflatten_channels_first(map_shape(sizes), rows.data_ptr<float>(), map.data_ptr<float>());
    }
    return {map};
  }
};

}  // namespace

at::Tensor flatten_map(const at::Tensor& input) {
  const bool is_half = input.scalar_type() == at::kBFloat16;
  const bool suits = input.is_cpu() && input.dim() == 4 && (is_half || input.scalar_type() == at::kFloat);
  if (suits && input.numel() > 0) return FlattenMap::apply(input);
  return at::flatten(is_half ? input.to(at::kFloat) : input, 1);
}

}  // namespace fastermask
