// The commands of the two programs. Each add_*_command declares one command (its options, help and example) on `app`
// and what it does when chosen; the work throws Error for anything the user should read.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

namespace fastermask::cli {

using AddCommand = std::function<void(CLI::App& app)>;

// Parses the command line and runs the chosen command. Prints errors to stderr as "fastermask: <message>" with a 'did
// you mean' for unknown commands and options. Returns the exit status: 0 done, 1 failed, 2 wrong usage or config.
int run_program(const std::string& name, const std::string& description, const std::vector<AddCommand>& commands,
                int argc, char** argv);

// fastermask
void add_cocoeval_command(CLI::App& app);
void add_data_command(CLI::App& app);
void add_convert_command(CLI::App& app);
void add_info_command(CLI::App& app);
void add_evaluate_command(CLI::App& app);
void add_predict_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_compile_command(CLI::App& app);
void add_serve_command(CLI::App& app);
// train is listed here too, so that --help shows it; it starts fastermask-train.
void add_training_stubs(CLI::App& app);

// The command of that name directly below; null when there is none.
const CLI::App* command_below(const CLI::App& app, const std::string& name);

// When `words` lead to one of those commands: that. Null otherwise.
const CLI::App* training_stub_of(const CLI::App& app, const std::vector<std::string>& words);
// Becomes fastermask-train, which prints how the words go on. Returns only by throwing.
void complete_in_training_program(const std::vector<std::string>& words);
// The same for a man page.
void print_man_page_in_training_program(const std::vector<std::string>& words);

// fastermask-train
void add_train_command(CLI::App& app);
void add_training_bench_command(CLI::App& app);

}  // namespace fastermask::cli
