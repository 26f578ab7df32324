// Apart from distributed.cpp because the headers of Gloo's group and of the Reducer are large.
#include "fastermask/training/process_group.h"

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // else ProcessGroupGloo.hpp is empty
#endif
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <cstdlib>
#include <mutex>

#include "fastermask/training/gradient_watch.h"

namespace fastermask {
namespace {

using TransferClock = std::chrono::steady_clock;

// As torch.nn.parallel.DistributedDataParallel: a small first bucket starts communication early.
constexpr std::int64_t kFirstBucketBytes = 1 << 20;
constexpr std::int64_t kBucketBytes = 25 << 20;

// How much longer than the time-out gradients may be away: who reports it by himself says more.
constexpr std::chrono::milliseconds kBeyondTimeout{4000};

// This machine's address on the way to `host`: a UDP socket finds the route without sending anything. "" when there is
// none. (The address of this machine's own name, which Gloo would take, is 127.0.1.1 on Debian.)
std::string address_towards(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), "9", &hints, &found) != 0 || found == nullptr) return "";
  char text[NI_MAXHOST] = "";
  const int socket_number = socket(found->ai_family, SOCK_DGRAM, 0);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (socket_number >= 0 && connect(socket_number, found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(socket_number, reinterpret_cast<sockaddr*>(&own), &size) == 0) {
    getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  }
  if (socket_number >= 0) close(socket_number);
  freeaddrinfo(found);
  return text;
}

// What happens to the buckets of one step. Buckets end on the group's threads.
struct TransferLog {
  std::mutex mutex;
  TransferClock::time_point first_start, last_start, end;
  std::int64_t bytes = 0;
  std::vector<c10::intrusive_ptr<c10d::Work>> on_device;  // under way there, for all that the host knows
  std::unique_ptr<GradientWatch> watch;                   // null with Gloo

  // Waits until devices have all sums. Throws when a rank does not answer, as far as the process group notices.
  void await_device() {
    std::vector<c10::intrusive_ptr<c10d::Work>> works;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      works.swap(on_device);
    }
    for (const auto& work : works) work->wait();
    if (watch != nullptr) watch->disarm();
    const std::lock_guard<std::mutex> lock(mutex);
    if (!works.empty()) end = TransferClock::now();
  }
};

// Averages a bucket; on the way it looks at the clock.
class AveragingHook : public c10d::CommHookInterface {
 public:
  explicit AveragingHook(std::shared_ptr<TransferLog> log) : log_(std::move(log)) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    const at::Tensor buffer = bucket.getBufferRef();
    if (log_->watch != nullptr) log_->watch->arm();
    {
      const std::lock_guard<std::mutex> lock(log_->mutex);
      log_->last_start = TransferClock::now();
      if (bucket.getIndex() == 0) {
        log_->first_start = log_->last_start;
        log_->bytes = 0;
      }
      log_->bytes += static_cast<std::int64_t>(buffer.nbytes());
    }
    std::vector<at::Tensor> tensors = {buffer};
    const auto group = gradient_group();
    const double factor = 1.0 / group->getSize();
    const auto work = group->allreduce(tensors);
    if (!buffer.is_cpu()) {
      const std::lock_guard<std::mutex> lock(log_->mutex);
      log_->on_device.push_back(work);
    }
    // On a device, `then` may come at once: what it does is queued behind the sum, as is what reads the result.
    return work->getFuture()->then(
        [log = log_, buffer, factor](c10::ivalue::Future& done) -> c10::IValue {
          if (done.hasError()) std::rethrow_exception(done.exception_ptr());
          at::Tensor result = buffer;
          result.mul_(factor);
          const std::lock_guard<std::mutex> lock(log->mutex);
          log->end = TransferClock::now();
          return result;
        },
        c10::TensorType::get());
  }

  at::Tensor parseHookResult(const c10::IValue& result) override { return result.toTensor(); }

 private:
  std::shared_ptr<TransferLog> log_;
};

}  // namespace

c10::intrusive_ptr<c10d::ProcessGroup> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                       const RankPlace& place, const std::string& name,
                                                       std::chrono::milliseconds timeout) {
  const auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  const std::string address = !place.local_address.empty() ? place.local_address
                              : interface != nullptr       ? ""
                                                           : address_towards(place.address);
  if (!address.empty()) {
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
  } else if (interface != nullptr) {
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
  } else {
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
  }
  return c10::make_intrusive<c10d::ProcessGroupGloo>(
      c10::make_intrusive<c10d::PrefixStore>(store_prefix() + name, store), place.rank, place.world_size, options);
}

struct GradientReducer::Implementation {
  std::unique_ptr<c10d::Reducer> reducer;  // null when gradients on a device travel through the host
  std::vector<at::Tensor> parameters;      // then
  std::shared_ptr<TransferLog> log = std::make_shared<TransferLog>();
};

GradientReducer::GradientReducer(const ParameterStore& parameters)
    : implementation_(std::make_unique<Implementation>()) {
  std::vector<at::Tensor> trained;
  std::unordered_map<std::size_t, std::string> names;
  for (const StoredParameter& stored : parameters.all()) {
    if (!stored.info.trainable) continue;
    names[trained.size()] = stored.info.name;
    trained.push_back(stored.tensor);
  }
  const auto group = gradient_group();
  const bool by_gloo = group == process_group();
  if (!trained.empty() && !trained[0].is_cpu() && by_gloo) {
    implementation_->parameters = trained;
    return;
  }
  if (!by_gloo) {
    const RankPlace& place = own_place();
    const std::chrono::milliseconds timeout(static_cast<std::int64_t>(place.timeout_seconds * 1000));
    implementation_->log->watch = std::make_unique<GradientWatch>(place.backend, timeout + kBeyondTimeout);
  }
  const std::vector<bool> sparse(trained.size(), false);
  // Buckets in the order in which gradients come: from the last parameter to the first.
  std::vector<at::Tensor> reversed(trained.rbegin(), trained.rend());
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      reversed, {static_cast<std::size_t>(kFirstBucketBytes), static_cast<std::size_t>(kBucketBytes)}, sparse);
  for (auto& bucket : buckets) {
    for (std::size_t& index : bucket) index = trained.size() - 1 - index;
  }
  // Parameters may be without a gradient (a keypoint head without keypoints), hence find_unused_parameters.
  implementation_->reducer = std::make_unique<c10d::Reducer>(trained, buckets, limits, group, sparse, kBucketBytes,
                                                             true, false, names, kFirstBucketBytes);
  implementation_->reducer->register_comm_hook(std::make_unique<AveragingHook>(implementation_->log));
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::expect(const at::Tensor& loss) {
  if (implementation_->reducer == nullptr) return;
  implementation_->reducer->prepare_for_forward();
  implementation_->reducer->prepare_for_backward({loss});
}

void GradientReducer::finish() {
  if (implementation_->reducer != nullptr) {
    implementation_->log->await_device();
    return;
  }
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (const at::Tensor& parameter : implementation_->parameters)
    parts.push_back((parameter.grad().defined() ? parameter.grad() : at::zeros_like(parameter)).to(at::kCPU).flatten());
  TransferLog& log = *implementation_->log;
  std::vector<at::Tensor> all = {at::cat(parts)};
  log.bytes = static_cast<std::int64_t>(all[0].nbytes());
  log.first_start = log.last_start = TransferClock::now();
  process_group()->allreduce(all)->wait();
  log.end = TransferClock::now();
  all[0].div_(process_group()->getSize());
  std::int64_t position = 0;
  for (at::Tensor& parameter : implementation_->parameters) {
    const at::Tensor sum = all[0].slice(0, position, position + parameter.numel()).view(parameter.sizes());
    position += parameter.numel();
    parameter.mutable_grad() = sum.to(parameter.device());
  }
}

void GradientReducer::abandon() {
  TransferLog& log = *implementation_->log;
  if (log.watch != nullptr) log.watch->disarm();
  const std::lock_guard<std::mutex> lock(log.mutex);
  log.on_device.clear();
}

GradientReducer::Transfer GradientReducer::last_transfer() const {
  const TransferLog& log = *implementation_->log;
  const auto seconds = [](TransferClock::time_point from, TransferClock::time_point to) {
    return std::max(0.0, std::chrono::duration<double>(to - from).count());
  };
  return {log.bytes, seconds(log.first_start, log.end), seconds(log.last_start, log.end)};
}

}  // namespace fastermask
