// The Predictor: one model, many threads, many sizes; streams; views of any layout.
#include "fastermask/embed/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/random.h"
#include "fastermask/config/load.h"
#include "fastermask/data/image_io.h"
#include "fastermask/embed/fastermask.h"
#include "fastermask/graph/network.h"
#include "fastermask/runtime/initial_weights.h"
#include "fastermask/runtime/model_package.h"
#include "support/allocation_count.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Image noise_picture(int height, int width, std::uint64_t seed) {
  Image image(height, width);
  Random random(seed, RandomPurpose::test);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(random.next_u32());
  return image;
}

PictureView view_of(const Image& image) { return {image.pixels.data(), image.height, image.width}; }

void expect_same(const std::vector<Instance>& a, const std::vector<Instance>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].x1, b[i].x1);
    EXPECT_EQ(a[i].y2, b[i].y2);
    EXPECT_EQ(a[i].score, b[i].score);
    EXPECT_EQ(a[i].class_index, b[i].class_index);
    EXPECT_EQ(a[i].mask.runs, b[i].mask.runs);
  }
}

// A model of random weights: it sees things everywhere.
class PredictorOfNoise : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = testing::TempDir() + "/predictor";
    make_folders(folder_);
    Config config =
        load_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml",
                    {"MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.RESNETS.RES2_OUT_CHANNELS", "16",
                     "MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.FPN.OUT_CHANNELS", "16",
                     "MODEL.ROI_BOX_HEAD.FC_DIM", "16", "MODEL.ROI_MASK_HEAD.CONV_DIM", "16",
                     "MODEL.ROI_HEADS.NUM_CLASSES", "2", "INPUT.MIN_SIZE_TEST", "96", "INPUT.MAX_SIZE_TEST", "160"});
    const Network network = build_network(config);
    save_model_package(model(), config, {{"nut", "bolt"}, {4, 9}},
                       compile_weights(network, random_weights(network, 3, 1)));
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }
  static std::string model() { return folder_ + "/model.fmm"; }
  static Predictor predictor() { return Predictor(model(), {0.05, 2}); }

  static std::string folder_;
};
std::string PredictorOfNoise::folder_;

TEST_F(PredictorOfNoise, AllocatesLittleMoreThanItReturns) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations cannot be counted in this build";
  const Predictor noise = predictor();
  const Image image = noise_picture(90, 120, 1);
  for (int i = 0; i < 3; ++i) noise.predict(view_of(image));
  const std::int64_t before = g_allocations;
  const std::vector<Instance> found = noise.predict(view_of(image));
  // The list, each instance's runs, and the soft mask they come from; the rest are lists of boxes and scores.
  EXPECT_LE(g_allocations - before, 300 + 2 * static_cast<std::int64_t>(found.size()));
}

TEST_F(PredictorOfNoise, FindsInstancesWithMasksOfThePicturesSize) {
  const Predictor model = predictor();
  const Image image = noise_picture(120, 150, 1);
  const std::vector<Instance> found = model.predict(view_of(image));
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(model.class_names(), (std::vector<std::string>{"nut", "bolt"}));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_GE(found[i].score, 0.05f);
    if (i > 0) EXPECT_LE(found[i].score, found[i - 1].score);
    EXPECT_LE(found[i].x2, 150.0f);
    EXPECT_EQ(found[i].mask.pixels().size(), 120u * 150u);
  }
}

TEST_F(PredictorOfNoise, ViewsOfAnyLayoutAreTheSamePicture) {
  const Predictor model = predictor();
  const Image image = noise_picture(90, 110, 2);
  const std::vector<Instance> expected = model.predict(view_of(image));
  std::vector<std::uint8_t> padded(90 * 400), swapped(image.pixels.size());
  for (int y = 0; y < 90; ++y) std::copy(image.row(y), image.row(y) + 330, padded.data() + y * 400);
  for (std::size_t i = 0; i < swapped.size(); ++i) swapped[i] = image.pixels[i / 3 * 3 + 2 - i % 3];
  expect_same(model.predict({padded.data(), 90, 110, PixelOrder::bgr, 400}), expected);
  expect_same(model.predict({swapped.data(), 90, 110, PixelOrder::rgb}), expected);
  write_image(folder_ + "/picture.png", image);
  expect_same(model.predict_file(folder_ + "/picture.png"), expected);
  const std::string bytes = read_file(folder_ + "/picture.png");
  expect_same(model.predict_encoded(bytes.data(), bytes.size()), expected);
}

TEST_F(PredictorOfNoise, TellsWhichKeypointsAreJoined) {
  EXPECT_TRUE(predictor().skeleton().empty());
  Config config =
      load_config("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml",
                  {"MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.RESNETS.RES2_OUT_CHANNELS", "16",
                   "MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.FPN.OUT_CHANNELS", "16",
                   "MODEL.ROI_BOX_HEAD.FC_DIM", "16", "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS", "[16]",
                   "MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS", "3", "INPUT.MIN_SIZE_TEST", "96", "INPUT.MAX_SIZE_TEST",
                   "160"});
  const Network network = build_network(config);
  const std::string path = folder_ + "/hand.fmm";
  save_model_package(path, config, {{"hand"}, {1}, {{0, 2}, {2, 1}}},
                     compile_weights(network, random_weights(network, 3, 1)));
  const Predictor model(path, {0.05, 2});
  EXPECT_EQ(model.skeleton(), (std::vector<std::pair<int, int>>{{0, 2}, {2, 1}}));
  const Image image = noise_picture(90, 110, 4);
  const std::vector<Instance> found = model.predict(view_of(image));
  ASSERT_FALSE(found.empty());
  for (const Instance& instance : found) EXPECT_EQ(instance.keypoints.size(), 3u);
}

TEST_F(PredictorOfNoise, FourThreadsGetTheSingleThreadsResults) {
  const Predictor model = predictor();
  std::vector<Image> images;
  std::vector<std::vector<Instance>> expected;
  for (int i = 0; i < 6; ++i) {
    images.push_back(noise_picture(60 + 17 * i, 140 - 13 * i, static_cast<std::uint64_t>(i)));
    expected.push_back(model.predict(view_of(images.back())));
  }
  std::vector<std::vector<std::vector<Instance>>> got(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 6; ++i) got[t].push_back(model.predict(view_of(images[(i + t) % 6])));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t i = 0; i < 6; ++i) expect_same(got[t][i], expected[(i + t) % 6]);
  }
}

TEST_F(PredictorOfNoise, StreamsKeepTheOrderAndTellErrors) {
  const Predictor model = predictor();
  PredictionStream stream(model, 1);
  std::vector<Image> images;
  std::vector<std::future<std::vector<Instance>>> results;
  for (int i = 0; i < 4; ++i) {
    images.push_back(noise_picture(80, 70 + 9 * i, static_cast<std::uint64_t>(i)));
    results.push_back(stream.push(view_of(images.back())));
  }
  for (std::size_t i = 0; i < 4; ++i) expect_same(results[i].get(), model.predict(view_of(images[i])));
  EXPECT_THAT([&] { stream.push({}); }, ThrowsMessage<Error>(HasSubstr("impossible picture")));
  EXPECT_THAT([&] { PredictionStream(model, 0); }, ThrowsMessage<Error>(HasSubstr("at least one")));
}

TEST_F(PredictorOfNoise, CInterfaceTellsWhatIsWrong) {
  EXPECT_EQ(fm_open("/no/such.fmm", 0.5, 0), nullptr);
  EXPECT_THAT(fm_last_error(), HasSubstr("/no/such.fmm"));
  EXPECT_EQ(fm_open(nullptr, 0.5, 0), nullptr);
  EXPECT_THAT(fm_last_error(), HasSubstr("NULL"));
  fm_predictor* model = fm_open(PredictorOfNoise::model().c_str(), 0.05, 2);
  ASSERT_NE(model, nullptr) << fm_last_error();
  EXPECT_EQ(fm_class_count(model), 2);
  EXPECT_STREQ(fm_class_name(model, 1), "bolt");
  EXPECT_EQ(fm_class_name(model, 2), nullptr);
  EXPECT_EQ(fm_predict(model, nullptr, 5, 5, 0, FM_BGR), nullptr);
  EXPECT_THAT(fm_last_error(), HasSubstr("impossible picture"));
  EXPECT_EQ(fm_predict_encoded(model, "no picture", 10), nullptr);
  const Image image = noise_picture(70, 90, 5);
  fm_result* result = fm_predict(model, image.pixels.data(), 70, 90, 0, FM_BGR);
  ASSERT_NE(result, nullptr);
  ASSERT_GT(fm_count(result), 0);
  fm_instance instance;
  ASSERT_EQ(fm_get(result, 0, &instance), 0);
  EXPECT_EQ(instance.category_id, instance.class_index == 0 ? 4 : 9);
  EXPECT_EQ(instance.has_mask, 1);
  std::vector<std::uint8_t> mask(70 * 90);
  EXPECT_EQ(fm_get_mask(result, 0, mask.data()), 0);
  const int size = fm_get_mask_rle(result, 0, nullptr, 0);
  std::vector<char> counts(static_cast<std::size_t>(size));
  EXPECT_EQ(fm_get_mask_rle(result, 0, counts.data(), counts.size()), size);
  EXPECT_EQ(counts.back(), '\0');
  EXPECT_LT(fm_get(result, fm_count(result), &instance), 0);
  fm_free_result(result);
  fm_free_result(nullptr);
  fm_close(model);
  fm_close(nullptr);
}

}  // namespace
}  // namespace fastermask
