// Apart from distributed.cpp because the headers of Gloo's group and of the Reducer are large.
#include "fastermask/training/process_group.h"

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // else ProcessGroupGloo.hpp is empty
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <cstdlib>

namespace fastermask {
namespace {

// As torch.nn.parallel.DistributedDataParallel: a small first bucket starts communication early.
constexpr std::int64_t kFirstBucketBytes = 1 << 20;
constexpr std::int64_t kBucketBytes = 25 << 20;

bool is_loopback(const std::string& address) { return address == "localhost" || address.compare(0, 4, "127.") == 0; }

}  // namespace

c10::intrusive_ptr<c10d::ProcessGroup> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                       int world_size, const std::string& address,
                                                       std::chrono::milliseconds timeout) {
  const auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) {
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
  } else if (is_loopback(address)) {
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  } else {
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
  }
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, world_size, options);
}

struct GradientReducer::Implementation {
  std::unique_ptr<c10d::Reducer> reducer;
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
  const std::vector<bool> sparse(trained.size(), false);
  // Buckets in the order in which gradients come: from the last parameter to the first.
  std::vector<at::Tensor> reversed(trained.rbegin(), trained.rend());
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      reversed, {static_cast<std::size_t>(kFirstBucketBytes), static_cast<std::size_t>(kBucketBytes)}, sparse);
  for (auto& bucket : buckets) {
    for (std::size_t& index : bucket) index = trained.size() - 1 - index;
  }
  // Parameters may be without a gradient (a keypoint head without keypoints), hence find_unused_parameters.
  implementation_->reducer = std::make_unique<c10d::Reducer>(trained, buckets, limits, process_group(), sparse,
                                                             kBucketBytes, true, false, names, kFirstBucketBytes);
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::expect(const at::Tensor& loss) {
  implementation_->reducer->prepare_for_forward();
  implementation_->reducer->prepare_for_backward({loss});
}

}  // namespace fastermask
