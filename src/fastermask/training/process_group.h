// The c10d side of distributed.h. Internal to the training layer.
#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "fastermask/training/distributed.h"
#include "fastermask/training/parameter_store.h"

namespace fastermask {

// This process's place in the group; there must be one.
const RankPlace& own_place();

// The group of all processes; null for one process.
c10::intrusive_ptr<c10d::ProcessGroup> process_group();

// A second one, for norms: their sums come between the gradients' at moments of their own.
c10::intrusive_ptr<c10d::ProcessGroup> statistics_group();

// The one that averages gradients: process_group(), or that of place.backend (collectives.h), made when first asked
// for. A collective then. Throws ConfigError when the ranks were told of different ones.
c10::intrusive_ptr<c10d::ProcessGroup> gradient_group();

// A group of another kind than Gloo, for place.backend; connections are made with its first sum. Throws Error naming
// the backend and its reason, and for MPI ConfigError when mpirun did not start this process as that rank.
c10::intrusive_ptr<c10d::ProcessGroup> make_gradient_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                           const RankPlace& place, std::chrono::milliseconds timeout);

// A Gloo group called `name`. It listens at place.local_address, else GLOO_SOCKET_IFNAME's address, else the one from
// which this machine reaches place.address.
c10::intrusive_ptr<c10d::ProcessGroup> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                       const RankPlace& place, const std::string& name,
                                                       std::chrono::milliseconds timeout);

// Keys of a restarted training stay apart from those of the one before, where another program keeps the store.
std::string store_prefix();

// Counts a collective for distributed::traffic().
void add_traffic(double seconds, std::int64_t bytes);

// Averages gradients over the processes while backward() is still at work, in buckets: c10d's Reducer. Gradients
// on another device, where only Gloo can carry them, travel through the host, all at once after the backward pass.
class GradientReducer {
 public:
  explicit GradientReducer(const ParameterStore& parameters);
  ~GradientReducer();

  // To be called between forward and backward of the step's last batch.
  void expect(const at::Tensor& loss);

  // To be called after that backward pass.
  void finish();

  // To be called when that step has failed instead: nobody waits for its gradients any more.
  void abandon();

  // How the gradients of the last step travelled.
  struct Transfer {
    std::int64_t bytes = 0;  // of all buckets
    double seconds = 0;      // from the first bucket's start to the last one's end
    // Of these, after the last bucket had started: nothing but the network was at work, and on devices that run behind
    // the host what was left of the backward pass.
    double wait_seconds = 0;
  };
  Transfer last_transfer() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace fastermask
