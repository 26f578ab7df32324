// Networks in int8: calibrated, near to their floats, the same from a package, and refused where something is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/config/load.h"
#include "fastermask/runtime/calibrate.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/initial_weights.h"
#include "fastermask/runtime/input_batch.h"
#include "fastermask/runtime/model_package.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Config int8_model(const std::string& name, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"MODEL.RESNETS.WIDTH_PER_GROUP", "16",
                                    "MODEL.RESNETS.RES2_OUT_CHANNELS", "32",
                                    "MODEL.RESNETS.STEM_OUT_CHANNELS", "16",
                                    "MODEL.FPN.OUT_CHANNELS", "32",
                                    "MODEL.ROI_BOX_HEAD.FC_DIM", "64",
                                    "MODEL.ROI_MASK_HEAD.CONV_DIM", "32",
                                    "MODEL.ROI_HEADS.NUM_CLASSES", "2",
                                    "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0",
                                    "MODEL.RPN.POST_NMS_TOPK_TEST", "50",
                                    "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS", "(16, 16)",
                                    "INPUT.MIN_SIZE_TEST", "96"};
  words.insert(words.end(), more.begin(), more.end());
  return load_config(name, words);
}

Image noise_picture(std::uint64_t seed) {
  Image image;
  image.height = 96;
  image.width = 120;
  image.channels = 3;
  Random random(seed, RandomPurpose::test);
  image.pixels.resize(96 * 120 * 3);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.uniform_int(256));
  return image;
}

ExamplePictures noise_pictures(std::size_t count) {
  return {count, [](std::size_t i) { return noise_picture(i + 1); }};
}

std::vector<HostTensor> run_dense(NetworkExecutor& executor, const Config& config) {
  const std::vector<Image> images = {noise_picture(99), noise_picture(98)};
  const Batch batch = make_input_batch(images, config, executor.network().size_divisibility);
  const HostTensor input{{2, batch.height, batch.width, 3}, batch.images.data(), nullptr};
  return executor.run(NetworkPart::dense, 0, input);
}

// The difference's share of the deviation from the mean.
double relative_noise(const HostTensor& got, const HostTensor& expected) {
  double noise = 0, sum = 0, squares = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double value = expected.data[i], difference = got.data[i] - value;
    noise += difference * difference;
    sum += value;
    squares += value * value;
  }
  return noise / std::max(squares - sum * sum / static_cast<double>(expected.size()), 1e-30);
}

void expect_equal(const std::vector<HostTensor>& got, const std::vector<HostTensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t o = 0; o < expected.size(); ++o) {
    ASSERT_EQ(got[o].shape, expected[o].shape);
    EXPECT_TRUE(std::equal(got[o].data, got[o].data + got[o].size(), expected[o].data)) << "output " << o;
  }
}

// Every kind of network: pyramids, dilation, a stage shared by heads, cascades, keypoints.
class Int8Networks : public testing::TestWithParam<const char*> {};

TEST_P(Int8Networks, StayNearTheirFloats) {
  Config config = int8_model(GetParam());
  const Network network = build_network(config);
  const NamedArrays weights = random_weights(network, 3, 57);
  const CalibrationResult calibrated = calibrate(config, weights, noise_pictures(3), RangeMethod::min_max);
  EXPECT_FALSE(calibrated.quantisation.layers.empty());
  for (const std::string& layer : calibrated.quantisation.layers) {
    EXPECT_THAT(layer, testing::Not(HasSubstr("stem")));
    EXPECT_THAT(layer, testing::Not(HasSubstr("predictor")));
  }
  EXPECT_EQ(calibrated.noise.size(), calibrated.quantisation.layers.size());
  for (std::size_t i = 1; i < calibrated.noise.size(); ++i)
    EXPECT_LE(calibrated.noise[i].noise, calibrated.noise[i - 1].noise);
  EXPECT_LT(calibrated.noise.front().noise, 0.02) << calibrated.noise.front().layer;
  EXPECT_GT(calibrated.noise.back().noise, 0) << "nothing was rounded";
  const IntegerNetwork compiled = compile_integer_network(config, weights, calibrated.quantisation);
  const auto integers = make_integer_executor(config, compiled);
  CpuExecutor floats(network, compile_weights(network, weights));
  const std::vector<HostTensor> expected = run_dense(floats, config), got = run_dense(*integers, config);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t o = 0; o < expected.size(); ++o)
    EXPECT_LT(relative_noise(got[o], expected[o]), 0.05) << network.dense.outputs[o].name;
  // Any number of threads computes the same.
  const int threads = num_threads();
  set_num_threads(threads == 1 ? 3 : 1);
  expect_equal(run_dense(*integers, config), got);
  set_num_threads(threads);
  // And all the way to detections.
  const std::vector<Image> images = {noise_picture(99)};
  const Detector detector(integers, config);
  EXPECT_GT(detector.detect(make_input_batch(images, config, network.size_divisibility))[0].size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Int8Networks,
    testing::Values("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml",
                    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml",
                    "COCO-Detection/faster_rcnn_R_50_DC5_1x.yaml",
                    "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml",
                    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml"),
    [](const auto& test) {
      std::string name = std::filesystem::path(test.param).stem().string();
      return name;
    });

class Int8 : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/int8";
    make_folders(folder_);
    config_ = int8_model("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml");
    weights_ = random_weights(build_network(config_), 3, 57);
    calibrated_ = calibrate(config_, weights_, noise_pictures(2), RangeMethod::percentile);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  Config config_;
  NamedArrays weights_;
  CalibrationResult calibrated_;
};

TEST_F(Int8, APackageRunsLikeTheNetworkItWasMadeOf) {
  const IntegerNetwork compiled = compile_integer_network(config_, weights_, calibrated_.quantisation);
  const std::string path = folder_ + "/int8.fmm", floats = folder_ + "/f32.fmm";
  save_model_package(path, config_, {{"nut", "bolt"}, {4, 9}}, compiled.weights, WeightPrecision::int8,
                     compiled.ranges);
  save_model_package(floats, config_, {{"nut", "bolt"}, {4, 9}}, compile_weights(build_network(config_), weights_));
  EXPECT_LT(std::filesystem::file_size(path), std::filesystem::file_size(floats) / 2);
  const ModelPackage package = load_model_package(path);
  EXPECT_EQ(package.precision, WeightPrecision::int8);
  CpuExecutor loaded(build_network(package.config), package.weights, package.ranges);
  expect_equal(run_dense(loaded, config_), run_dense(*make_integer_executor(config_, compiled), config_));
}

TEST_F(Int8, RangesThatAreMissingOrImpossibleAreRefused) {
  IntegerNetwork compiled = compile_integer_network(config_, weights_, calibrated_.quantisation);
  const std::string path = folder_ + "/damaged.fmm";
  const auto save = [&] {
    save_model_package(path, config_, {{"nut", "bolt"}, {4, 9}}, compiled.weights, WeightPrecision::int8,
                       compiled.ranges);
  };
  const int value = compiled.ranges.at("dense").begin()->first;
  compiled.ranges["dense"][value].zero = 200;
  save();
  EXPECT_THAT([&] { load_model_package(path); }, ThrowsMessage<WeightsError>(HasSubstr("an impossible range")));
  compiled.ranges["dense"][value] = {0.0f, 0};
  save();
  EXPECT_THAT([&] { load_model_package(path); }, ThrowsMessage<WeightsError>(HasSubstr("an impossible range")));
  compiled.ranges["dense"].erase(value);
  save();
  EXPECT_THAT([&] { make_package_detector(load_model_package(path)); },
              ThrowsMessage<WeightsError>(HasSubstr("the range of its input is missing")));
}

TEST_F(Int8, LayersLeftOutAreBf16) {
  Quantisation none = calibrated_.quantisation;
  none.layers.clear();
  const Network network = build_network(config_);
  CpuExecutor halves(network, compile_weights(network, weights_, {true, WeightPrecision::bf16, nullptr}));
  const auto executor = make_integer_executor(config_, compile_integer_network(config_, weights_, none));
  expect_equal(run_dense(*executor, config_), run_dense(halves, config_));
}

TEST_F(Int8, CalibrationNeedsPicturesThatReachEveryPart) {
  EXPECT_THAT([&] { calibrate(config_, weights_, noise_pictures(0), RangeMethod::min_max); },
              ThrowsMessage<DataError>(HasSubstr("no pictures")));
  Config strict = config_;
  strict.model.roi_heads.score_thresh_test = 1.5;  // nothing is found: no masks are made
  EXPECT_THAT([&] { calibrate(strict, weights_, noise_pictures(1), RangeMethod::min_max); },
              ThrowsMessage<DataError>(HasSubstr("no picture reached roi_heads.mask_head")));
}

TEST(IntegerLayers, LargeMapsStayWithWinograd) {
  const Config config = int8_model("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml");
  const Network network = build_network(config);
  const auto layers_on = [&](int side, bool winograd) {
    Calibration calibration(network);
    for (const Graph* graph : network.graphs()) {
      for (std::size_t v = 0; v < graph->layers.size(); ++v) {
        const int channels = std::max(1, graph->layers[v].out_channels);
        const std::vector<float> values(static_cast<std::size_t>(side * side * channels), 1.0f);
        calibration.observe(*graph, static_cast<int>(v), {1, side, side, channels}, values.data());
      }
    }
    return calibration.quantisation(RangeMethod::min_max, winograd).layers;
  };
  EXPECT_EQ(layers_on(110, true).count("backbone.fpn_output2"), 0u);
  EXPECT_EQ(layers_on(110, true).count("backbone.fpn_lateral2"), 1u);
  EXPECT_EQ(layers_on(110, false).count("backbone.fpn_output2"), 1u);
  EXPECT_EQ(layers_on(20, true).count("backbone.fpn_output2"), 1u);
}

// 99.98 % of normal numbers and a few far away.
class Ranges : public testing::Test {
 protected:
  Ranges() {
    Random random(5, RandomPurpose::test);
    std::vector<float> values(200000);
    for (float& value : values) value = static_cast<float>(random.normal());
    for (std::size_t i = 0; i < 10; ++i) values[i] = 100;
    histogram_.add(values.data(), static_cast<std::int64_t>(values.size()));
  }
  static float high(const ActivationRange& range) {
    return range.scale * static_cast<float>(kIntegerActivationMax - range.zero);
  }
  static float low(const ActivationRange& range) { return -range.scale * static_cast<float>(range.zero); }

  ValueHistogram histogram_;
};

TEST_F(Ranges, MinMaxHoldsEverything) {
  const ActivationRange range = histogram_.range(RangeMethod::min_max);
  EXPECT_NEAR(high(range), 100, 1);
  EXPECT_NEAR(low(range), -4.5, 1);
}

TEST_F(Ranges, PercentileLeavesOutTheFarthest) {
  const ActivationRange range = histogram_.range(RangeMethod::percentile);
  EXPECT_NEAR(high(range), 3.9, 0.6);
  EXPECT_NEAR(low(range), -3.7, 0.6);
}

TEST_F(Ranges, EntropyClipsWhatFewNumbersNeed) {
  const ActivationRange range = histogram_.range(RangeMethod::entropy);
  EXPECT_LT(high(range), 50);
  EXPECT_GT(high(range), 2);
}

TEST(ValueHistogram, ZeroIsAlwaysExactAndNothingIsFine) {
  for (const RangeMethod method : {RangeMethod::min_max, RangeMethod::percentile, RangeMethod::entropy}) {
    EXPECT_GT(ValueHistogram().range(method).scale, 0);
    ValueHistogram positive;
    const std::vector<float> values = {3, 4, 5, NAN, HUGE_VALF};
    positive.add(values.data(), 5);
    EXPECT_EQ(positive.count(), 3);
    const ActivationRange range = positive.range(method);
    EXPECT_EQ(range.zero, 0);
    EXPECT_GT(range.scale, 0);
    EXPECT_LE(range.scale, 5.1f / kIntegerActivationMax);
  }
  EXPECT_THROW(parse_range_method("mean"), Error);
}

}  // namespace
}  // namespace fastermask
