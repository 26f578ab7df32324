// LibTorch's executor on the reference's small models.
#include "fastermask/training/torch_detector.h"
#include "parity/runtime/golden_detector.h"

namespace fastermask {
namespace {

class TorchDetector : public testing::TestWithParam<std::string> {};

TEST_P(TorchDetector, TwoPicturesAsOneBatchEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "", make_torch_detector);
}

TEST_P(TorchDetector, OnePictureAloneEqualsTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "_single", make_torch_detector);
}

INSTANTIATE_TEST_SUITE_P(Models, TorchDetector, golden_model::kModels, [](const auto& test) { return test.param; });

}  // namespace
}  // namespace fastermask
