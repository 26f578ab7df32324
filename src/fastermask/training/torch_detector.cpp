#include "fastermask/training/torch_detector.h"

#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/inference_executor.h"
#include "fastermask/training/memory.h"
#include "fastermask/runtime/supported.h"
#include "fastermask/training/threads.h"

namespace fastermask {
namespace {

// An executor that owns the model it runs.
class OwningExecutor : public NetworkExecutor {
 public:
  explicit OwningExecutor(std::unique_ptr<TrainableRcnn> model)
      : model_(std::move(model)), executor_(model_->network(), model_->parameters()) {}
  const Network& network() const override { return model_->network(); }
  std::vector<HostTensor> run(NetworkPart part, int stage, const HostTensor& input) override {
    return executor_.run(part, stage, input);
  }

 private:
  std::unique_ptr<TrainableRcnn> model_;
  TorchNetworkExecutor executor_;
};

}  // namespace

std::unique_ptr<Detector> make_torch_detector(const Config& config) {
  if (config.model.weights.empty()) {
    fail<WeightsError>("weights: none given; name a weight file with --weights or MODEL.WEIGHTS");
  }
  check_inference_supported(config);
  keep_freed_memory();
  use_compute_threads();
  auto model = std::make_unique<TrainableRcnn>(config, 0);
  load_model_weights(config.model.weights, *model, {});
  return std::make_unique<Detector>(std::make_shared<OwningExecutor>(std::move(model)), config);
}

}  // namespace fastermask
