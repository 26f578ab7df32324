// `fastermask train` and `bench train`: started in fastermask-train, which carries LibTorch and lies beside this
// program.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/bench.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/completion.h"
#include "fastermask/cli/help.h"

namespace fastermask::cli {
namespace {

// Becomes fastermask-train with the same words of command and arguments. Returns only by throwing.
void start_training_program(const std::vector<std::string>& words_of_command,
                            const std::vector<std::string>& arguments) {
  const std::string command = join(words_of_command, " ");
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string program = join_path(std::filesystem::path(self).parent_path().string(), "fastermask-train");
  if (!is_file(program)) {
    fail("{}: needs {}, which is not there; build with FASTERMASK_TRAINING=ON or install the training package", command,
         program);
  }
  std::vector<std::string> words = {program};
  words.insert(words.end(), words_of_command.begin(), words_of_command.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  fail("{}: cannot start {}: {}", command, program, std::strerror(errno));
}

void add_stub(CLI::App& app, const std::string& name, const std::vector<std::string>& words,
              const std::string& summary) {
  CLI::App* command = app.add_subcommand(name, summary);
  command->set_help_flag();  // --help, too, is for the other program
  command->prefix_command();
  command->callback([command, words] { start_training_program(words, command->remaining()); });
}

}  // namespace

const CLI::App* command_below(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* below) { return below->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

const CLI::App* training_stub_of(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    command = command_below(*command, words[i]);
    if (command == nullptr) return nullptr;
    if (command->get_prefix_command()) return command;
  }
  return nullptr;
}

void complete_in_training_program(const std::vector<std::string>& words) {
  start_training_program({kCompleteCommand}, words);
}

void print_man_page_in_training_program(const std::vector<std::string>& words) {
  start_training_program({kManCommand}, words);
}

void add_training_stubs(CLI::App& app) {
  add_stub(app, "train", {"train"}, "Train a model, or evaluate it with --eval-only");
}

void add_bench_train_stub(CLI::App& bench) {
  add_stub(bench, "train", {"bench", "train"}, "Time a training step: forward, backward, optimiser");
}

}  // namespace fastermask::cli
