// The memory of host_device_plugin.cpp's devices: the host's, but at addresses that nobody else can read.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

// Beyond what a process may map: an address with this added is no address.
constexpr std::uintptr_t kHidden = std::uintptr_t{1} << 60;

inline char* hide(char* address) {
  return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(address) + kHidden);
}
inline char* reveal(void* address) {
  return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(address) - kHidden);
}

// The host's view of a tensor of either kind.
inline at::Tensor on_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(reveal(tensor.data_ptr()), tensor.sizes(), tensor.strides(),
                       tensor.options().device(at::kCPU).requires_grad(false));
}
