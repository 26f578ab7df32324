// `fastermask info config`.
#include <cstdio>
#include <memory>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/cli/info.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"

namespace fastermask::cli {
namespace {

struct InfoConfigOptions {
  std::string config_file;
  bool only_differences = false;
  bool markdown = false;
};

void print_config(const CLI::App& command, const InfoConfigOptions& options) {
  const std::vector<std::string> overrides = overrides_of(command);
  std::string text;
  if (options.markdown) {
    text = config_reference_markdown();
  } else {
    const Config config = load_config(options.config_file, overrides);
    text = options.only_differences ? dump_config_differences(config) : dump_config(config);
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace

void add_info_config(CLI::App& info) {
  CLI::App* command = info.add_subcommand("config", "Print a config as it is after merging, in YAML");
  auto options = std::make_shared<InfoConfigOptions>();
  command->add_option("--config-file", options->config_file, "YAML file; without it, the defaults");
  command->add_flag("--diff", options->only_differences, "only keys that differ from the defaults");
  command->add_flag("--markdown", options->markdown, "all keys with defaults and meanings, as docs/config.md has them");
  command->footer(
      "Example: fastermask info config --config-file COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml --diff "
      "SOLVER.BASE_LR 0.005");
  accept_overrides(*command);
  command->callback([command, options] { print_config(*command, *options); });
}

}  // namespace fastermask::cli
