// What evaluating a proposal network leaves: recalls, and a file that a Fast R-CNN trains on.
#include "fastermask/evaluation/proposal_evaluator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "fastermask/base/file.h"
#include "fastermask/runtime/proposal_file.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

TEST(ProposalEvaluator, GivesRecallsAndAFileOfProposals) {
  const std::string folder = ::testing::TempDir() + "/proposal_evaluator_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  write_file_atomic(folder + "/gt.json", testing_support::small_truth_json().dump());
  ProposalEvaluator evaluator(folder + "/gt.json", folder + "/inference");
  Detections proposals;
  proposals.boxes = {{1, 1, 7, 7}, {8, 2, 12, 6}};
  proposals.scores = {2.5f, -1};
  evaluator.add(7, proposals);
  evaluator.add(9, Detections());
  const std::vector<TaskMetrics> metrics = evaluator.finish();
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].task, "box_proposals");
  EXPECT_NEAR(metrics[0].value("AR@1000"), 100, 1e-4);

  const ProposalStore store = ProposalStore::load({folder + "/inference/box_proposals.pkl"});
  EXPECT_EQ(store.image_count(), 2u);
  Batch batch;
  batch.image_ids = {7};
  batch.file_names = {"a"};
  batch.original_sizes = batch.image_sizes = {{10, 20}};
  const Proposals read = store.for_batch(batch, 100, 0).at(0);
  EXPECT_EQ(read.boxes, proposals.boxes);
  EXPECT_EQ(read.logits, proposals.scores);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fastermask
