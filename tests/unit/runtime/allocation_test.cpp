// In the steady state, networks run without allocating anything.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/config/load.h"
#include "fastermask/runtime/calibrate.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/initial_weights.h"
#include "support/allocation_count.h"

namespace fastermask {
namespace {

Config small_model(const std::vector<std::string>& more) {
  std::vector<std::string> words = {"MODEL.RESNETS.WIDTH_PER_GROUP", "16", "MODEL.RESNETS.RES2_OUT_CHANNELS", "32",
                                    "MODEL.RESNETS.STEM_OUT_CHANNELS", "16", "MODEL.FPN.OUT_CHANNELS", "32",
                                    "MODEL.ROI_BOX_HEAD.FC_DIM", "64", "MODEL.ROI_MASK_HEAD.CONV_DIM", "32",
                                    "MODEL.ROI_HEADS.NUM_CLASSES", "2", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0",
                                    "INPUT.MIN_SIZE_TEST", "96"};
  words.insert(words.end(), more.begin(), more.end());
  return load_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml", words);
}

std::vector<float> noise(std::int64_t count) {
  Random random(1, RandomPurpose::test);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

// What all parts of a network allocate when they are run again on inputs of the sizes they were run on.
std::int64_t allocations_when_warm(NetworkExecutor& executor) {
  struct Call {
    NetworkPart part;
    TensorShape shape;
    std::vector<float> input;
    std::vector<HostTensor> outputs;
  };
  std::vector<Call> calls;
  const auto add = [&](NetworkPart part, const TensorShape& shape) {
    calls.push_back({part, shape, noise(HostTensor{shape, nullptr, nullptr}.size()), {}});
  };
  add(NetworkPart::dense, {1, 96, 160, 3});
  add(NetworkPart::dense, {1, 128, 96, 3});
  add(NetworkPart::box_head, {100, 7, 7, 32});
  add(NetworkPart::mask_head, {10, 14, 14, 32});
  std::int64_t before = 0;
  for (int turn = 0; turn < 4; ++turn) {
    if (turn == 2) before = g_allocations;
    for (Call& call : calls) {
      executor.run(call.part, 0, {call.shape, call.input.data(), nullptr}, call.outputs);
      call.outputs.clear();
    }
  }
  EXPECT_GT(before, 0);
  return g_allocations - before;
}

class Allocation : public testing::TestWithParam<WeightPrecision> {
 protected:
  void SetUp() override {
    if (!kCountsAllocations) GTEST_SKIP() << "allocations cannot be counted in this build";
  }
};

TEST_P(Allocation, NoneInAWarmNetwork) {
  for (const bool with_norms : {false, true}) {
    const Config config = small_model({"MODEL.FPN.NORM", with_norms ? "GN" : ""});
    const Network network = build_network(config);
    NamedArrays weights = random_weights(network, 3, static_cast<double>(config.model.pixel_std.at(0)));
    for (const bool winograd : {true, false}) {
      std::shared_ptr<NetworkExecutor> executor;
      if (GetParam() == WeightPrecision::int8) {
        const ExamplePictures pictures{2, [](std::size_t) { return Image(96, 120); }};
        const CalibrationResult calibrated = calibrate(config, weights, pictures, RangeMethod::min_max);
        executor = make_integer_executor(
            config, compile_integer_network(config, weights, calibrated.quantisation, winograd));
      } else {
        executor = std::make_shared<CpuExecutor>(network, compile_weights(network, weights, {winograd, GetParam()}));
      }
      EXPECT_EQ(allocations_when_warm(*executor), 0) << "norms " << with_norms << ", winograd " << winograd;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, Allocation,
                         testing::Values(WeightPrecision::f32, WeightPrecision::bf16, WeightPrecision::int8),
                         [](const auto& precision) { return std::string(to_string(precision.param)); });

}  // namespace
}  // namespace fastermask
