// Batches depend on the iteration alone, and bad pictures don't stop a run.
#include "fastermask/data/loader.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "fastermask/data/batch_plan.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/sampler.h"
#include "fastermask/data/synth.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing_support::message_of;
using testing_support::position_image;
using testing_support::TemporaryFolder;

// Pictures of different shapes, with one box each.
std::shared_ptr<Dataset> make_pictures(const TemporaryFolder& folder, int count) {
  auto dataset = std::make_shared<Dataset>();
  dataset->name = "pictures";
  dataset->class_names = {"a"};
  for (int i = 0; i < count; ++i) {
    ImageRecord record;
    record.id = 100 + i;
    record.height = 20 + i % 3;
    record.width = i % 2 == 0 ? 30 + i : 12;
    record.file_name = folder / fmt::format("{}.png", i);
    record.first_annotation = static_cast<std::uint32_t>(i);
    record.annotation_count = 1;
    std::ofstream(record.file_name, std::ios::binary)
        << encode_image(position_image(record.height, record.width), ImageFileKind::png);
    AnnotationRow row;
    row.xywh = {1, 2, 5, 6 + 0.5 * i};
    dataset->table.add(row, {}, {});
    dataset->records.push_back(record);
  }
  return dataset;
}

LoaderOptions small_options(int threads) {
  LoaderOptions options;
  options.batch_size = 3;
  options.threads = threads;
  options.seed = 5;
  options.mapper.augmentation.min_sizes = {24, 32};
  options.mapper.augmentation.flip = FlipMode::horizontal;
  options.mapper.augmentation.crop = CropMode::relative_range;
  return options;
}

// Everything in a batch, mixed into one number (FNV-1a).
std::uint64_t hash_of(const Batch& batch) {
  std::uint64_t hash = 14695981039346656037u;
  const auto mix = [&hash](const void* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
    }
  };
  mix(&batch.iteration, sizeof(batch.iteration));
  mix(batch.images.data(), batch.images.size() * sizeof(float));
  for (const ImageSize& size : batch.image_sizes) mix(&size, sizeof(size));
  for (const std::int64_t id : batch.image_ids) mix(&id, sizeof(id));
  for (const GroundTruth& truth : batch.ground_truths) mix(truth.boxes.data(), truth.boxes.size() * sizeof(Box));
  for (const bool flipped : batch.flipped) mix(&flipped, 1);
  return hash;
}

std::vector<std::uint64_t> hashes_of(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options, int count,
                                     std::int64_t first = 0) {
  TrainingLoader loader(std::move(dataset), options, first);
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < count; ++i) hashes.push_back(hash_of(loader.next()));
  return hashes;
}

TEST(TrainingLoader, TheStreamIsTheSameForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 11);
  const std::vector<std::uint64_t> expected = hashes_of(dataset, small_options(0), 20);
  EXPECT_NE(expected[0], expected[1]);
  for (const int threads : {1, 2, 8, 16})
    EXPECT_EQ(hashes_of(dataset, small_options(threads), 20), expected) << threads;
}

TEST(TrainingLoader, ARestartAnywhereContinuesTheStream) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 11);
  for (const double threshold : {0.0, 0.9}) {
    LoaderOptions options = small_options(2);
    options.repeat_threshold = threshold;
    const std::vector<std::uint64_t> all = hashes_of(dataset, options, 15);
    for (const int first : {1, 4, 9, 14}) {
      const std::vector<std::uint64_t> rest(all.begin() + first, all.end());
      EXPECT_EQ(hashes_of(dataset, options, 15 - first, first), rest) << first;
    }
  }
}

// Generated scenes through large-scale jitter, turns, colours and pasting.
TEST(TrainingLoader, TheStreamOfAnAugmentationListIsTheSameForAnyNumberOfThreadsAndAfterRestarts) {
  const TemporaryFolder folder;
  SynthOptions synth;
  synth.scene.size = {48, 64};
  synth.train_images = 9;
  synth.val_images = 1;
  const std::vector<std::string> files = write_synthetic_dataset(folder.path(), synth);
  const auto dataset = std::make_shared<const Dataset>(load_dataset(files[0] + ":" + (folder / "images/train")));
  LoaderOptions options;
  options.batch_size = 3;
  options.seed = 5;
  options.mapper.masks = true;
  options.mapper.augmentation.list = parse_augmentations(
      {"ResizeScale(0.1, 2.0, 64, 64)", "FixedSizeCrop((64, 64))", "RandomFlip()", "CopyPaste(prob=0.7)",
       "RandomApply([RandomRotation([-20, 20], False), RandomSaturation(0.5, 1.5), RandomContrast(0.5, 1.5)])"});
  for (const int sampler : {0, 1, 2}) {
    options.class_aware = sampler == 1;
    options.subset_ratio = sampler == 2 ? 0.6 : 1;
    options.threads = 0;
    const std::vector<std::uint64_t> expected = hashes_of(dataset, options, 12);
    for (const int threads : {1, 2, 8}) {
      options.threads = threads;
      EXPECT_EQ(hashes_of(dataset, options, 12), expected) << threads;
    }
    const std::vector<std::uint64_t> rest(expected.begin() + 5, expected.end());
    EXPECT_EQ(hashes_of(dataset, options, 7, 5), rest);
  }
}

TEST(TrainingLoader, PaddingOfTheCropIsNormalisedAndPaddingOfTheBatchIsZero) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 1);  // 20 x 30
  LoaderOptions options;
  options.mapper.augmentation.list = parse_augmentations({"FixedSizeCrop((40, 40), pad_value=128)"});
  options.pixel_mean = {1, 2, 3};
  options.pixel_std = {1, 1, 2};
  const Batch batch = TrainingLoader(dataset, options).next();
  ASSERT_EQ(batch.height, 64);
  ASSERT_EQ(batch.width, 64);
  EXPECT_EQ(batch.image_sizes[0], (ImageSize{40, 40}));
  const auto pixel = [&](int y, int x) { return batch.images.data() + (y * 64 + x) * 3; };
  EXPECT_EQ(pixel(5, 7)[0], 7 - 1);
  EXPECT_EQ(pixel(39, 39)[0], 128 - 1);
  EXPECT_EQ(pixel(5, 30)[2], (128 - 3) / 2.0f);
  EXPECT_EQ(pixel(5, 40)[0], 0);
  EXPECT_EQ(pixel(40, 5)[0], 0);
}

TEST(LoaderOptions, TakeListAndSamplerFromTheConfig) {
  Config config;
  config.solver.ims_per_batch = 4;
  config.input.format = "RGB";
  config.input.augmentations = {"RandomFlip(1)", "RandomLighting(3)"};
  config.dataloader.sampler_train = "ClassAwareSampler";
  config.dataloader.random_subset_ratio = 0.25;
  const LoaderOptions aware = make_training_loader_options(config, 32, 1);
  EXPECT_EQ(aware.mapper.augmentation.list.size(), 2u);
  EXPECT_TRUE(aware.mapper.augmentation.red_first);
  EXPECT_TRUE(aware.class_aware);
  EXPECT_EQ(aware.subset_ratio, 1);
  EXPECT_TRUE(make_inference_loader_options(config, 32).mapper.augmentation.list.empty());
  config.dataloader.sampler_train = "RandomSubsetTrainingSampler";
  EXPECT_EQ(make_training_loader_options(config, 32, 1).subset_ratio, 0.25);
  EXPECT_FALSE(make_training_loader_options(config, 32, 1).class_aware);
  config.model.load_proposals = true;
  EXPECT_NO_THROW(make_training_loader_options(config, 32, 1));
  config.input.augmentations.push_back("RandomRotation(5)");
  EXPECT_THAT(message_of<ConfigError>([&] { make_training_loader_options(config, 32, 1); }),
              HasSubstr("INPUT.AUGMENTATIONS[2]: RandomRotation: not supported together with MODEL.LOAD_PROPOSALS"));
}

TEST(TrainingLoader, RanksShareTheStreamWithoutOverlap) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 12);
  std::map<std::int64_t, int> seen;
  for (int rank = 0; rank < 2; ++rank) {
    LoaderOptions options = small_options(0);
    options.aspect_grouping = false;
    options.rank = rank;
    options.world_size = 2;
    TrainingLoader loader(dataset, options);
    for (int i = 0; i < 2; ++i) {
      for (const std::int64_t id : loader.next().image_ids) ++seen[id];
    }
  }
  EXPECT_EQ(seen.size(), 12u) << "one epoch";
}

TEST(TrainingLoader, AspectGroupingKeepsWideAndTallApart) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 11);
  TrainingLoader loader(dataset, small_options(1));
  for (int i = 0; i < 10; ++i) {
    const Batch batch = loader.next();
    EXPECT_EQ(batch.iteration, i);
    ASSERT_EQ(batch.size(), 3);
    const bool wide = batch.original_sizes[0].width > batch.original_sizes[0].height;
    for (const ImageSize& size : batch.original_sizes) EXPECT_EQ(size.width > size.height, wide);
    EXPECT_EQ(batch.height % 32, 0);
    EXPECT_EQ(batch.images.size(), 3u * static_cast<std::size_t>(batch.height * batch.width) * 3u);
  }
}

TEST(TrainingLoader, PixelsAreThoseOfTheAugmentedPicture) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 1);
  LoaderOptions options;
  options.mapper.augmentation.min_sizes = {0};
  options.pixel_mean = {1, 2, 3};
  options.pixel_std = {1, 1, 2};
  const Batch batch = TrainingLoader(dataset, options).next();
  ASSERT_EQ(batch.height, 32);
  ASSERT_EQ(batch.width, 32);
  const float* pixel = batch.images.data() + (5 * 32 + 7) * 3;
  EXPECT_EQ(pixel[0], 7 - 1);
  EXPECT_EQ(pixel[1], 5 - 2);
  EXPECT_EQ(pixel[2], (12 - 3) / 2.0f);
  EXPECT_EQ(batch.images[(5 * 32 + 31) * 3], 0) << "padding";
  EXPECT_EQ(batch.ground_truths[0].boxes[0], (Box{1, 2, 6, 8}));
}

TEST(TrainingLoader, ABadPictureIsReplacedTheSameWayEveryTime) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 12);
  std::ofstream(dataset->records[4].file_name) << "broken";
  std::vector<std::uint64_t> expected;
  for (const int threads : {0, 1, 4}) {
    TrainingLoader loader(dataset, small_options(threads));
    std::vector<std::uint64_t> hashes;
    for (int i = 0; i < 12; ++i) {
      const Batch batch = loader.next();
      for (const std::int64_t id : batch.image_ids) EXPECT_NE(id, 104);
      hashes.push_back(hash_of(batch));
    }
    if (expected.empty()) expected = hashes;
    EXPECT_EQ(hashes, expected) << threads;
  }
}

TEST(TrainingLoader, ABadPictureToPasteFromIsNamedAndPassedOver) {
  const TemporaryFolder folder;
  auto dataset = make_pictures(folder, 6);
  dataset->table = AnnotationTable();
  for (std::size_t i = 0; i < 6; ++i) {
    AnnotationRow row;
    row.xywh = {1, 2, 5, 6};
    row.kind = SegmentationKind::polygons;
    dataset->table.add(row, Polygons{{1, 2, 6, 2, 6, 8, 1, 8}}, {});
  }
  std::ofstream(dataset->records[3].file_name, std::ios::trunc) << "no picture";
  LoaderOptions options = small_options(0);
  options.max_bad_share = 0.2;
  options.mapper.masks = true;
  options.mapper.augmentation.list = parse_augmentations({"FixedSizeCrop((32, 32))", "CopyPaste(prob=1)"});
  const std::vector<std::uint64_t> expected = hashes_of(dataset, options, 10);
  options.threads = 2;
  EXPECT_EQ(hashes_of(dataset, options, 10), expected);
  options.max_bad_share = 0.1;  // one of six is too many
  EXPECT_THAT(message_of<DataError>([&] { hashes_of(dataset, options, 10); }), HasSubstr("3.png"));
}

TEST(TrainingLoader, TooManyBadPicturesStopTheRunAndAreNamed) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 10);
  std::filesystem::remove(dataset->records[4].file_name);
  std::ofstream(dataset->records[7].file_name) << "broken";
  const std::string message = message_of<DataError>([&] {
    TrainingLoader loader(dataset, small_options(2));
    for (int i = 0; i < 30; ++i) loader.next();
  });
  EXPECT_THAT(message, HasSubstr("4.png: no such file"));
  EXPECT_THAT(message, HasSubstr("7.png: not a JPEG, PNG or WebP file"));
  EXPECT_THAT(message,
              HasSubstr("at least 2 of 10 images of pictures cannot be used, more than the allowed share of 0.1"));
}

TEST(TrainingLoader, ADataSetOfOnlyBadPicturesEndsAtOnce) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 2);
  for (const ImageRecord& record : dataset->records) std::filesystem::remove(record.file_name);
  LoaderOptions options = small_options(2);
  options.max_bad_share = 1;
  EXPECT_THAT(message_of<DataError>([&] { TrainingLoader(dataset, options).next(); }), HasSubstr("no such file"));
}

TEST(TrainingLoader, MissingTargetsAreToldBeforeTheStart) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 2);
  LoaderOptions options = small_options(0);
  options.mapper.masks = true;
  EXPECT_THAT(message_of<DataError>([&] { TrainingLoader(dataset, options); }),
              HasSubstr("dataset: pictures: MODEL.MASK_ON is true, but no annotation has a segmentation"));
  options.mapper.masks = false;
  options.mapper.keypoints = true;
  EXPECT_THAT(message_of<DataError>([&] { TrainingLoader(dataset, options); }),
              HasSubstr("MODEL.KEYPOINT_ON is true, but no annotation has keypoints"));
}

TEST(TrainingLoader, AFixedSizeThatIsTooSmallIsAnError) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 4);
  LoaderOptions options = small_options(1);
  options.fixed_size = {64, 64};
  options.mapper.augmentation.max_size = 64;
  EXPECT_EQ(TrainingLoader(dataset, options).next().width, 64);
  options.fixed_size = {8, 64};
  EXPECT_THAT(message_of<DataError>([&] { TrainingLoader(dataset, options).next(); }),
              HasSubstr("pixels after resizing do not fit into INPUT.FIX_SHAPE 64x8 (width x height)"));
}

TEST(InferenceLoader, GoesOverTheImagesOnceInOrder) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 7);
  LoaderOptions options;
  options.mapper.augmentation.min_sizes = {24};
  options.batch_size = 2;
  for (const int threads : {0, 1, 4}) {
    options.threads = threads;
    InferenceLoader loader(dataset, options, 1, 6);
    EXPECT_EQ(loader.image_count(), 5);
    std::vector<std::int64_t> ids;
    Batch batch;
    while (loader.next(batch)) ids.insert(ids.end(), batch.image_ids.begin(), batch.image_ids.end());
    EXPECT_THAT(ids, testing::ElementsAre(101, 102, 103, 104, 105));
    EXPECT_FALSE(loader.next(batch));
  }
}

TEST(InferenceLoader, ShardsTogetherGoOverAllImagesOnceInOrder) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 7);
  std::vector<std::int64_t> ids;
  for (int rank = 0; rank < 3; ++rank) {
    const auto [begin, end] = inference_shard(7, rank, 3);
    LoaderOptions options;
    options.mapper.augmentation.min_sizes = {0};
    InferenceLoader loader(dataset, options, begin, end);
    Batch batch;
    while (loader.next(batch)) ids.insert(ids.end(), batch.image_ids.begin(), batch.image_ids.end());
  }
  EXPECT_EQ(ids, (std::vector<std::int64_t>{100, 101, 102, 103, 104, 105, 106}));
}

TEST(InferenceLoader, ABadPictureIsAnError) {
  const TemporaryFolder folder;
  const auto dataset = make_pictures(folder, 3);
  std::filesystem::remove(dataset->records[1].file_name);
  LoaderOptions options;
  options.threads = 2;
  options.mapper.augmentation.min_sizes = {24};
  EXPECT_THAT(message_of<DataError>([&] {
                InferenceLoader loader(dataset, options);
                Batch batch;
                while (loader.next(batch)) {
                }
              }),
              HasSubstr("1.png: no such file"));
}

TEST(LoaderOptions, FollowTheConfig) {
  Config config;
  config.solver.ims_per_batch = 8;
  config.model.mask_on = true;
  config.input.min_size_train = {640, 800};
  config.input.min_size_train_sampling = "range";
  config.input.fix_shape = {1344, 1000};
  config.input.crop.enabled = true;
  const LoaderOptions options = make_training_loader_options(config, 32, 9, 1, 4);
  EXPECT_EQ(options.batch_size, 2);
  EXPECT_EQ(options.rank, 1);
  EXPECT_TRUE(options.mapper.masks);
  EXPECT_TRUE(options.mapper.augmentation.min_size_range);
  EXPECT_EQ(options.mapper.augmentation.crop, CropMode::relative_range);
  EXPECT_EQ(options.mapper.augmentation.flip, FlipMode::horizontal);
  EXPECT_EQ(options.fixed_size, (ImageSize{1000, 1344}));
  EXPECT_EQ(make_inference_loader_options(config, 32).mapper.augmentation.flip, FlipMode::none);
  EXPECT_EQ(message_of<ConfigError>([&] { make_training_loader_options(config, 32, 9, 0, 3); }),
            "config: SOLVER.IMS_PER_BATCH must be a multiple of the 3 processes, got 8");
  config.model.pixel_mean = {1};
  EXPECT_EQ(message_of<ConfigError>([&] { make_inference_loader_options(config, 32); }),
            "config: MODEL.PIXEL_MEAN and MODEL.PIXEL_STD must have 3 values for INPUT.FORMAT BGR, got 1 and 3");
}

}  // namespace
}  // namespace fastermask
