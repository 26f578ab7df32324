// The program `fastermask-train`: the commands that run networks on LibTorch. People start it as `fastermask train`, so
// it calls itself that in what it prints.
#include "fastermask/cli/command.h"

int main(int argc, char** argv) {
  using namespace fastermask::cli;
  return run_program("fastermask", "Train, evaluate and run models of FasterMask",
                     {add_train_command, add_evaluate_command, add_predict_command}, argc, argv);
}
