// Sampling streams as functions of the position.
#include "fastermask/data/sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "fastermask/data/dataset.h"
#include "fastermask/data/preprocess.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing_support::message_of;

TEST(TrainingSampler, EveryEpochIsAnotherOrderOfAllImages) {
  const TrainingSampler sampler(20, 7);
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> second;
  for (std::int64_t p = 0; p < 20; ++p) first.push_back(sampler.index_at(p));
  for (std::int64_t p = 20; p < 40; ++p) second.push_back(sampler.index_at(p));
  EXPECT_NE(first, second);
  EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()).size(), 20u);
  EXPECT_EQ(std::set<std::int64_t>(second.begin(), second.end()).size(), 20u);
  EXPECT_NE(TrainingSampler(20, 8).index_at(0) * 400 + TrainingSampler(20, 8).index_at(1) * 20,
            first[0] * 400 + first[1] * 20);
}

TEST(TrainingSampler, AnyPositionCanBeAskedForInAnyOrder) {
  const TrainingSampler sampler(13, 1);
  std::map<std::int64_t, std::int64_t> forward;
  for (std::int64_t p = 0; p < 60; ++p) forward[p] = sampler.index_at(p);
  for (std::int64_t p = 59; p >= 0; p -= 7) EXPECT_EQ(sampler.index_at(p), forward[p]);
  const TrainingSampler plain(13, 1, false);
  EXPECT_EQ(plain.index_at(15), 2);
}

TEST(TrainingSampler, RepeatedImagesComeAsOftenAsTheirFactorSays) {
  const TrainingSampler sampler(std::vector<double>{1, 2.25, 3}, 4);
  std::map<std::int64_t, int> seen;
  for (std::int64_t p = 0; p < 6250; ++p) ++seen[sampler.index_at(p)];
  EXPECT_NEAR(seen[0], 1000, 20);
  EXPECT_NEAR(seen[1], 2250, 60);
  EXPECT_NEAR(seen[2], 3000, 40);
  const TrainingSampler again(std::vector<double>{1, 2.25, 3}, 4);
  EXPECT_EQ(again.index_at(3000), sampler.index_at(3000)) << "the same after going back";
}

TEST(TrainingSampler, WrongSizesAreRefused) {
  EXPECT_EQ(message_of<Error>([] { TrainingSampler(0, 1); }),
            "sampler: the data set must hold at least one image, got 0");
  EXPECT_EQ(message_of<Error>([] { TrainingSampler(std::vector<double>{0.5}, 1); }),
            "sampler: repeat factors must be at least 1, got 0.5");
  EXPECT_EQ(message_of<Error>([] { TrainingSampler(3, 1).index_at(-1); }),
            "sampler: position must not be negative, got -1");
  EXPECT_EQ(message_of<Error>([] { inference_shard(3, 2, 2); }), "sampler: rank 2 of 2 processes");
}

TEST(RepeatFactors, RareClassesDecide) {
  // 4 images; class 0 in all, class 1 in one: with threshold 0.5 its factor is sqrt(0.5 / 0.25).
  Dataset dataset;
  dataset.class_names = {"a", "b"};
  for (std::uint32_t i = 0; i < 4; ++i) {
    ImageRecord record;
    record.first_annotation = static_cast<std::uint32_t>(dataset.table.size());
    record.annotation_count = i == 2 ? 2 : 1;
    dataset.records.push_back(record);
    dataset.table.add(AnnotationRow(), {}, {});
    if (i == 2) {
      AnnotationRow rare;
      rare.category = 1;
      dataset.table.add(rare, {}, {});
    }
  }
  const std::vector<double> repeats = repeat_factors(dataset, 0.5);
  EXPECT_DOUBLE_EQ(repeats[0], 1);
  EXPECT_DOUBLE_EQ(repeats[2], std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(repeat_factors(dataset, 0.5, false)[2], 2);
}

TEST(RandomSubsetSampler, KeepsToTheSamePartInEveryEpoch) {
  const RandomSubsetSampler sampler(20, 0.37, 5);
  std::set<std::int64_t> subset;
  std::vector<std::vector<std::int64_t>> epochs(3);
  for (std::int64_t p = 0; p < 21; ++p) {
    epochs[static_cast<std::size_t>(p / 7)].push_back(sampler.index_at(p));
    subset.insert(sampler.index_at(p));
  }
  EXPECT_EQ(subset.size(), 7u);
  EXPECT_NE(epochs[0], epochs[1]);
  for (const auto& epoch : epochs) EXPECT_EQ(std::set<std::int64_t>(epoch.begin(), epoch.end()), subset);
  EXPECT_EQ(RandomSubsetSampler(20, 0.37, 5).index_at(17), sampler.index_at(17)) << "without history";
  EXPECT_EQ(RandomSubsetSampler(3, 0.1, 5).index_at(4), RandomSubsetSampler(3, 0.1, 5).index_at(0)) << "at least one";
  EXPECT_EQ(message_of<Error>([] { RandomSubsetSampler(3, 1.5, 1); }),
            "sampler: the share of images must be in [0, 1], got 1.5");
}

// Images with these classes; -1 is a crowd of class 0.
Dataset images_with_classes(const std::vector<std::vector<int>>& classes, int num_classes) {
  Dataset dataset;
  dataset.name = "made";
  dataset.class_names.resize(static_cast<std::size_t>(num_classes));
  for (const std::vector<int>& of_image : classes) {
    ImageRecord record;
    record.first_annotation = static_cast<std::uint32_t>(dataset.table.size());
    record.annotation_count = static_cast<std::uint32_t>(of_image.size());
    for (const int category : of_image) {
      AnnotationRow row;
      row.category = std::max(category, 0);
      row.crowd = category < 0;
      dataset.table.add(row, {}, {});
    }
    dataset.records.push_back(record);
  }
  return dataset;
}

TEST(ClassAwareSampler, DrawsAClassAndThenAnImageThatHasIt) {
  // Class 0 is in images 0, 1, 2; class 1 in image 2 alone; class 2 in none; image 3 has a crowd, image 4 nothing.
  const Dataset dataset = images_with_classes({{0, 0}, {0}, {1, 0, 1}, {-1}, {}}, 3);
  const ClassAwareSampler sampler(dataset, 11);
  std::map<std::int64_t, int> seen;
  for (std::int64_t p = 0; p < 6000; ++p) ++seen[sampler.index_at(p)];
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_NEAR(seen[0], 1000, 100);
  EXPECT_NEAR(seen[1], 1000, 100);
  EXPECT_NEAR(seen[2], 4000, 130);
  const ClassAwareSampler again(dataset, 11);
  for (const std::int64_t p : {5000, 17, 0}) EXPECT_EQ(again.index_at(p), sampler.index_at(p));
  EXPECT_EQ(message_of<DataError>([&] {
              ClassAwareSampler(images_with_classes({{}, {-1}}, 2), 1);
            }),
            "dataset: made: DATALOADER.SAMPLER_TRAIN ClassAwareSampler needs instances, but there are none");
}

TEST(InferenceShard, SharesAreContiguousAndCoverAll) {
  EXPECT_EQ(inference_shard(10, 0, 4), (std::pair<std::int64_t, std::int64_t>{0, 3}));
  EXPECT_EQ(inference_shard(10, 3, 4), (std::pair<std::int64_t, std::int64_t>{9, 10}));
  EXPECT_EQ(inference_shard(2, 3, 4), (std::pair<std::int64_t, std::int64_t>{2, 2}));
}

TEST(Preprocess, PaddedSizeRoundsUpTheLargest) {
  const std::vector<ImageSize> sizes = {{100, 37}, {64, 80}};
  EXPECT_EQ(padded_size(sizes, 32), (ImageSize{128, 96}));
  EXPECT_EQ(padded_size(sizes, 0), (ImageSize{100, 80}));
}

TEST(Preprocess, PixelsAreNormalisedAndTheRestIsZero) {
  Image image(1, 2);
  image.pixels = {10, 20, 30, 40, 50, 60};
  const std::vector<float> mean = {1, 2, 3.5f};
  const std::vector<float> std = {1, 2, 3};
  std::vector<float> out(2 * 3 * 3, -1);
  normalise_into(image, mean, std, out.data(), {2, 3});
  EXPECT_THAT(out, ElementsAre(9, 9, 26.5f / 3, 39, 24, 56.5f / 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(message_of<Error>([&] { normalise_into(image, mean, std, out.data(), {1, 1}); }),
            "preprocess: an image of 1x2 does not fit into 1x1 (height x width)");
  EXPECT_EQ(message_of<Error>([&] { normalise_into(image, {mean.data(), 1}, std, out.data(), {1, 2}); }),
            "preprocess: the image has 3 channels, mean has 1 values and std 3");
}

}  // namespace
}  // namespace fastermask
