#include "fastermask/training/row_loops.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

constexpr std::int64_t kRowsTogether = 64;  // whose sum is one term of the next: errors grow with 64 + M / 64 terms
constexpr std::int64_t kChunk = 32 * kRowsTogether;  // of rows, summed by one thread
constexpr std::int64_t kGrain = 1 << 14;  // numbers, below which more threads do not pay

// sums[c] = sum of chunk[m][c] over m < rows.
void sum_chunk(const float* chunk, std::int64_t rows, std::int64_t columns, float* sums) {
  std::array<float, kRowsTogether> ones;
  ones.fill(1.0f);
  std::array<const float*, kRowsTogether> sources;
  std::vector<float> some(static_cast<std::size_t>(columns));
  const auto n = static_cast<std::ptrdiff_t>(columns);
  for (std::int64_t first = 0; first < rows; first += kRowsTogether) {
    const std::int64_t count = std::min(kRowsTogether, rows - first);
    for (std::int64_t i = 0; i < count; ++i) sources[static_cast<std::size_t>(i)] = chunk + (first + i) * columns;
    row_ops().weighted_sum(sources.data(), ones.data(), static_cast<int>(count), n, false, some.data());
    const float* const term = some.data();
    row_ops().weighted_sum(&term, ones.data(), 1, n, first > 0, sums);
  }
}

at::Tensor multiply_each_row(const at::Tensor& rows, const at::Tensor& scale) {
  const at::Tensor from = rows.contiguous(), factors = scale.contiguous();
  at::Tensor result = at::empty_like(from);
  const std::int64_t count = from.size(0), length = from.numel() / std::max<std::int64_t>(count, 1);
  const float* const in = from.data_ptr<float>();
  const float* const factor = factors.data_ptr<float>();
  float* const out = result.data_ptr<float>();
  parallel_for(0, count, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(length, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   const float* const row = in + k * length;
                   row_ops().weighted_sum(&row, factor + k, 1, static_cast<std::ptrdiff_t>(length), false,
                                          out + k * length);
                 }
               });
  return result;
}

class ScaledRows : public torch::autograd::Function<ScaledRows> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& weight,
                            const at::Tensor& scale) {
    context->save_for_backward({scale});
    return multiply_each_row(weight, scale);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {multiply_each_row(gradients[0], context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor column_sums(const at::Tensor& rows) {
  const at::Tensor values = rows.contiguous();
  const std::int64_t count = values.size(0), columns = values.size(1);
  at::Tensor result = at::zeros({columns}, values.options().requires_grad(false));
  if (values.numel() == 0) return result;
  const std::int64_t chunks = (count + kChunk - 1) / kChunk;
  const float* const in = values.data_ptr<float>();
  if (chunks == 1) {
    sum_chunk(in, count, columns, result.data_ptr<float>());
    return result;
  }
  const at::Tensor parts = at::empty({chunks, columns}, result.options());
  float* const sums = parts.data_ptr<float>();
  parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      sum_chunk(in + i * kChunk * columns, std::min(kChunk, count - i * kChunk), columns, sums + i * columns);
  });
  sum_chunk(sums, chunks, columns, result.data_ptr<float>());
  return result;
}

at::Tensor scaled_rows(const at::Tensor& weight, const at::Tensor& scale) { return ScaledRows::apply(weight, scale); }

}  // namespace fastermask
