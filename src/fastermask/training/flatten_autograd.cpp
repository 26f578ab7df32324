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
    context->saved_data["sizes"] = input.sizes();
    const at::Tensor map = channels_last(input);
    at::Tensor rows = at::empty({map.size(0), map.numel() / map.size(0)}, map.options());
    flatten_channels_first(map_shape(map.sizes()), map.data_ptr<float>(), rows.data_ptr<float>());
    return rows;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const std::vector<std::int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor rows = gradients[0].contiguous();
    at::Tensor map = at::empty(sizes, rows.options(), at::MemoryFormat::ChannelsLast);
    unflatten_channels_first(map_shape(sizes), rows.data_ptr<float>(), map.data_ptr<float>());
    return {map};
  }
};

}  // namespace

at::Tensor flatten_map(const at::Tensor& input) {
  const bool suits = input.is_cpu() && input.dim() == 4 && input.scalar_type() == at::kFloat && input.numel() > 0;
  return suits ? FlattenMap::apply(input) : at::flatten(input, 1);
}

}  // namespace fastermask
