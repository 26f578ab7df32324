// What carries gradients between processes: one of c10d's process groups, for --backend. All else that processes tell
// each other (counts, losses, results, checkpoints) goes through Gloo. Free of LibTorch, for the command line.
//
//   gloo    TCP; from and to the host's memory
//   nccl    NVIDIA's collectives, for cuda devices, in builds on a LibTorch that has them
//   mpi     MPI's, for processes that mpirun started, in builds on a LibTorch that has them
//   plugin  those of a library given with --plugin, for its devices (kPluginGroupFunction)
//   auto    nccl on cuda devices and plugin on a plug-in's devices where there is such a thing, else gloo
#pragma once

#include <string>

namespace fastermask {

// A library given with --plugin may export a process group for tensors on its devices, as a function of this name. c10d
// keeps a register of such groups only in Python. Vendors' libraries do not know the name: a library of a few lines
// that makes the vendor's group is loaded beside them (docs/distributed.md).
//
//   extern "C" void fastermask_make_process_group(const c10::intrusive_ptr<c10d::Store>* store, int rank,
//                                                 int world_size, long long timeout_milliseconds,
//                                                 c10::intrusive_ptr<c10d::ProcessGroup>* group);
//
// It sets *group, or throws. Of the group, allreduce() of one tensor is used, for floats and ints on the device, and
// getFuture() of what that returns; of the device's guard, c10's futures use events and the pool of streams. `store` is
// one that nobody else waits on.
constexpr const char* kPluginGroupFunction = "fastermask_make_process_group";

// Throws UsageError for a word that is none of these, and ConfigError, saying what there is and what to install, for
// what this build does not have.
void check_backend(const std::string& name);

// The one to take for tensors on `device`, as resolve_device() spells it: never "auto". To be called after plug-ins are
// loaded. Throws what check_backend() throws, and ConfigError for one that cannot carry what lies there.
std::string resolve_backend(const std::string& name, const std::string& device);

// What there is here: "gloo, nccl".
std::string backends_here();

}  // namespace fastermask
