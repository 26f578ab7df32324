// `fastermask bench train`: what a training step costs.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/cli/bench.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/training/bench_step.h"

namespace fastermask::cli {
namespace {

struct BenchTrainOptions {
  std::string config_file;
  std::vector<int> size = {640, 800};
  BenchStepOptions step;
  int threads = 0;
  bool json = false;
};

int run_bench_train(const CLI::App& command, BenchTrainOptions options) {
  const Config config = load_model_config(options.config_file, overrides_of(command));
  set_num_threads(options.threads);
  set_console_log_level(LogLevel::warning);
  options.step.height = options.size[0];
  options.step.width = options.size[1];
  const BenchStepTimes times = bench_training_step(config, options.step);
  const double images = options.step.batch / times.whole;
  if (options.json) {
    const nlohmann::json result = {{"forward", times.forward},
                                   {"backward", times.backward},
                                   {"optimiser", times.optimiser},
                                   {"step", times.whole},
                                   {"images_per_second", images},
                                   {"foreground", times.foreground},
                                   {"peak_memory_mib", times.peak_memory_mib},
                                   {"threads", num_threads()}};
    fmt::print("{}\n", result.dump(2));
    return 0;
  }
  fmt::print("{} pictures of {} x {} with {} objects each, {} threads\n", options.step.batch, options.step.height,
             options.step.width, options.step.objects, num_threads());
  fmt::print("forward    {:8.3f} s\nbackward   {:8.3f} s\noptimiser  {:8.3f} s\nstep       {:8.3f} s\n", times.forward,
             times.backward, times.optimiser, times.whole);
  fmt::print("{:.3f} images/s; {:.0f} foreground regions an image; peak memory {:.0f} MiB\n", images, times.foreground,
             times.peak_memory_mib);
  return 0;
}

}  // namespace

void add_bench_train_command(CLI::App& bench) {
  CLI::App* command = bench.add_subcommand("train", "Time a training step: forward, backward, optimiser");
  auto options = std::make_shared<BenchTrainOptions>();
  command->add_option("--config-file", options->config_file, "YAML config")->required();
  command->add_option("--size", options->size, "height and width of the pictures")->expected(2);
  command->add_option("--batch", options->step.batch, "pictures a step")->check(CLI::PositiveNumber);
  command->add_option("--objects", options->step.objects, "annotated objects a picture")->check(CLI::PositiveNumber);
  command->add_option("--repeat", options->step.repeat, "steps timed, after one that is not")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--exact", options->step.exact, "no Winograd convolutions");
  command->add_flag("--json", options->json, "for machines");
  command->footer(
      "Example: fastermask bench train --config-file configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml");
  accept_overrides(*command);
  command->callback([command, options] { run_bench_train(*command, *options); });
}

void add_training_bench_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "Time the parts on this machine");
  command->require_subcommand(1);
  add_bench_train_command(*command);
}

}  // namespace fastermask::cli
