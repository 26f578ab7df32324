// `fastermask bench`.
#include "fastermask/cli/bench.h"

#include "fastermask/cli/command.h"

namespace fastermask::cli {

void add_bench_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "Time the parts on this machine");
  command->require_subcommand(1);
  add_bench_infer_command(*command);
  add_bench_train_stub(*command);
  add_bench_data_command(*command);
  add_bench_eval_command(*command);
}

}  // namespace fastermask::cli
