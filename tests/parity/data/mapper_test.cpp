// Pictures, resized inputs and ground truth against what detectron2's DatasetMapper gives.
#include "fastermask/data/mapper.h"

#include <gtest/gtest.h>

#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/weights/npz.h"
#include "support/reference.h"

namespace fastermask {
namespace {

// [3, H, W] as interleaved pixels.
UninitialisedVector<std::uint8_t> interleave(const NDArray& planes) {
  const std::size_t size = static_cast<std::size_t>(planes.shape.at(1) * planes.shape.at(2));
  const std::uint8_t* data = planes.data<std::uint8_t>();
  UninitialisedVector<std::uint8_t> pixels(3 * size);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = data[(i % 3) * size + i / 3];
  return pixels;
}

std::shared_ptr<const Dataset> golden_pictures(const std::string& folder, const std::string& model) {
  return std::make_shared<const Dataset>(
      load_dataset(folder + "/golden/models/" + model + "/gt_coco.json:" + folder + "/golden/models"));
}

MapperOptions golden_mapper() {
  MapperOptions options;
  options.augmentation.min_sizes = {224};
  options.augmentation.max_size = 320;
  return options;
}

TEST(DecodeParity, AJpegDecodesToTheBytesThatPillowGives) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays golden = load_npz(folder + "/golden/j_resize.npz");
  const Image image = read_image(folder + "/golden/j_rocket.jpg", PixelFormat::rgb);
  const NDArray& expected = golden.at("decoded_rgb");
  ASSERT_EQ(image.height, expected.shape.at(0));
  ASSERT_EQ(image.width, expected.shape.at(1));
  const std::uint8_t* pixels = expected.data<std::uint8_t>();
  EXPECT_EQ(image.pixels, UninitialisedVector<std::uint8_t>(pixels, pixels + expected.size()));
}

class MapperParity : public testing::TestWithParam<const char*> {};

TEST_P(MapperParity, InputsAndGroundTruthAreThoseOfTheReferenceMapper) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string model = GetParam();
  const NamedArrays golden = load_npz(folder + "/golden/models/" + model + "/train_inputs.npz");
  const auto dataset = golden_pictures(folder, model);
  MapperOptions options = golden_mapper();
  options.masks = model.rfind("mask", 0) == 0 || model == "cascade_fpn";
  options.keypoints = model == "keypoint_fpn";
  for (std::size_t i = 0; i < 2; ++i) {
    Random random(1, RandomPurpose::augmentation);
    const TrainingSample sample = map_for_training(*dataset, dataset->records[i], options, random);
    const std::string suffix = "." + std::to_string(i);
    EXPECT_EQ(sample.image.pixels, interleave(golden.at("train_image" + suffix))) << model << " image " << i;
    const GroundTruth& truth = sample.ground_truth;
    const std::vector<float> boxes = golden.at("gt_boxes" + suffix).to_floats();
    ASSERT_EQ(truth.size() * 4, boxes.size());
    for (std::size_t k = 0; k < truth.size(); ++k) {
      EXPECT_EQ(truth.boxes[k], (Box{boxes[4 * k], boxes[4 * k + 1], boxes[4 * k + 2], boxes[4 * k + 3]})) << k;
    }
    const std::vector<std::int64_t> classes = golden.at("gt_classes" + suffix).to_integers();
    EXPECT_EQ(std::vector<std::int64_t>(truth.classes.begin(), truth.classes.end()), classes);
    if (!options.keypoints) continue;
    const std::vector<float> keypoints = golden.at("gt_keypoints" + suffix).to_floats();
    std::size_t at = 0;
    for (const auto& of_instance : truth.keypoints) {
      for (const Keypoint& keypoint : of_instance) {
        EXPECT_NEAR(keypoint.x, keypoints[at], 1e-4) << at;
        EXPECT_NEAR(keypoint.y, keypoints[at + 1], 1e-4) << at;
        EXPECT_EQ(keypoint.visibility, keypoints[at + 2]) << at;
        at += 3;
      }
    }
    EXPECT_EQ(at, keypoints.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, MapperParity,
                         testing::Values("mask_fpn", "mask_c4", "cascade_fpn", "keypoint_fpn", "faster_c4"));

TEST(InferenceParity, TheBatchTensorIsThatOfTheReference) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays golden = load_npz(folder + "/golden/models/mask_fpn/infer.npz");
  LoaderOptions options;
  options.mapper = golden_mapper();
  options.batch_size = 2;
  InferenceLoader loader(golden_pictures(folder, "mask_fpn"), options);
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  const NDArray& expected = golden.at("image_tensor");  // [2, 3, H, W]
  ASSERT_EQ(batch.height, expected.shape.at(2));
  ASSERT_EQ(batch.width, expected.shape.at(3));
  const std::size_t plane = static_cast<std::size_t>(batch.height) * static_cast<std::size_t>(batch.width);
  const float* values = expected.data<float>();
  float worst = 0;
  for (std::size_t i = 0; i < batch.images.size(); ++i) {
    const std::size_t image = i / (3 * plane);
    const std::size_t pixel = i % (3 * plane) / 3;
    worst = std::max(worst, std::abs(batch.images[i] - values[(image * 3 + i % 3) * plane + pixel]));
  }
  EXPECT_EQ(worst, 0);
}

// The counts that the reference's documentation gives for its pictures.
TEST(RealData, EverySetLoadsCompletely) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  struct Expected {
    const char* annotations;
    const char* images;
    std::size_t image_count, instances;
    int classes;
  };
  for (const Expected& set : {Expected{"coco/annotations/instances_train2017.json", "coco/train2017", 92, 829, 80},
                              Expected{"coco/annotations/instances_val2017.json", "coco/val2017", 66, 560, 80},
                              Expected{"nuclei/annotations/train.json", "nuclei/images", 531, 23137, 1},
                              Expected{"nuclei/annotations/val.json", "nuclei/images", 133, 5849, 1},
                              Expected{"nuclei/annotations/train_small.json", "nuclei/images", 100, 1857, 1},
                              Expected{"nuclei/annotations/val_small.json", "nuclei/images", 30, 501, 1},
                              Expected{"bccd/annotations/train.json", "bccd/images", 205, 2804, 3},
                              Expected{"bccd/annotations/val.json", "bccd/images", 87, 1137, 3},
                              Expected{"fruit_nuts/annotations/train.json", "fruit_nuts/images", 14, 127, 3},
                              Expected{"fruit_nuts/annotations/val.json", "fruit_nuts/images", 4, 38, 3}}) {
    const std::string root = folder + "/data/";
    const Dataset dataset = load_dataset(root + set.annotations + ":" + root + set.images);
    EXPECT_EQ(dataset.records.size(), set.image_count) << set.annotations;
    EXPECT_EQ(dataset.table.size(), set.instances) << set.annotations;
    EXPECT_EQ(dataset.num_classes(), set.classes) << set.annotations;
    for (const ImageRecord& record : dataset.records) ASSERT_EQ(read_image_size(record.file_name), record.size());
  }
}

}  // namespace
}  // namespace fastermask
