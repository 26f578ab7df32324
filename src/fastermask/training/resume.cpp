// Training checkpoints: writing them so that nothing is lost, and going on from the newest that can be read.
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/schedule.h"
#include "fastermask/weights/torch_file.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

constexpr const char* kResume = "checkpoint";
constexpr const char* kPointer = "last_checkpoint";

// The iteration in "model_0004999.pth"; none for other names.
std::optional<std::int64_t> iteration_of(const std::string& name) {
  constexpr std::string_view kPrefix = "model_", kSuffix = ".pth";
  if (name.size() <= kPrefix.size() + kSuffix.size() || name.compare(0, kPrefix.size(), kPrefix) != 0)
    return std::nullopt;
  if (name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) != 0) return std::nullopt;
  const std::string digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos || digits.size() > 18) return std::nullopt;
  return std::stoll(digits);
}

// The numbered checkpoints of a folder, by iteration.
std::map<std::int64_t, std::string> numbered_checkpoints(const std::string& folder) {
  std::map<std::int64_t, std::string> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (const auto iteration = iteration_of(name)) found[*iteration] = name;
  }
  return found;
}

void remove_old_checkpoints(const std::string& folder, int keep) {
  if (keep <= 0) return;
  std::map<std::int64_t, std::string> found = numbered_checkpoints(folder);
  while (found.size() > static_cast<std::size_t>(keep)) {
    std::error_code error;
    fs::remove(join_path(folder, found.begin()->second), error);
    if (error) log_warning(kResume, "cannot remove {}: {}", join_path(folder, found.begin()->second), error.message());
    found.erase(found.begin());
  }
}

// The names to try, newest first: the one last_checkpoint names, then those before it.
std::vector<std::string> candidates(const std::string& folder, const std::string& newest) {
  std::vector<std::string> names = {newest};
  const auto newest_iteration = iteration_of(newest);
  const std::map<std::int64_t, std::string> numbered = numbered_checkpoints(folder);
  for (auto it = numbered.rbegin(); it != numbered.rend(); ++it) {
    if (it->second != newest && (!newest_iteration || it->first < *newest_iteration)) names.push_back(it->second);
  }
  return names;
}

struct ReadableCheckpoint {
  std::string path;
  PickleValue tree;
};

ReadableCheckpoint newest_readable(const std::string& folder, const std::string& newest) {
  std::string first_problem;
  for (const std::string& name : candidates(folder, newest)) {
    const std::string path = join_path(folder, name);
    std::string problem;
    try {
      if (is_file(path)) {
        log_info(kResume, "Loading from {} ...", path);
        return {path, load_torch_file(path)};
      }
      problem = fmt::format("checkpoint: {} names {}, which does not exist", join_path(folder, kPointer), path);
    } catch (const Error& error) {
      problem = error.what();
    }
    log_error(kResume, "{}", problem);
    if (first_problem.empty()) first_problem = problem;
    log_error(kResume, "This checkpoint cannot be used; looking for the one before it");
  }
  fail<WeightsError>("{}\ncheckpoint: {} has no other checkpoint to go on from; start again without --resume",
                     first_problem, folder);
}

NamedArrays arrays_of(const PickleValue& state_dict) {
  NamedArrays arrays;
  for (const PickleEntry& entry : state_dict.entries()) {
    if (entry.value.is_array()) arrays.emplace(entry.key.text(), entry.value.as_array());
  }
  return arrays;
}

}  // namespace

void check_checkpoint_folder(const std::string& folder, const TrainableRcnn& model) {
  make_folders(folder);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    // As write_file_atomic() calls them.
    const std::string name = entry.path().filename().string();
    const std::size_t mark = name.rfind(".tmp-");
    if (mark == std::string::npos || name.find_first_not_of("0123456789-", mark + 5) != std::string::npos) continue;
    fs::remove(entry.path(), error);
  }
  const std::string probe = join_path(folder, ".write-test");
  write_file_atomic(probe, "x");  // throws, naming the reason
  fs::remove(probe, error);
  std::uint64_t needed = 0;
  for (const StoredParameter& stored : model.parameters().all()) {
    needed += static_cast<std::uint64_t>(stored.tensor.numel()) * sizeof(float) * (stored.info.trainable ? 2 : 1);
  }
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return;
  const std::uint64_t room = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  if (room < needed) {
    fail("{}: a checkpoint needs {}, but the disk has only {} left", folder, format_bytes(needed), format_bytes(room));
  }
}

void save_checkpoint(const std::string& folder, const std::string& name, const TrainingState& state,
                     const ResumePoint& point, int keep) {
  const std::string path = join_path(folder, name + ".pth");
  log_info(kResume, "Saving checkpoint to {}", path);
  const SolverConfig& solver = state.model->config().solver;
  PickleValue scheduler = PickleValue::dict();
  scheduler.set("last_epoch", PickleValue::integer(point.next_iteration));
  scheduler.set("base_lrs", PickleValue::list({PickleValue::real(solver.base_lr)}));
  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(state.model->parameters().state()));
  tree.set("optimizer", state.optimizer->state(learning_rate(solver, point.next_iteration) * point.rate_factor));
  tree.set("scheduler", std::move(scheduler));
  tree.set("iteration", PickleValue::integer(point.next_iteration - 1));
  if (state.ema != nullptr) tree.set("ema_state", PickleValue::state_dict(state.ema->state()));
  PickleValue ours = PickleValue::dict();
  // 64 unsigned bits: more than an int holds.
  if (point.seed) ours.set("seed", PickleValue::string(std::to_string(*point.seed)));
  ours.set("rate_factor", PickleValue::real(point.rate_factor));
  ours.set("hooks", point.hooks);
  tree.set("fastermask", std::move(ours));
  save_torch_file(path, tree);
  write_file_atomic(join_path(folder, kPointer), name + ".pth");
  remove_old_checkpoints(folder, keep);
}

void save_weights(const std::string& path, const NamedArrays& weights) {
  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(weights));
  save_torch_file(path, tree);
}

std::optional<ResumePoint> resume_from_checkpoint(const std::string& folder, const TrainingState& state) {
  const std::string pointer = join_path(folder, kPointer);
  if (!is_file(pointer)) return std::nullopt;
  const auto [path, tree] = newest_readable(folder, std::string(trim(read_file(pointer))));
  if (tree.find("iteration") == nullptr || tree.find("optimizer") == nullptr) {
    fail<WeightsError>(
        "checkpoint: {} is no training checkpoint: it has no 'iteration' and 'optimizer'; start without "
        "--resume and with MODEL.WEIGHTS {}",
        path, path);
  }
  restore_model(weights_of_tree(tree, path), *state.model);
  if (!state.optimizer->load_state(tree.at("optimizer"))) {
    log_warning(kResume, "{} was written by another program; the optimiser's averages start from zero", path);
  }
  ResumePoint point;
  point.next_iteration = tree.at("iteration").as_int() + 1;
  if (const PickleValue* ours = tree.find("fastermask")) {
    if (const PickleValue* seed = ours->find("seed")) point.seed = std::strtoull(seed->text().c_str(), nullptr, 10);
    if (const PickleValue* factor = ours->find("rate_factor")) point.rate_factor = factor->as_double();
    if (const PickleValue* hooks = ours->find("hooks")) point.hooks = *hooks;
  }
  if (state.ema != nullptr) {
    if (const PickleValue* average = tree.find("ema_state")) {
      state.ema->load_state(arrays_of(*average));
    } else {
      log_warning(kResume, "{} holds no averaged weights; the average starts from the weights", path);
      state.ema->load_state(state.model->parameters().state());
    }
  }
  return point;
}

}  // namespace fastermask
