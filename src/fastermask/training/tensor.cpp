#include "fastermask/training/tensor.h"

#include <cstring>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

at::ScalarType scalar_type_of(DType dtype) {
  switch (dtype) {
    case DType::float32: return at::kFloat;
    case DType::float64: return at::kDouble;
    case DType::float16: return at::kHalf;
    case DType::bfloat16: return at::kBFloat16;
    case DType::int64: return at::kLong;
    case DType::int32: return at::kInt;
    case DType::int16: return at::kShort;
    case DType::int8: return at::kChar;
    case DType::uint8: return at::kByte;
    case DType::boolean: return at::kBool;
  }
  fail("tensor: unknown element type");
}

DType dtype_of_scalar(at::ScalarType type) {
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int64, DType::int32,
                            DType::int16, DType::int8, DType::uint8, DType::boolean}) {
    if (scalar_type_of(dtype) == type) return dtype;
  }
  fail("tensor: element type {} has no array counterpart", at::toString(type));
}

}  // namespace

at::Tensor to_tensor(const NDArray& array) {
  const at::Tensor tensor = at::empty(array.shape, at::TensorOptions(scalar_type_of(array.dtype)));
  if (!array.bytes.empty()) std::memcpy(tensor.data_ptr(), array.bytes.data(), array.bytes.size());
  return tensor.dim() == 4 ? channels_last(tensor) : tensor;
}

NDArray to_array(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.detach().to(at::kCPU).contiguous();
  NDArray array(dtype_of_scalar(dense.scalar_type()), dense.sizes().vec());
  if (!array.bytes.empty()) std::memcpy(array.bytes.data(), dense.data_ptr(), array.bytes.size());
  return array;
}

at::Tensor view_nhwc(const float* data, std::int64_t batch, std::int64_t height, std::int64_t width,
                     std::int64_t channels) {
  // from_blob takes a mutable pointer; the callers only read.
  return at::from_blob(const_cast<float*>(data), {batch, height, width, channels}, at::TensorOptions(at::kFloat))
      .permute({0, 3, 1, 2});
}

at::Tensor channels_last(const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); }

Bf16* bf16_data(const at::Tensor& tensor) {
  static_assert(sizeof(Bf16) == sizeof(at::BFloat16));
  return reinterpret_cast<Bf16*>(tensor.data_ptr<at::BFloat16>());
}

at::Tensor to_tensor(const std::vector<std::int64_t>& values) {
  const at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kLong));
  if (!values.empty()) std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(std::int64_t));
  return tensor;
}

at::Tensor to_tensor(const std::vector<float>& values) {
  const at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kFloat));
  if (!values.empty()) std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(float));
  return tensor;
}

}  // namespace fastermask
