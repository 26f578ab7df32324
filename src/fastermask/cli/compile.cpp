// `fastermask compile`.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/int8.h"
#include "fastermask/cli/model_classes.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/graph/network.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/model_weights.h"
#include "fastermask/runtime/supported.h"

namespace fastermask::cli {
namespace {

struct CompileCommandOptions {
  std::string config_file;
  std::string weights;
  std::string precision = "f32";
  std::string output;
  bool exact = false;
  Int8Options int8;
};

void run_compile(const CLI::App& command, const CompileCommandOptions& options) {
  Config config = load_model_config(options.config_file, overrides_of(command));
  if (!options.weights.empty()) config.model.weights = options.weights;
  check_int8_options("compile", options.int8, options.precision == "int8");
  const WeightPrecision precision = parse_weight_precision(options.precision);
  check_inference_supported(config);
  set_num_threads(0);
  const Network network = build_network(config);
  IntegerNetwork compiled;
  if (precision == WeightPrecision::int8) {
    compiled = make_integer_network(config, options.int8, !options.exact);
  } else {
    compiled.weights =
        compile_weights(network, load_network_weights(config.model.weights, network), {!options.exact, precision});
  }
  const ClassList classes = find_model_classes(config);
  save_model_package(options.output, config, classes, compiled.weights, precision, compiled.ranges);
  log_info("compile", "{}: {} classes, {:.0f} MB, {}", options.output, classes.names.size(),
           static_cast<double>(std::filesystem::file_size(options.output)) / 1e6, options.precision);
}

}  // namespace

void add_compile_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("compile", "Make a model package: one file that runs anywhere without LibTorch");
  auto options = std::make_shared<CompileCommandOptions>();
  command->add_option("--config-file", options->config_file, "YAML config")->required();
  command->add_option("--weights", options->weights, "weight file; otherwise MODEL.WEIGHTS");
  command->add_option("--precision", options->precision, "f32; bf16: weights of 16 bits; or int8")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  add_int8_options(*command, options->int8);
  command->add_option("-o,--output", options->output, "the package, such as model.fmm")->required();
  command->add_flag("--exact", options->exact, "no Winograd convolutions: slower, a fifth of their rounding error");
  command->footer(
      "Example: fastermask compile --config-file output/config.yaml --weights output/model_final.pth -o model.fmm\n"
      "         fastermask predict --model model.fmm pictures/ --output drawn\n"
      "         fastermask compile --config-file output/config.yaml --weights output/model_final.pth \\\n"
      "           --precision int8 --calibration train_pictures/ -o model_int8.fmm");
  accept_overrides(*command);
  command->callback([command, options] { run_compile(*command, *options); });
}

}  // namespace fastermask::cli
