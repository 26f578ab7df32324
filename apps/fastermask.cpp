// The program `fastermask`: everything that needs no LibTorch; train starts fastermask-train.
#include "fastermask/cli/command.h"
#include "fastermask/cli/completion.h"

int main(int argc, char** argv) {
  using namespace fastermask::cli;
  return run_program("fastermask", "Faster R-CNN and Mask R-CNN: train, evaluate, run, ship",
                     {add_training_stubs, add_evaluate_command, add_predict_command, add_serve_command,
                      add_compile_command, add_bench_command, add_cocoeval_command, add_data_command,
                      add_convert_command, add_info_command, add_completion_command},
                     argc, argv);
}
