// `fastermask serve`.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/model_classes.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/graph/network.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/model_weights.h"
#include "fastermask/runtime/supported.h"
#include "fastermask/serve/service.h"

namespace fastermask::cli {
namespace {

struct ServeCommandOptions {
  std::string model, config_file, weights;
  int threads = 0;
  ServiceOptions service;
};

// A package in the temporary folder, removed at the end.
class TemporaryPackage {
 public:
  TemporaryPackage(const std::string& config_file, const std::string& weights,
                   const std::vector<std::string>& overrides)
      : path_((std::filesystem::temp_directory_path() / fmt::format("fastermask-serve-{}.fmm", getpid())).string()) {
    Config config = load_model_config(config_file, overrides);
    if (!weights.empty()) config.model.weights = weights;
    check_inference_supported(config);
    const Network network = build_network(config);
    const CompiledWeights compiled = compile_weights(network, load_network_weights(config.model.weights, network), {});
    save_model_package(path_, config, find_model_classes(config), compiled);
  }
  ~TemporaryPackage() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryPackage(const TemporaryPackage&) = delete;
  TemporaryPackage& operator=(const TemporaryPackage&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Predictor load_served_model(const ServeCommandOptions& options, const std::vector<std::string>& overrides) {
  const PredictorOptions how{options.service.lowest_threshold, options.threads};
  if (!options.model.empty()) return Predictor(options.model, how);
  const TemporaryPackage package(options.config_file, options.weights, overrides);
  return Predictor(package.path(), how);
}

void run_serve(const CLI::App& command, ServeCommandOptions options) {
  const std::vector<std::string> overrides = overrides_of(command);
  if (options.model.empty() == options.config_file.empty())
    fail<UsageError>("serve: give either --model M.fmm, or --config-file F with --weights W");
  if (!options.model.empty() && (!options.weights.empty() || !overrides.empty()))
    fail<UsageError>("serve: a model package has its weights and config in it; leave --weights and KEY VALUE out");
  ServiceOptions& service = options.service;
  service.lowest_threshold = std::min(service.lowest_threshold, service.score_threshold);
  block_stop_signals();
  const Predictor predictor = load_served_model(options, overrides);
  run_service(predictor, service, [&](int port) {
    const bool ipv6 = service.host.find(':') != std::string::npos;
    log_info("serve", "{} classes at http://{}:{}/ (Ctrl-C ends)", predictor.class_names().size(),
             ipv6 ? "[" + service.host + "]" : service.host, port);
  });
}

void add_limits(CLI::App& command, ServiceOptions& service) {
  command.add_option("--batch", service.batch, "pictures of one size predicted together at most")
      ->check(CLI::PositiveNumber);
  command.add_option("--workers", service.workers, "batches predicted at the same time, each with memory of its own")
      ->check(CLI::Range(1, 64));
  command.add_option("--queue", service.queue, "pictures that wait at most; beyond it: 503")
      ->check(CLI::PositiveNumber);
  command.add_option("--connections", service.connections, "connections answered at the same time")
      ->check(CLI::Range(1, 4096));
  command.add_option("--max-body", service.max_body_megabytes, "megabytes of a request")->check(CLI::PositiveNumber);
  command.add_option("--max-megapixels", service.max_megapixels, "of a picture")->check(CLI::Range(0.001, 400.0));
  command.add_option("--max-pictures", service.max_pictures, "in one request")->check(CLI::PositiveNumber);
  command
      .add_option("--request-timeout", service.request_seconds,
                  "seconds for a request to arrive, and for its answer to be taken")
      ->check(CLI::PositiveNumber);
  command.add_option("--idle-timeout", service.idle_seconds, "seconds between two requests of a connection")
      ->check(CLI::PositiveNumber);
  command.add_option("--queue-timeout", service.queue_seconds, "seconds that a picture waits for its turn; then: 503")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void add_serve_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("serve", "Answer over HTTP what is in pictures; with a page to try it");
  auto options = std::make_shared<ServeCommandOptions>();
  ServiceOptions& service = options->service;
  command->option_defaults()->always_capture_default();
  command->add_option("--model", options->model, "model package, made by 'fastermask compile'")->capture_default_str();
  command->add_option("--config-file", options->config_file, "YAML config, instead of --model");
  command->add_option("--weights", options->weights, "weight file; otherwise MODEL.WEIGHTS");
  command->add_option("--host", service.host, "address to listen at; 0.0.0.0 is every one of this machine");
  command->add_option("--port", service.port, "port; 0 is any that is free")->check(CLI::Range(0, 65535));
  command->add_option("--score-threshold", service.score_threshold, "of answers that ask for no other")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--lowest-threshold", service.lowest_threshold, "that ?threshold= and the page can ask for")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_option("--access-log", service.access_log, "append a JSON line a request to this file; - is stderr");
  add_limits(*command, service);
  accept_overrides(*command);
  command->footer(
      "Example: fastermask serve --model model.fmm --port 8080\n"
      "         curl --data-binary @picture.jpg http://127.0.0.1:8080/v1/predict");
  command->callback([command, options] { run_serve(*command, *options); });
}

}  // namespace fastermask::cli
