// `fastermask train` as a function: what it sets up around the Trainer. Free of LibTorch, for the command line.
#pragma once

#include <string>

#include "fastermask/config/config.h"
#include "fastermask/training/distributed.h"

namespace fastermask {

struct TrainingRunOptions {
  bool resume = false;
  bool eval_only = false;
  bool exact = false;       // no Winograd convolutions
  std::string config_file;  // as given, for the log
  RankPlace place{};        // among the processes of the training
  std::string device = "cpu";  // LibTorch's name: resolve_device()
};

// Joins the other processes of a training, and leaves ordinary console messages to rank 0.
void join_processes(const RankPlace& place);

// Trains (or with eval_only evaluates MODEL.WEIGHTS), writing to OUTPUT_DIR: config.yaml, log.txt, metrics.json,
// events.out.tfevents.*, checkpoints, inference/, report.html. SIGTERM and SIGINT end it after the current step, with a
// checkpoint. Returns the exit status: 1 when TEST.EXPECTED_RESULTS are missed.
int run_training(const Config& config, const TrainingRunOptions& options);

// `fastermask train --replay`: runs a step again that a training saved as replay_<iteration>.pth, and logs what is in
// it. True when all its values are finite. Throws WeightsError for a damaged file.
bool replay_training_step(const std::string& path);

}  // namespace fastermask
