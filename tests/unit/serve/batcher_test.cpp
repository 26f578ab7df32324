#include "fastermask/serve/batcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// Instances whose class is the picture's first byte.
std::vector<std::vector<Instance>> tell_first_bytes(const std::vector<PictureView>& pictures) {
  std::vector<std::vector<Instance>> results;
  for (const PictureView& picture : pictures) {
    Instance instance;
    instance.class_index = picture.pixels[0];
    results.push_back({instance});
  }
  return results;
}

Image picture_of(int height, int width, std::uint8_t value) {
  Image image(height, width);
  for (std::uint8_t& byte : image.pixels) byte = value;
  return image;
}

TEST(Batcher, PredictsWaitingPicturesOfOneSizeTogetherAndGivesEachItsOwn) {
  std::promise<void> go;
  std::shared_future<void> gate = go.get_future().share();
  Batcher batcher(
      [gate](const std::vector<PictureView>& pictures) {
        gate.wait();
        return tell_first_bytes(pictures);
      },
      {2, 8, 1000});
  std::vector<std::future<BatchedResult>> results;
  results.push_back(batcher.submit(picture_of(9, 9, 0)));  // holds the thread, most likely alone
  for (int i = 1; i < 6; ++i) {
    const int side = i == 2 ? 5 : 4;
    results.push_back(batcher.submit(picture_of(side, side, static_cast<std::uint8_t>(i))));
  }
  go.set_value();
  std::vector<int> sizes;
  for (int i = 0; i < 6; ++i) {
    const BatchedResult result = results[static_cast<std::size_t>(i)].get();
    EXPECT_EQ(result.instances.at(0).class_index, i);
    sizes.push_back(result.batch_size);
  }
  EXPECT_EQ(sizes, (std::vector<int>{1, 2, 1, 2, 2, 2}));
}

TEST(Batcher, AdmitsNoMoreThanItsQueueAndPixelsHold) {
  Batcher batcher(tell_first_bytes, {1, 3, 100});
  {
    const Batcher::Place huge = batcher.admit(1, 5000);  // alone it may be of any size
    EXPECT_TRUE(huge);
    EXPECT_FALSE(batcher.admit(1, 1));
  }
  const Batcher::Place two = batcher.admit(2, 50);
  EXPECT_TRUE(two);
  EXPECT_FALSE(batcher.admit(2, 10));
  EXPECT_FALSE(batcher.admit(1, 60));
  EXPECT_TRUE(batcher.admit(1, 50));  // given back at once
  EXPECT_EQ(batcher.admitted(), 2);
  EXPECT_GE(batcher.expected_wait_seconds(), 1);
}

TEST(Batcher, AnErrorReachesTheOneWhoAskedAndTheNextIsServed) {
  std::atomic<bool> broken{true};
  Batcher batcher(
      [&broken](const std::vector<PictureView>& pictures) {
        if (broken) throw Error("predictor: out of order");
        return tell_first_bytes(pictures);
      },
      {});
  EXPECT_THROW(batcher.submit(picture_of(2, 2, 7)).get(), Error);
  broken = false;
  EXPECT_EQ(batcher.submit(picture_of(2, 2, 7)).get().instances.at(0).class_index, 7);
}

TEST(Batcher, WorkersPredictAtTheSameTime) {
  std::atomic<int> begun{0};
  BatcherLimits limits;
  limits.workers = 2;
  Batcher batcher(
      [&begun](const std::vector<PictureView>& pictures) {
        ++begun;
        while (begun < 2) std::this_thread::yield();  // for ever, if one had to end before the other begins
        return tell_first_bytes(pictures);
      },
      limits);
  std::future<BatchedResult> first = batcher.submit(picture_of(2, 2, 1)), second = batcher.submit(picture_of(3, 3, 2));
  EXPECT_EQ(first.get().instances.at(0).class_index, 1);
  EXPECT_EQ(second.get().instances.at(0).class_index, 2);
}

TEST(Batcher, APictureThatWaitedTooLongIsNotPredicted) {
  std::promise<void> go;
  std::shared_future<void> gate = go.get_future().share();
  std::atomic<int> predicted{0};
  Batcher batcher(
      [gate, &predicted](const std::vector<PictureView>& pictures) {
        predicted += static_cast<int>(pictures.size());
        gate.wait();
        return tell_first_bytes(pictures);
      },
      {4, 8, 1000, 0.05});
  std::future<BatchedResult> first = batcher.submit(picture_of(2, 2, 1));
  while (predicted == 0) std::this_thread::yield();
  std::future<BatchedResult> late = batcher.submit(picture_of(2, 2, 2));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::future<BatchedResult> in_time = batcher.submit(picture_of(2, 2, 3));
  go.set_value();
  EXPECT_EQ(first.get().instances.at(0).class_index, 1);
  EXPECT_THROW(late.get(), WaitedTooLong);
  EXPECT_EQ(in_time.get().instances.at(0).class_index, 3);
  EXPECT_EQ(predicted, 2);
}

TEST(Batcher, WhatStillWaitsAtTheEndGetsAnErrorInsteadOfHanging) {
  std::promise<void> go;
  std::shared_future<void> gate = go.get_future().share();
  std::atomic<bool> begun{false};
  std::future<BatchedResult> first, second;
  std::thread opener;
  {
    Batcher batcher(
        [gate, &begun](const std::vector<PictureView>& pictures) {
          begun = true;
          gate.wait();
          return tell_first_bytes(pictures);
        },
        {1, 8, 1000});
    first = batcher.submit(picture_of(2, 2, 1));
    while (!begun) std::this_thread::yield();
    second = batcher.submit(picture_of(2, 2, 2));
    opener = std::thread([&go] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      go.set_value();
    });
  }
  opener.join();
  EXPECT_EQ(first.get().instances.at(0).class_index, 1);
  EXPECT_THROW(second.get(), Error);
}

}  // namespace
}  // namespace fastermask
