// The program `fastermask`: everything that needs no LibTorch; train, evaluate and predict start fastermask-train.
#include "fastermask/cli/command.h"

int main(int argc, char** argv) {
  using namespace fastermask::cli;
  return run_program(
      "fastermask", "Faster R-CNN and Mask R-CNN: train, evaluate, run, ship",
      {add_training_stubs, add_cocoeval_command, add_data_command, add_convert_command, add_info_command}, argc, argv);
}
