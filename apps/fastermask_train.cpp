// The program `fastermask-train`: training, which runs networks on LibTorch. People start it as `fastermask train`, so
// it calls itself that in what it prints.
#include "fastermask/cli/command.h"
#include "fastermask/training/threads.h"

int main(int argc, char** argv) {
  using namespace fastermask::cli;
  fastermask::keep_torch_threads_from_spinning(argv);
  return run_program("fastermask", "Train models of FasterMask", {add_train_command, add_training_bench_command}, argc,
                     argv);
}
