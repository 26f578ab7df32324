// `fastermask train`.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/training/collectives.h"
#include "fastermask/training/device.h"
#include "fastermask/training/dump_step.h"
#include "fastermask/training/launch.h"
#include "fastermask/training/run.h"

namespace fastermask::cli {
namespace {

struct TrainOptions {
  std::string config_file;
  int num_procs = 1;
  int num_machines = 1;
  int machine_rank = 0;
  std::string master_addr;
  std::string local_addr;
  int master_port = 23333;
  std::string dist_url;
  std::vector<int> device_ids;
  bool resume = false;
  bool eval_only = false;
  bool exact = false;
  std::vector<std::string> plugins;
  std::string backend;
  int max_restarts = 0;
  int min_procs = 0;
  int threads = 0;
  std::string replay;
  std::string dump_step;
  int steps = 1;
  std::string sampling = "random";
};

// The words after this program's name.
std::vector<std::string> program_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  words.erase(words.begin());
  return words;
}

// --dist-url tcp://HOST:PORT, as detectron2 has it, in the place of --master-addr and --master-port.
void apply_dist_url(const std::string& url, RankPlace& place) {
  if (url.empty() || url == "auto") return;
  const std::size_t host = url.find("://"), colon = url.rfind(':');
  if (url.compare(0, 6, "tcp://") != 0 || colon <= host)
    fail<UsageError>("train: --dist-url must be tcp://HOST:PORT or auto, got '{}'", url);
  place.address = url.substr(host + 3, colon - host - 3);
  place.port = std::atoi(url.c_str() + colon + 1);
}

// This process's place. False when it is to launch the processes of this machine; the place is then that of the first.
bool find_place(const TrainOptions& options, RankPlace& place) {
  if (options.machine_rank < 0 || options.machine_rank >= options.num_machines) {
    fail<UsageError>("train: --machine-rank must be 0 to {} with --num-machines {}, got {}", options.num_machines - 1,
                     options.num_machines, options.machine_rank);
  }
  if (!options.master_addr.empty()) place.address = options.master_addr;
  place.port = options.master_port;
  apply_dist_url(options.dist_url, place);
  place.address_given = !options.master_addr.empty() || !options.dist_url.empty();
  place.local_address = options.local_addr;
  if (const char* own = std::getenv("FASTERMASK_LOCAL_ADDR"); own != nullptr && options.local_addr.empty())
    place.local_address = own;
  if (const char* seconds = std::getenv("FASTERMASK_TIMEOUT")) place.timeout_seconds = std::atof(seconds);
  if (place.timeout_seconds <= 0) fail<UsageError>("train: FASTERMASK_TIMEOUT must be a number of seconds above 0");
  if (place_from_environment(place, options.num_procs > 1)) return true;
  place.rank = options.machine_rank * options.num_procs;
  place.world_size = options.num_machines * options.num_procs;
  place.local_size = options.num_procs;
  if (place.world_size == 1) return true;
  // As the Ascend port's scripts under taskset: LOCAL_RANK alone makes the process that rank.
  const char* local_rank = std::getenv("LOCAL_RANK");
  if (local_rank == nullptr) return false;
  place.local_rank = std::atoi(local_rank);
  place.rank += place.local_rank;
  return true;
}

// --backend, else FASTERMASK_BACKEND, else auto.
std::string wanted_backend(const TrainOptions& options) {
  const char* variable = std::getenv("FASTERMASK_BACKEND");
  const std::string name = !options.backend.empty() ? options.backend : variable != nullptr ? variable : "auto";
  check_backend(name);
  return name;
}

int run_train(const CLI::App& command, const TrainOptions& options) {
  if (!options.replay.empty()) {
    set_num_threads(options.threads);
    return replay_training_step(options.replay) ? 0 : 1;
  }
  if (options.config_file.empty())
    fail<UsageError>("train: --config-file is required; the configs that come with FasterMask are in configs/");
  const Config config = load_model_config(options.config_file, overrides_of(command));
  const std::string backend = wanted_backend(options);
  RankPlace place;
  if (!find_place(options, place)) {
    LaunchOptions launch;
    launch.first = place;
    launch.max_restarts = options.max_restarts;
    launch.min_procs = options.min_procs;
    launch.batch = config.solver.ims_per_batch;
    launch.grace_seconds = std::min(launch.grace_seconds, place.timeout_seconds);
    launch.arguments = program_arguments();
    return launch_processes(launch);
  }
  set_num_threads(options.threads);
  load_device_plugins(options.plugins);
  load_device_plugins(plugins_of_environment());
  const std::string device = resolve_device(config.model.device, options.device_ids, place.local_rank);
  place.backend = resolve_backend(backend, device);
  if (!options.dump_step.empty()) {
    join_processes(place);
    DumpStepOptions dump;
    dump.device = device;
    dump.path = options.dump_step;
    dump.steps = options.steps;
    dump.sampling = options.sampling == "first_k" ? SamplingStrategy::first_k : SamplingStrategy::random;
    dump_training_step(config, dump);
    distributed::stop();
    return 0;
  }
  set_console_log_to_stdout(true);
  return run_training(config, {options.resume, options.eval_only, options.exact, options.config_file, place, device});
}

}  // namespace

void add_train_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a model, or evaluate it with --eval-only");
  auto options = std::make_shared<TrainOptions>();
  command->add_option("--config-file", options->config_file, "YAML config");
  command->add_flag("--resume", options->resume, "continue from the last checkpoint in OUTPUT_DIR, if there is one");
  command->add_flag("--eval-only", options->eval_only, "evaluate MODEL.WEIGHTS on DATASETS.TEST instead of training");
  command->add_flag("--exact", options->exact, "no Winograd convolutions: slower, a fifth of their rounding error");
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_option("--num-procs,--num-gpus", options->num_procs, "training processes on this machine")
      ->check(CLI::PositiveNumber);
  command->add_option("--num-machines", options->num_machines, "machines that train together")
      ->check(CLI::PositiveNumber);
  command->add_option("--machine-rank", options->machine_rank, "this machine's number, from 0");
  command->add_option("--master-addr", options->master_addr, "address of machine 0 (127.0.0.1)");
  command->add_option("--local-addr", options->local_addr,
                      "this machine's address for the others, where it has several (FASTERMASK_LOCAL_ADDR)");
  command->add_option("--master-port", options->master_port, "port on machine 0");
  command->add_option("--dist-url", options->dist_url,
                      "tcp://HOST:PORT in the place of --master-addr and --master-port");
  command
      ->add_option("--max-restarts", options->max_restarts,
                   "with several processes: start again from the last checkpoint when one is lost, so many times")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option(
          "--min-procs", options->min_procs,
          "with --max-restarts, on one machine: restart without the processes that were killed, down to so many")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--device-ids", options->device_ids,
                      "devices of this machine's processes, in their order (0 1 2 ...)");
  command
      ->add_option("--plugin", options->plugins,
                   "shared library that gives LibTorch another device (FASTERMASK_PLUGINS)")
      ->allow_extra_args(false);
  command
      ->add_option("--backend", options->backend,
                   "what carries gradients between processes (FASTERMASK_BACKEND); auto: nccl for cuda devices and "
                   "plugin for a plug-in's, where there is such a thing, else gloo")
      ->check(CLI::IsMember({"auto", "gloo", "nccl", "mpi", "plugin"}));
  command->add_option(
      "--replay", options->replay,
      "run a step again that a training saved because its values were not finite; needs no --config-file");
  command->add_option(
      "--dump-step", options->dump_step,
      "run one step on the first pictures, without chance, and write its intermediates to this .npz file");
  command->add_option("--steps", options->steps, "with --dump-step: SGD steps whose losses are written")
      ->check(CLI::PositiveNumber);
  command->add_option("--sampling", options->sampling, "with --dump-step: how anchors and proposals are chosen")
      ->check(CLI::IsMember({"random", "first_k"}));
  command->footer(
      "Example: fastermask train --config-file configs/tiny/synth_mask_rcnn_R_18_FPN.yaml \\\n"
      "           DATASETS.TRAIN '(\"train.json:images\",)' DATASETS.TEST '(\"val.json:images\",)' OUTPUT_DIR output");
  accept_overrides(*command);
  command->callback([command, options] {
    const int status = run_train(*command, *options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
