// What happens around the training steps. In the order to add them: log lines and metrics (first, so that a checkpoint
// never runs ahead of the record), checkpoints, evaluation.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "fastermask/evaluation/summary.h"
#include "fastermask/report/html_report.h"
#include "fastermask/training/trainer.h"

namespace fastermask {

// What the evaluation hook leaves for the writer.
struct EvaluationRecord {
  std::vector<TaskMetrics> metrics;    // of the newest evaluation
  std::vector<ReportPicture> gallery;  // some images of the first test set with what was found in them
  std::function<void()> evaluated;     // called when there are new metrics; may be empty
};

// Saves model_%07d.pth every SOLVER.CHECKPOINT_PERIOD iterations, and at the end model_final.pth, or the current state
// when a stop was requested.
// A periodic checkpoint that cannot be written is reported, and the training goes on; failing to write the last is an
// error. With SOLVER.EMA.ENABLED the end is also saved as model_final_ema.pth.
std::unique_ptr<TrainerHook> make_checkpoint_hook();

// Evaluates DATASETS.TEST every TEST.EVAL_PERIOD iterations and after the last. `last` receives the newest metrics.
std::unique_ptr<TrainerHook> make_evaluation_hook(std::shared_ptr<EvaluationRecord> last);

// Writes the log line, metrics.json and TensorBoard events every 20 iterations and after the last, the progress bar in
// between, and the report every few minutes. `last` is the evaluation hook's.
std::unique_ptr<TrainerHook> make_writer_hook(std::shared_ptr<EvaluationRecord> last);

// Evaluates the model on every data set of DATASETS.TEST; files go to OUTPUT_DIR/inference (with several data sets, a
// folder each below it). `gallery`, when given, receives pictures of the first set.
std::vector<TaskMetrics> evaluate_model(const Config& config, const TrainableRcnn& model,
                                        std::vector<ReportPicture>* gallery = nullptr);

}  // namespace fastermask
