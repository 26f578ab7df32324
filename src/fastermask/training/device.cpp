#include "fastermask/training/device.h"

#include <ATen/ATen.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/csrc/api/include/torch/version.h>

#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

// In the order in which "auto" prefers them.
constexpr at::DeviceType kAccelerators[] = {at::DeviceType::CUDA, at::DeviceType::PrivateUse1, at::DeviceType::XPU,
                                            at::DeviceType::HPU,  at::DeviceType::HIP,         at::DeviceType::MPS,
                                            at::DeviceType::XLA};

int device_count(at::DeviceType type) {
  if (type == at::DeviceType::CPU) return 1;
  if (!c10::impl::hasDeviceGuardImpl(type)) return 0;
  try {
    return c10::impl::getDeviceGuardImpl(type)->deviceCount();
  } catch (const std::exception&) {
    return 0;  // a backend that is built in, but finds no driver
  }
}

std::string name_of(at::DeviceType type) { return c10::DeviceTypeName(type, true); }

// LibTorch's device for a word like "cuda:1". "npu" stands for a plug-in's where LibTorch does not know it.
at::Device parse_device(const std::string& name) {
  try {
    return at::Device(name);
  } catch (const std::exception&) {
    if (name != "npu" && !starts_with(name, "npu:")) {
      fail<ConfigError>(
          "config: MODEL.DEVICE must be auto, cpu, cuda, cuda:0, npu, npu:0 or another of LibTorch's devices, "
          "got '{}'",
          name);
    }
  }
  return at::Device("privateuseone" + name.substr(3));
}

const char* advice(at::DeviceType type) {
  switch (type) {
    case at::DeviceType::CUDA:
      return "install NVIDIA's driver and build FasterMask on a LibTorch with CUDA (https://pytorch.org, or "
             "FASTERMASK's "
             "CMAKE_PREFIX_PATH pointing to it)";
    case at::DeviceType::PrivateUse1:
      return "name the vendor's LibTorch library with --plugin or in FASTERMASK_PLUGINS";
    default: return "use a LibTorch that has it, or name its library with --plugin or in FASTERMASK_PLUGINS";
  }
}

}  // namespace

std::vector<std::string> plugins_of_environment() {
  std::vector<std::string> libraries;
  const char* variable = std::getenv("FASTERMASK_PLUGINS");
  for (const std::string& library : split(variable == nullptr ? "" : variable, ':')) {
    if (!library.empty()) libraries.push_back(library);
  }
  return libraries;
}

void load_device_plugins(const std::vector<std::string>& libraries) {
  for (const std::string& library : libraries) {
    if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* reason = dlerror();
      fail("plugin: {} cannot be loaded: {}. It must be a shared library built for LibTorch {}", library,
           reason == nullptr ? "unknown reason" : reason, TORCH_VERSION);
    }
    log_info("engine.defaults", "Loaded {}: devices are now {}", library, devices_here());
  }
}

std::string devices_here() {
  std::vector<std::string> names = {"cpu"};
  for (const at::DeviceType type : kAccelerators) {
    const int count = device_count(type);
    if (count > 0) names.push_back(fmt::format("{} ({} device{})", name_of(type), count, count == 1 ? "" : "s"));
  }
  return join(names, ", ");
}

std::string resolve_device(const std::string& name, const std::vector<int>& device_ids, int local_rank) {
  at::Device device(at::kCPU);
  if (name == "auto") {
    for (const at::DeviceType type : kAccelerators) {
      if (device_count(type) == 0) continue;
      device = at::Device(type);
      break;
    }
  } else {
    device = parse_device(name);
  }
  if (device.is_cpu()) return "cpu";
  const int count = device_count(device.type());
  if (count == 0) {
    fail<ConfigError>("config: MODEL.DEVICE is {}, but there is none here; there is: {}. To train on it, {}", name,
                      devices_here(), advice(device.type()));
  }
  int index = device.has_index() ? device.index() : local_rank;
  if (!device.has_index() && !device_ids.empty()) {
    if (local_rank >= static_cast<int>(device_ids.size())) {
      fail<ConfigError>("train: --device-ids names {} devices, but this is process {} of the machine",
                        device_ids.size(), local_rank);
    }
    index = device_ids[static_cast<std::size_t>(local_rank)];
  }
  if (index >= count) {
    fail<ConfigError>(
        "config: MODEL.DEVICE is {}, which makes device {} that of process {}, but there is: {}; start fewer "
        "processes or name others with --device-ids",
        name, index, local_rank, devices_here());
  }
  return fmt::format("{}:{}", name_of(device.type()), index);
}

}  // namespace fastermask
