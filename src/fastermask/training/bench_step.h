// What a training step costs, on made-up pictures. Free of LibTorch, for the command line.
#pragma once

#include "fastermask/config/config.h"

namespace fastermask {

struct BenchStepOptions {
  int batch = 2;
  int height = 640;
  int width = 800;
  int objects =
      8;  // annotated in each picture: the foreground regions, as long as random weights find none by themselves
  int repeat = 3;  // steps timed, after one that is not
  bool exact = false;
};

struct BenchStepTimes {
  double forward = 0;  // seconds, medians over the steps
  double backward = 0;
  double optimiser = 0;
  double whole = 0;
  double foreground = 0;       // regions an image that took part in the box and mask losses
  double peak_memory_mib = 0;  // of the process
};

// Steps of the config's model from random weights, with SGD as the config says. Masks are octagons.
BenchStepTimes bench_training_step(const Config& config, const BenchStepOptions& options);

}  // namespace fastermask
