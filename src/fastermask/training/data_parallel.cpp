#include "fastermask/training/data_parallel.h"

#include "fastermask/training/distributed.h"

namespace fastermask {

void pad_to_largest(Batch& batch) {
  if (distributed::world_size() == 1) return;
  std::vector<double> size = {static_cast<double>(batch.height), static_cast<double>(batch.width)};
  distributed::maximum(size);
  const int height = static_cast<int>(size[0]), width = static_cast<int>(size[1]);
  if (height == batch.height && width == batch.width) return;
  at::Tensor padded = at::zeros({batch.size(), height, width, 3}, at::TensorOptions(at::kFloat));
  const at::Tensor images =
      at::from_blob(batch.images.data(), {batch.size(), batch.height, batch.width, 3}, at::TensorOptions(at::kFloat));
  padded.slice(1, 0, batch.height).slice(2, 0, batch.width).copy_(images);
  batch.images.assign(padded.data_ptr<float>(), padded.data_ptr<float>() + padded.numel());
  batch.height = height;
  batch.width = width;
}

std::vector<double> mean_losses(const StepLosses& step, double total) {
  std::vector<double> values;
  for (const NamedLoss& loss : step.losses) values.push_back(loss.value.item<double>() / distributed::world_size());
  values.push_back(total / distributed::world_size());
  distributed::sum(values);
  return values;
}

void place_in_batch(StepContext& context) {
  context.first_image = distributed::rank();
  context.image_step = distributed::world_size();
}

}  // namespace fastermask
