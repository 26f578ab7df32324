// LibTorch's executor on the reference's small models.
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/inference_executor.h"
#include "fastermask/training/rcnn.h"
#include "parity/runtime/golden_detector.h"

namespace fastermask {
namespace {

// A model on LibTorch, as training evaluates it.
struct TorchModel {
  explicit TorchModel(const Config& config) : rcnn(config, 0) {
    load_model_weights(config.model.weights, rcnn, {});
    detector = std::make_unique<Detector>(std::make_shared<TorchNetworkExecutor>(rcnn.network(), rcnn.parameters()),
                                          config);
  }
  std::vector<Detections> detect(const Batch& batch, NamedArrays* dump) { return detector->detect(batch, dump); }

  TrainableRcnn rcnn;
  std::unique_ptr<Detector> detector;
};

std::unique_ptr<TorchModel> make_torch_model(const Config& config) { return std::make_unique<TorchModel>(config); }

class TorchDetector : public testing::TestWithParam<std::string> {};

TEST_P(TorchDetector, TwoPicturesAsOneBatchEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "", make_torch_model);
}

TEST_P(TorchDetector, OnePictureAloneEqualsTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "_single", make_torch_model);
}

INSTANTIATE_TEST_SUITE_P(Models, TorchDetector, golden_model::kModels, [](const auto& test) { return test.param; });

}  // namespace
}  // namespace fastermask
