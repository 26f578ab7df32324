#include "fastermask/evaluation/proposal_evaluator.h"

#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/runtime/proposal_file.h"

namespace fastermask {
namespace {

constexpr const char* kProposalEvaluator = "evaluation.coco_evaluation";

}  // namespace

ProposalEvaluator::ProposalEvaluator(const std::string& annotation_file, std::string output_folder)
    : truth_(std::make_shared<const CocoGroundTruth>(CocoGroundTruth::read(annotation_file, {false, false}))),
      recall_(truth_),
      output_folder_(std::move(output_folder)) {}

void ProposalEvaluator::add(std::int64_t image_id, const Detections& proposals) {
  recall_.add(image_id, proposals.boxes);
  if (output_folder_.empty()) return;
  images_.push_back(image_id);
  proposals_.push_back({proposals.boxes, proposals.scores});
}

std::vector<TaskMetrics> ProposalEvaluator::finish() {
  if (!output_folder_.empty()) {
    const std::string path = join_path(output_folder_, "box_proposals.pkl");
    make_folders(output_folder_);
    save_proposals(path, images_, proposals_);
    log_info(kProposalEvaluator, "Saved the proposals of {} images to {}", images_.size(), path);
  }
  if (truth_->annotations().empty()) {
    log_info(kProposalEvaluator, "Annotations are not available for evaluation.");
    return {};
  }
  const TaskMetrics metrics = recall_.metrics();
  const std::string table = results_table_message(metrics);
  log_info(kProposalEvaluator, "Proposal metrics: {}", table.substr(table.find('\n')));
  log_copypaste({metrics});
  return {metrics};
}

}  // namespace fastermask
