#include "fastermask/training/collectives.h"

#include <dlfcn.h>

#include <algorithm>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

#ifdef FASTERMASK_NCCL
constexpr bool kNcclBuilt = true;
#else
constexpr bool kNcclBuilt = false;
#endif
#ifdef FASTERMASK_MPI
constexpr bool kMpiBuilt = true;
#else
constexpr bool kMpiBuilt = false;
#endif

bool plugin_has_group() { return dlsym(RTLD_DEFAULT, kPluginGroupFunction) != nullptr; }

bool is_on(const std::string& device, const char* kind) {
  return device == kind || starts_with(device, std::string(kind) + ":");
}

void check_built(const std::string& name, bool built, const char* needs) {
  if (built) return;
  fail<ConfigError>(
      "train: --backend {} is not in this build; there is: {}. It needs {} where FasterMask is configured", name,
      backends_here(), needs);
}

}  // namespace

std::string backends_here() {
  std::vector<std::string> names = {"gloo"};
  if (kNcclBuilt) names.emplace_back("nccl");
  if (kMpiBuilt) names.emplace_back("mpi");
  if (plugin_has_group()) names.emplace_back("plugin");
  return join(names, ", ");
}

void check_backend(const std::string& name) {
  const std::vector<std::string> known = {"auto", "gloo", "nccl", "mpi", "plugin"};
  if (std::find(known.begin(), known.end(), name) == known.end())
    fail<UsageError>("train: --backend (FASTERMASK_BACKEND) must be auto, gloo, nccl, mpi or plugin, got '{}'", name);
  if (name == "nccl") {
    check_built(
        name, kNcclBuilt,
        "a LibTorch with CUDA and NCCL (https://pytorch.org; CMAKE_PREFIX_PATH pointing to it), the CUDA toolkit "
        "and nccl.h");
  }
  if (name == "mpi")
    check_built(name, kMpiBuilt, "a LibTorch built from source with USE_MPI, and MPI's compiler wrapper and mpi.h");
}

std::string resolve_backend(const std::string& name, const std::string& device) {
  check_backend(name);
  const bool host = is_on(device, "cpu"), cuda = is_on(device, "cuda");
  if (name == "auto") {
    if (cuda) return kNcclBuilt ? "nccl" : "gloo";
    return !host && plugin_has_group() ? "plugin" : "gloo";
  }
  if (name == "nccl" && !cuda) {
    fail<ConfigError>(
        "train: --backend nccl carries what lies on cuda devices, but this process computes on {}; take "
        "--backend auto",
        device);
  }
  if (name == "plugin" && !plugin_has_group()) {
    fail<ConfigError>(
        "train: --backend plugin needs a library, given with --plugin or in FASTERMASK_PLUGINS, that "
        "exports {}; there is: {}",
        kPluginGroupFunction, backends_here());
  }
  if (name == "plugin" && host) {
    fail<ConfigError>(
        "train: --backend plugin carries what lies on a plug-in's devices, but this process computes on "
        "the CPU; take --backend auto");
  }
  return name;
}

}  // namespace fastermask
