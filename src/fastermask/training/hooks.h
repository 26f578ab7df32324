// What happens around the training steps. In the order to add them: log lines and metrics (first, so that a checkpoint
// never runs ahead of the record), checkpoints, evaluation.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/evaluation/summary.h"
#include "fastermask/report/html_report.h"
#include "fastermask/training/trainer.h"

namespace fastermask {

// What the evaluation hook leaves for the writer.
struct EvaluationRecord {
  std::vector<TaskMetrics> metrics;  // of the newest evaluation
  std::map<std::string, double>
      validation_losses;                 // "validation_loss", "validation_loss_cls", ...; empty unless wanted
  std::vector<ReportPicture> gallery;    // the worst and the best images of the first test set
  std::vector<ReportPicture> fixed;      // two images of it, the same at every evaluation
  std::vector<ReportPicture> over_time;  // those two at some evaluations, from the first on
  std::function<void()> evaluated;       // called when there are new metrics; may be empty
};

// Saves model_%07d.pth every SOLVER.CHECKPOINT_PERIOD iterations, and at the end model_final.pth, or the current state
// when a stop was requested.
// A periodic checkpoint that cannot be written is reported, and the training goes on; failing to write the last is an
// error. With SOLVER.EMA.ENABLED the end is also saved as model_final_ema.pth.
std::unique_ptr<TrainerHook> make_checkpoint_hook();

// Evaluates DATASETS.TEST every TEST.EVAL_PERIOD iterations and after the last, with the averaged weights where there
// are any. `last` receives the newest metrics. With an EVAL_PERIOD, the weights that gave the best TEST.BEST_METRIC so
// far are kept as model_best.pth, and TEST.EARLY_STOP may end the training. Throws ConfigError for a metric that does
// not exist.
std::unique_ptr<TrainerHook> make_evaluation_hook(std::shared_ptr<EvaluationRecord> last);

// Writes the log line, metrics.json and TensorBoard events every 20 iterations and after the last, the progress bar in
// between, and the report every few minutes. `last` is the evaluation hook's.
std::unique_ptr<TrainerHook> make_writer_hook(std::shared_ptr<EvaluationRecord> last);

// Prints the line "FPS = X" at the end, as the Ascend ModelZoo's port does on every rank; the writer hook does on rank
// 0.
std::unique_ptr<TrainerHook> make_speed_hook();

// Evaluates the model on every data set of DATASETS.TEST; files go to OUTPUT_DIR/inference (with several data sets, a
// folder each below it). `pictures`, when given, receives `gallery` and `fixed` of the first set. Runs as `fastermask evaluate` does,
// not on LibTorch; `exact` as in its --exact. With several processes all must call it: each looks at its share of the
// pictures, and rank 0 returns the metrics.
std::vector<TaskMetrics> evaluate_model(const Config& config, const TrainableRcnn& model,
                                        EvaluationRecord* pictures = nullptr, bool exact = false);

}  // namespace fastermask
