// `fastermask train`: started in fastermask-train, which carries LibTorch and lies beside this program.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/cli/command.h"

namespace fastermask::cli {
namespace {

// Becomes fastermask-train with the same command and arguments. Returns only by throwing.
void start_training_program(const std::string& command, const std::vector<std::string>& arguments) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string program = join_path(std::filesystem::path(self).parent_path().string(), "fastermask-train");
  if (!is_file(program)) {
    fail("{}: needs {}, which is not there; build with FASTERMASK_TRAINING=ON or install the training package", command,
         program);
  }
  std::vector<std::string> words = {program, command};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  fail("{}: cannot start {}: {}", command, program, std::strerror(errno));
}

void add_stub(CLI::App& app, const std::string& name, const std::string& summary) {
  CLI::App* command = app.add_subcommand(name, summary);
  command->set_help_flag();  // --help, too, is for the other program
  command->prefix_command();
  command->callback([command, name] { start_training_program(name, command->remaining()); });
}

}  // namespace

void add_training_stubs(CLI::App& app) {
  add_stub(app, "train", "Train a model, or evaluate it with --eval-only");
}

}  // namespace fastermask::cli
