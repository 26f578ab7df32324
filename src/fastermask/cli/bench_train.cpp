// `fastermask bench train`: what a training step costs.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/bench.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/kernels/matrix_peak.h"
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

// Seconds and how much of the matrix peak the layers reach; GFLOP are counted the direct way, which Winograd's
// convolutions may pass.
void print_stages(const BenchStepTimes& times, double peak) {
  const auto share = [&](double flops, double seconds) {
    return flops > 0 && seconds > 0 ? fmt::format("{:.0f}%", flops / seconds / peak * 100) : std::string();
  };
  fmt::print("{:<24}{:>10}{:>8}{:>9}   {:>10}{:>8}{:>9}\n", "stage", "forward", "GFLOP", "of peak", "backward", "GFLOP",
             "of peak");
  for (const BenchStage& stage : times.stages) {
    fmt::print("{:<24}{:>8.3f} s{:>8.0f}{:>9}   {:>8.3f} s{:>8.0f}{:>9}\n", stage.name, stage.forward,
               stage.forward_flops / 1e9, share(stage.forward_flops, stage.forward), stage.backward,
               stage.backward_flops / 1e9, share(stage.backward_flops, stage.backward));
  }
}

int run_bench_train(const CLI::App& command, BenchTrainOptions options) {
  const Config config = load_model_config(options.config_file, overrides_of(command));
  set_num_threads(options.threads);
  set_console_log_level(LogLevel::warning);
  options.step.height = options.size[0];
  options.step.width = options.size[1];
  const BenchStepTimes times = bench_training_step(config, options.step);
  const double images = times.batch / times.whole;
  const double peak = matrix_peak();
  if (options.json) {
    nlohmann::json stages = nlohmann::json::array();
    for (const BenchStage& stage : times.stages) {
      stages.push_back({{"name", stage.name},
                        {"forward", stage.forward},
                        {"backward", stage.backward},
                        {"forward_flops", stage.forward_flops},
                        {"backward_flops", stage.backward_flops}});
    }
    const nlohmann::json result = {{"data", times.data},
                                   {"forward", times.forward},
                                   {"backward", times.backward},
                                   {"optimiser", times.optimiser},
                                   {"step", times.whole},
                                   {"images_per_second", images},
                                   {"foreground", times.foreground},
                                   {"precision", times.precision},
                                   {"peak_memory_mib", times.peak_memory_mib},
                                   {"linear_flops", times.linear_flops},
                                   {"convolution_flops", times.convolution_flops},
                                   {"peak_flops", peak},
                                   {"stages", stages},
                                   {"threads", num_threads()}};
    fmt::print("{}\n", result.dump(2));
    return 0;
  }
  if (options.step.datasets.empty()) {
    fmt::print("{} pictures of {} x {} with {} objects each, {} threads\n", options.step.batch, options.step.height,
               options.step.width, options.step.objects, num_threads());
  } else {
    fmt::print("{} pictures of {} a step, {} threads\n", times.batch, join(options.step.datasets, ", "), num_threads());
  }
  print_stages(times, peak);
  fmt::print(
      "data       {:8.3f} s\nforward    {:8.3f} s\nbackward   {:8.3f} s\noptimiser  {:8.3f} s\nother      {:8.3f} s\n",
      times.data, times.forward, times.backward, times.optimiser,
      std::max(0.0, times.whole - times.data - times.forward - times.backward - times.optimiser));
  fmt::print("step       {:8.3f} s\n", times.whole);
  fmt::print("{:.3f} images/s in {}; {:.0f} foreground regions an image; peak memory {:.0f} MiB\n", images,
             times.precision, times.foreground, times.peak_memory_mib);
  fmt::print(
      "Matrix peak {:.0f} GFLOP/s; LibTorch's linear 1000 x 12544 -> 1024 {:.0f}, convolution 3x3 256 -> 256, "
      "200 x 304 {:.0f} GFLOP/s\n",
      peak / 1e9, times.linear_flops / 1e9, times.convolution_flops / 1e9);
  return 0;
}

}  // namespace

void add_bench_train_command(CLI::App& bench) {
  CLI::App* command = bench.add_subcommand("train", "Time a training step, stage by stage");
  auto options = std::make_shared<BenchTrainOptions>();
  command->add_option("--config-file", options->config_file, "YAML config")->required();
  command->add_option("--size", options->size, "height and width of the pictures")->expected(2);
  command->add_option("--batch", options->step.batch, "pictures a step")->check(CLI::PositiveNumber);
  command->add_option("--objects", options->step.objects, "annotated objects a picture")->check(CLI::PositiveNumber);
  command->add_option("--repeat", options->step.repeat, "steps timed, after three that are not")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_option("--dataset", options->step.datasets,
                      "name, or ANNOTATIONS.json:IMAGES: pictures from there, by the loader, instead of made-up ones");
  command->add_flag("--new-sizes", options->step.new_sizes, "each step another size of about that area");
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
