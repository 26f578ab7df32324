// The runtime's own executor on the reference's small models, the exact way and with Winograd's convolutions.
#include "fastermask/runtime/cpu_executor.h"
#include "parity/runtime/golden_detector.h"

namespace fastermask {
namespace {

std::unique_ptr<Detector> make_exact(const Config& config) { return make_cpu_detector(config, {false}); }
std::unique_ptr<Detector> make_fast(const Config& config) { return make_cpu_detector(config, {true}); }

class CpuDetector : public testing::TestWithParam<std::string> {};

TEST_P(CpuDetector, TwoPicturesAsOneBatchEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "", make_exact);
}

TEST_P(CpuDetector, OnePictureAloneEqualsTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "_single", make_exact);
}

TEST_P(CpuDetector, WinogradEqualsTheReferenceToo) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  golden_detector::expect_like_reference(reference, GetParam(), "", make_fast);
}

INSTANTIATE_TEST_SUITE_P(Models, CpuDetector, golden_model::kModels, [](const auto& test) { return test.param; });

}  // namespace
}  // namespace fastermask
