// The process group of host_device_plugin.cpp's devices, as a vendor's library would bring one: sums of what lies
// there, finished some time after they were asked for.
//   HOST_DEVICE_STALL=N  rank 1 stops, as by SIGSTOP, in its Nth sum, and the others wait for an hour
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // else ProcessGroupGloo.hpp is empty
#endif
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <csignal>
#include <cstdlib>
#include <utility>

#include "unit/training/host_device_memory.h"

namespace {

using Tensors = std::vector<at::Tensor>;

class HostDeviceWork : public c10d::Work {
 public:
  HostDeviceWork(c10::intrusive_ptr<c10d::Work> sum, const Tensors& tensors)
      : Work(-1, c10d::OpType::ALLREDUCE),
        sum_(std::move(sum)),
        future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()),
                                                         std::vector<c10::Device>{tensors[0].device()})) {
    sum_->getFuture()->addCallback([future = future_, tensors](c10::ivalue::Future& done) {
      if (done.hasError()) {
        future->setError(done.exception_ptr());
      } else {
        future->markCompleted(c10::IValue(tensors));
      }
    });
  }
  bool isCompleted() override { return future_->completed(); }
  bool wait(std::chrono::milliseconds timeout) override { return sum_->wait(timeout); }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }

 private:
  c10::intrusive_ptr<c10d::Work> sum_;
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

class HostDeviceGroup : public c10d::ProcessGroup {
 public:
  HostDeviceGroup(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, std::chrono::milliseconds timeout)
      : ProcessGroup(rank, size) {
    if (const char* stall = std::getenv("HOST_DEVICE_STALL")) {
      if (rank == 1) sums_before_stall_ = std::atoi(stall);
      timeout = std::chrono::hours(1);
    }
    const auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  }
  const std::string getBackendName() const override { return "host device"; }

  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    if (tensors.size() != 1 || tensors[0].is_cpu()) throw std::runtime_error("expected one tensor on the device");
    if (--sums_before_stall_ == 0) std::raise(SIGSTOP);
    Tensors views = {on_host(tensors[0])};
    return c10::make_intrusive<HostDeviceWork>(gloo_->allreduce(views, options), tensors);
  }

 private:
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  int sums_before_stall_ = -1;
};

}  // namespace

extern "C" void fastermask_make_process_group(const c10::intrusive_ptr<c10d::Store>* store, int rank, int world_size,
                                              long long timeout_milliseconds,
                                              c10::intrusive_ptr<c10d::ProcessGroup>* group) {
  *group =
      c10::make_intrusive<HostDeviceGroup>(*store, rank, world_size, std::chrono::milliseconds(timeout_milliseconds));
}
