// The IoU matrix against iou() of structures/box.h, bit for bit, for every compiled copy that this machine can run.
#include "fastermask/kernels/iou.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/iou_isa.h"
#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

std::vector<const OverlapKernels*> runnable_copies() {
  std::vector<const OverlapKernels*> copies{&generic::kOverlapKernels};
#if defined(__x86_64__)
  if (best_isa() >= Isa::avx2) copies.push_back(&avx2::kOverlapKernels);
  if (best_isa() >= Isa::avx512) copies.push_back(&avx512::kOverlapKernels);
#endif
  return copies;
}

BoxColumnList columns_of(const Boxes& boxes) {
  BoxColumnList columns;
  for (const Box& box : boxes) columns.push_back(box);
  return columns;
}

TEST(PairwiseIou, EqualsTheSingleIouBitForBit) {
  const Boxes a = ref::random_boxes(60, 1);
  const Boxes b = ref::random_boxes(2100, 2);
  const std::vector<float> matrix = pairwise_iou(a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) ASSERT_EQ(matrix[i * b.size() + j], iou(a[i], b[j])) << i << ", " << j;
  }
}

// a b      a: 2 x 2 at (0, 0); b: the same moved right by 1: 2 / 6; c: apart; d: touching a; e: empty, inside a.
TEST(PairwiseIou, OfAHandDrawnTable) {
  const Boxes a{{0, 0, 2, 2}};
  const Boxes others{{0, 0, 2, 2}, {1, 0, 3, 2}, {9, 9, 11, 11}, {2, 0, 4, 2}, {1, 1, 1, 1}};
  EXPECT_THAT(pairwise_iou(a, others), testing::ElementsAre(1.0f, 2.0f / 6.0f, 0.0f, 0.0f, 0.0f));
}

TEST(PairwiseIou, OfNothingIsEmpty) {
  EXPECT_TRUE(pairwise_iou({}, Boxes(3)).empty());
  EXPECT_TRUE(pairwise_iou(Boxes(3), {}).empty());
}

TEST(PairwiseIou, RefusesMemoryOfAnotherSize) {
  std::vector<float> out(5);
  EXPECT_THAT(ref::error_of([&] { pairwise_iou(Boxes(2), Boxes(3), out); }),
              testing::HasSubstr("pairwise_iou: out must hold 2 x 3 values, got 5"));
}

TEST(OverlapKernels, EveryCopyGivesTheSameRows) {
  const Boxes boxes = ref::random_boxes(333, 5);
  const BoxColumnList columns = columns_of(boxes);
  for (const OverlapKernels* copy : runnable_copies()) {
    for (const Box& box : ref::random_boxes(40, 6)) {
      std::vector<float> row(boxes.size());
      copy->iou_row(box, columns.columns(), boxes.size(), row.data());
      for (std::size_t i = 0; i < boxes.size(); ++i) ASSERT_EQ(row[i], iou(box, boxes[i]));
    }
  }
}

TEST(OverlapKernels, EveryCopyFindsAnOverlapExactlyAtItsThreshold) {
  const Boxes boxes = ref::random_boxes(97, 5);
  const BoxColumnList columns = columns_of(boxes);
  for (const OverlapKernels* copy : runnable_copies()) {
    for (const Box& box : ref::random_boxes(60, 6)) {
      float largest = 0;
      for (const Box& other : boxes) largest = std::max(largest, iou(box, other));
      EXPECT_FALSE(copy->any_above(box, columns.columns(), columns.padded_size(), largest));
      if (largest == 0) continue;
      const float below = std::nextafter(largest, 0.0f);
      EXPECT_TRUE(copy->any_above(box, columns.columns(), columns.padded_size(), below));
    }
  }
}

TEST(OverlapKernels, EveryCopyUpdatesTheBestMatch) {
  const Boxes boxes = ref::random_boxes(300, 5);
  const BoxColumnList columns = columns_of(boxes);
  const Boxes gt = ref::random_boxes(12, 8);
  for (const OverlapKernels* copy : runnable_copies()) {
    std::vector<float> best(boxes.size(), 0.0f);
    std::vector<std::int32_t> index(boxes.size(), 0);
    for (std::size_t g = 0; g < gt.size(); ++g) {
      float largest = 0;
      for (const Box& box : boxes) largest = std::max(largest, iou(gt[g], box));
      EXPECT_EQ(copy->match_row(gt[g], static_cast<std::int32_t>(g), columns.columns(), boxes.size(), best.data(),
                                index.data()),
                largest);
    }
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      ASSERT_EQ(best[i], iou(gt[static_cast<std::size_t>(index[i])], boxes[i]));
      for (const Box& box : gt) ASSERT_LE(iou(box, boxes[i]), best[i]);
    }
  }
}

}  // namespace
}  // namespace fastermask
