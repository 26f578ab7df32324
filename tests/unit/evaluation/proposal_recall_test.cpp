// Proposal recall: by hand, and against the pairing written out as detectron2 has it.
#include "fastermask/evaluation/proposal_recall.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using testing_support::message_of;
using testing_support::small_truth;
using testing_support::small_truth_json;

TEST(ProposalRecall, CountsObjectsFoundAtEachThreshold) {
  ProposalRecall recall(small_truth(), {1, 100});
  // The cat exactly, the dog at IoU 12 / 16 = 0.75: thresholds 0.50 to 0.75, six of ten.
  recall.add(7, Boxes{{1, 1, 7, 7}, {8, 2, 11, 6}, {0, 0, 20, 10}});
  const TaskMetrics metrics = recall.metrics();
  EXPECT_EQ(metrics.task, "box_proposals");
  EXPECT_EQ(metrics.metrics.size(), 8u);
  EXPECT_NEAR(metrics.value("AR@1"), 50, 1e-4);
  EXPECT_NEAR(metrics.value("AR@100"), 80, 1e-4);
  EXPECT_NEAR(metrics.value("ARs@100"), 80, 1e-4);
  EXPECT_TRUE(std::isnan(metrics.value("ARm@100")));
}

TEST(ProposalRecall, UsesAProposalForOneObjectOnly) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0]["bbox"] = {1, 1, 6, 6};  // both objects in one place
  ProposalRecall recall(std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(json.dump(), "gt.json")));
  recall.add(7, Boxes{{1, 1, 7, 7}, {0, 0, 1, 1}});
  EXPECT_NEAR(recall.metrics().value("AR@100"), 50, 1e-4);
}

TEST(ProposalRecall, LeavesOutCrowdsAndImagesWithoutProposals) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0]["iscrowd"] = 1;
  ProposalRecall recall(std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(json.dump(), "gt.json")));
  recall.add(9, Boxes());
  EXPECT_TRUE(std::isnan(recall.metrics().value("AR@100")));
  recall.add(7, Boxes{{1, 1, 7, 7}});
  EXPECT_NEAR(recall.metrics().value("AR@100"), 100, 1e-4);
}

// Overlaps of the pairs, by striking out rows and columns of the whole matrix.
std::vector<float> plain_pairing(std::vector<std::vector<float>> matrix, std::size_t truths) {
  std::vector<float> found(truths, 0);
  for (std::size_t i = 0; i < std::min(matrix.size(), truths); ++i) {
    std::size_t row = 0;
    std::size_t column = 0;
    for (std::size_t p = 0; p < matrix.size(); ++p) {
      for (std::size_t g = 0; g < truths; ++g) {
        if (matrix[p][g] > matrix[row][column]) row = p, column = g;
      }
    }
    found[i] = matrix[row][column];
    for (auto& line : matrix) line[column] = -1;
    matrix[row].assign(truths, -1);
  }
  return found;
}

TEST(ProposalRecall, EqualsThePlainPairing) {
  Random random(3, RandomPurpose::test);
  for (int round = 0; round < 200; ++round) {
    nlohmann::json json = small_truth_json();
    json["annotations"] = nlohmann::json::array();
    Boxes truths;
    Boxes proposals;
    const auto number = [&](double low, double high) { return static_cast<float>(random.uniform(low, high)); };
    for (std::int64_t i = 0; i < 1 + random.uniform_int(6); ++i) {
      const std::array<float, 4> xywh = {number(0, 9), number(0, 5), number(1, 9), number(1, 5)};
      truths.push_back({xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3]});
      json["annotations"].push_back({{"id", i + 1}, {"image_id", 7}, {"category_id", 3}, {"bbox", xywh}});
    }
    for (std::int64_t i = 0; i < 1 + random.uniform_int(12); ++i) {
      const float x = number(0, 9), y = number(0, 5);
      proposals.push_back({x, y, x + number(1, 9), y + number(1, 5)});
    }
    std::vector<std::vector<float>> matrix;
    for (const Box& proposal : proposals) {
      matrix.emplace_back();
      for (const Box& truth : truths) matrix.back().push_back(iou(proposal, truth));
    }
    double expected = 0;
    for (const float overlap : plain_pairing(matrix, truths.size())) {
      for (int t = 0; t < 10; ++t)
        expected += overlap >= static_cast<float>(0.5 + t * 0.05) ? 10.0 / static_cast<double>(truths.size()) : 0;
    }
    ProposalRecall recall(std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(json.dump(), "gt.json")));
    recall.add(7, proposals);
    ASSERT_NEAR(recall.metrics().value("AR@1000"), expected, 1e-3) << round;
  }
}

TEST(ProposalRecall, RefusesWrongUse) {
  ProposalRecall recall(small_truth());
  EXPECT_EQ(message_of<DataError>([&] { recall.add(8, Boxes()); }),
            "proposal recall: image id 8 is not among the 2 images of gt.json");
  recall.add(7, Boxes());
  EXPECT_EQ(message_of<DataError>([&] { recall.add(7, Boxes()); }), "proposal recall: image 7 is added twice");
  EXPECT_EQ(message_of<Error>([] { ProposalRecall(small_truth(), {0}); }),
            "proposal recall: limits on proposals must be positive, got 0");
}

}  // namespace
}  // namespace fastermask
