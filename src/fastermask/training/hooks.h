// What happens around the training steps, in detectron2's order: checkpoints, evaluation, log lines and metrics, report.
#pragma once

#include <memory>
#include <vector>

#include "fastermask/evaluation/summary.h"
#include "fastermask/training/trainer.h"

namespace fastermask {

// What the evaluation hook leaves for the writer.
struct EvaluationRecord {
  std::vector<TaskMetrics> metrics;  // of the newest evaluation
  int count = 0;                     // evaluations so far
};

// Saves model_%07d.pth every SOLVER.CHECKPOINT_PERIOD iterations, and at the end model_final.pth, or the current state
// when a stop was requested.
std::unique_ptr<TrainerHook> make_checkpoint_hook();

// Evaluates DATASETS.TEST every TEST.EVAL_PERIOD iterations and after the last. `last` receives the newest metrics.
std::unique_ptr<TrainerHook> make_evaluation_hook(std::shared_ptr<EvaluationRecord> last);

// Writes the log line, metrics.json and TensorBoard events every 20 iterations and after the last, the progress bar in
// between, and the report every few minutes. `last` is the evaluation hook's.
std::unique_ptr<TrainerHook> make_writer_hook(std::shared_ptr<EvaluationRecord> last);

// Evaluates the model on every data set of DATASETS.TEST; files go to OUTPUT_DIR/inference (with several data sets, a
// folder each below it).
std::vector<TaskMetrics> evaluate_model(const Config& config, const TrainableRcnn& model);

}  // namespace fastermask
