// The program `fastermask-train`: the commands that run networks on LibTorch. People start it as `fastermask train`.
#include "fastermask/cli/command.h"

int main(int argc, char** argv) {
  using namespace fastermask::cli;
  return run_program("fastermask-train", "Train, evaluate and run models of FasterMask",
                     {add_train_command, add_evaluate_command, add_predict_command}, argc, argv);
}
