// Process groups besides Gloo's: NCCL's, MPI's, a plug-in's. Apart, because of what their headers define.
#include <dlfcn.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/training/collectives.h"
#include "fastermask/training/process_group.h"

#ifdef FASTERMASK_NCCL
#ifndef USE_C10D_NCCL
#define USE_C10D_NCCL  // else ProcessGroupNCCL.hpp is empty
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#ifdef FASTERMASK_MPI
#ifndef USE_C10D_MPI
#define USE_C10D_MPI  // likewise
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupMPI.hpp>
#endif

namespace fastermask {
namespace {

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;
using GroupTimeout = std::chrono::milliseconds;

#ifdef FASTERMASK_NCCL
Group make_nccl_group(const c10::intrusive_ptr<c10d::Store>& store, const RankPlace& place, GroupTimeout timeout) {
  // Waits then end with an error past the time-out, having stopped NCCL's kernels, so that the parameters can still be
  // read and saved. Otherwise NCCL's watchdog would end the process without a word about who is missing.
  setenv("NCCL_BLOCKING_WAIT", "1", 0);
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);  // its later name
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, place.rank, place.world_size, options);
}
#endif

#ifdef FASTERMASK_MPI
Group make_mpi_group(const RankPlace& place) {
  const c10::intrusive_ptr<c10d::ProcessGroupMPI> group = c10d::ProcessGroupMPI::createProcessGroupMPI();
  const int rank = group ? group->getRank() : -1, size = group ? group->getSize() : 0;
  if (rank != place.rank || size != place.world_size) {
    fail<ConfigError>(
        "distributed: --backend mpi: this process is rank {} of {}, but rank {} of {} for MPI; start the processes "
        "with "
        "mpirun, without --num-procs",
        place.rank, place.world_size, rank, size);
  }
  return group;
}
#endif

Group make_plugin_group(const c10::intrusive_ptr<c10d::Store>& store, const RankPlace& place, GroupTimeout timeout) {
  using MakeGroup = void (*)(const c10::intrusive_ptr<c10d::Store>*, int, int, long long, Group*);
  const auto make = reinterpret_cast<MakeGroup>(dlsym(RTLD_DEFAULT, kPluginGroupFunction));
  FASTERMASK_CHECK(make != nullptr, "distributed: no plug-in exports {}", kPluginGroupFunction);
  Group group;
  make(&store, place.rank, place.world_size, timeout.count(), &group);
  FASTERMASK_CHECK(group, "distributed: the plug-in's {} made no process group", kPluginGroupFunction);
  return group;
}

Group make_group(const c10::intrusive_ptr<c10d::Store>& store, const RankPlace& place, GroupTimeout timeout) {
#ifdef FASTERMASK_NCCL
  if (place.backend == "nccl") return make_nccl_group(store, place, timeout);
#endif
#ifdef FASTERMASK_MPI
  if (place.backend == "mpi") return make_mpi_group(place);
#endif
  if (place.backend == "plugin") return make_plugin_group(store, place, timeout);
  fail<ConfigError>("distributed: --backend {} is not in this build; there is: {}", place.backend, backends_here());
}

}  // namespace

Group make_gradient_group(const c10::intrusive_ptr<c10d::Store>& store, const RankPlace& place, GroupTimeout timeout) {
  try {
    return make_group(c10::make_intrusive<c10d::PrefixStore>(store_prefix() + "gradients/" + place.backend, store),
                      place, timeout);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    fail("distributed: rank {}: --backend {} cannot be set up: {}", place.rank, place.backend,
         text.substr(0, text.find('\n')));
  }
}

}  // namespace fastermask
