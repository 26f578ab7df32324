// `fastermask info`: looks at configs, weights, models and the machine.
#include "fastermask/cli/info.h"

#include "fastermask/cli/command.h"
#include "fastermask/cli/info_weights.h"

namespace fastermask::cli {

void add_info_command(CLI::App& app) {
  CLI::App* info = app.add_subcommand("info", "Show the merged config, weight files, model sizes, or this machine");
  info->require_subcommand(1);
  add_info_config(*info);
  add_info_weights(*info);
  add_info_model(*info);
  add_info_env(*info);
}

}  // namespace fastermask::cli
