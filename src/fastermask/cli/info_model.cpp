// `fastermask info model`.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "fastermask/base/text.h"
#include "fastermask/cli/info.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/graph/summary.h"

namespace fastermask::cli {
namespace {

struct InfoModelOptions {
  std::string config_file;
  bool json = false;
  bool names = false;
};

// What a picture of the usual 4:3 becomes at test time, and the most regions that may reach the heads.
struct InfoModelWorkload {
  ImageSize size;
  int proposals = 0;
  int detections = 0;
};

InfoModelWorkload info_model_workload(const Config& config) {
  InfoModelWorkload load;
  const int edge = config.input.min_size_test > 0 ? config.input.min_size_test : 800;
  load.size = {edge, std::min(edge * 4 / 3, config.input.max_size_test)};
  load.proposals = config.model.rpn.post_nms_topk_test;
  load.detections = std::max(config.test.detections_per_image, 0);
  return load;
}

void info_model_print_json(const Network& network, const InfoModelWorkload& load, bool names) {
  const NetworkSummary summary = summarise(network, load.size, load.proposals, load.detections);
  nlohmann::ordered_json json;
  json["image_size"] = {load.size.height, load.size.width};
  json["proposals"] = load.proposals;
  json["detections"] = load.detections;
  json["parts"] = nlohmann::ordered_json::array();
  for (const GraphSummary& part : summary.graphs) {
    json["parts"].push_back({{"name", part.name},
                             {"parameters", part.parameters},
                             {"trainable", part.trainable},
                             {"flops", part.flops},
                             {"activation_bytes", part.activation_bytes}});
  }
  json["total"] = {{"parameters", summary.parameters}, {"trainable", summary.trainable}, {"flops", summary.flops}};
  if (names) {
    json["arrays"] = nlohmann::ordered_json::array();
    for (const Parameter& parameter : network.parameters()) {
      json["arrays"].push_back(
          {{"name", parameter.name}, {"shape", parameter.shape}, {"trainable", parameter.trainable}});
    }
  }
  fmt::print("{}\n", json.dump(2));
}

void info_model_print_names(const Network& network) {
  std::size_t width = 4;
  for (const Parameter& parameter : network.parameters()) width = std::max(width, parameter.name.size());
  for (const Parameter& parameter : network.parameters()) {
    fmt::print("{:<{}}  {}{}\n", parameter.name, width, to_string(parameter.shape),
               parameter.trainable ? "" : "  frozen");
  }
  fmt::print("\n");
}

void info_model_print_table(const Network& network, const InfoModelWorkload& load) {
  const NetworkSummary summary = summarise(network, load.size, load.proposals, load.detections);
  const auto row = [](const std::string& name, std::int64_t parameters, std::int64_t trainable, std::int64_t flops,
                      const std::string& activations) {
    fmt::print("{:<16}{:>14}{:>14}{:>12.1f}{:>14}\n", name, parameters, trainable, static_cast<double>(flops) / 1e9,
               activations);
  };
  fmt::print("{:<16}{:>14}{:>14}{:>12}{:>14}\n", "part", "parameters", "trainable", "GFLOP", "activations");
  for (const GraphSummary& part : summary.graphs) {
    row(part.name, part.parameters, part.trainable, part.flops,
        format_bytes(static_cast<std::uint64_t>(part.activation_bytes)));
  }
  row("total", summary.parameters, summary.trainable, summary.flops, "");
  fmt::print(
      "\nfor one picture of {} x {} (width x height), {} proposals and {} detections; a multiply-add counts as two\n",
      load.size.width, load.size.height, load.proposals, load.detections);
}

void info_model_run(const CLI::App& command, const InfoModelOptions& options) {
  const Config config = load_config(options.config_file, overrides_of(command));
  const Network network = build_network(config);
  const InfoModelWorkload load = info_model_workload(config);
  if (options.json) {
    info_model_print_json(network, load, options.names);
    return;
  }
  if (options.names) info_model_print_names(network);
  info_model_print_table(network, load);
}

}  // namespace

void add_info_model(CLI::App& info) {
  CLI::App* command = info.add_subcommand("model", "Print a model's size: parameters, multiply-adds, activations");
  auto options = std::make_shared<InfoModelOptions>();
  command->add_option("--config-file", options->config_file, "YAML config")->required();
  command->add_flag("--names", options->names, "list every parameter with its shape, too");
  command->add_flag("--json", options->json, "as one JSON document");
  command->footer("Example: fastermask info model --config-file COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml");
  accept_overrides(*command);
  command->callback([command, options] { info_model_run(*command, *options); });
}

}  // namespace fastermask::cli
