// What a training step costs, on made-up pictures or those of a data set. Free of LibTorch, for the command line.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/config.h"

namespace fastermask {

struct BenchStepOptions {
  int batch = 2;
  int height = 640;
  int width = 800;
  // Annotated in each picture: the foreground regions, as long as random weights find none by themselves.
  int objects = 8;
  int repeat = 3;  // steps timed, after three that are not
  bool new_sizes = false;  // each step another size of about that area, in multiples of 32
  bool exact = false;
  // With these, batches come from the loader as in a training; the sizes and numbers above are not used.
  std::vector<std::string> datasets;
};

struct BenchStage {
  std::string name;
  double forward = 0;  // seconds, means over the steps
  double backward = 0;
  double forward_flops = 0;  // of convolutions and linear layers, counted the direct way
  double backward_flops = 0;
};

struct BenchStepTimes {
  double data = 0;  // seconds, medians over the steps: waiting for the loader's threads; 0 for made-up pictures
  double forward = 0;
  double backward = 0;
  double optimiser = 0;
  double whole = 0;
  double batch = 0;  // pictures a step
  std::string precision;  // precision_name()
  double foreground = 0;       // regions an image that took part in the box and mask losses
  double peak_memory_mib = 0;  // of the process
  std::vector<BenchStage> stages;
  // Operations a second of LibTorch, the yardsticks of published times; medians of one run after each step, as the
  // machine may be others', too. A linear layer of 1000 x 12544 to 1024, and a 3x3 convolution of 256 to 256 channels on
  // 200 x 304 pixels.
  double linear_flops = 0;
  double convolution_flops = 0;
};

// Steps of the config's model from random weights, with SGD and the precision (AMP) that the config says.
// Made-up masks are octagons.
BenchStepTimes bench_training_step(const Config& config, const BenchStepOptions& options);

}  // namespace fastermask
