// What both programs do around their commands: parse, run, and turn errors into one line and an exit status.

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <regex>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/completion.h"
#include "fastermask/cli/help.h"

namespace fastermask::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

// Names of the commands (at the top) or options (of a command) that `word` may have meant.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(command->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

// The deepest command that was chosen.
const CLI::App& chosen_command(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  return *deepest;
}

// CLI11's message about a number out of its range, which has limits such as 0.000000 and 309 digits, in our words.
std::string range_message(const CLI::App& command, const std::string& message) {
  static const std::regex kPattern("(.*): Value (.*) not in range ([^ ]+) to ([^ ]+)");
  std::smatch parts;
  if (!std::regex_match(message, parts, kPattern)) return message;
  const CLI::Option* option = command.get_option_no_throw(parts[1]);
  const bool positive = option != nullptr && option->get_type_name().find("POSITIVE") != std::string::npos;
  const double low = std::strtod(parts[3].str().c_str(), nullptr);
  const double high = std::strtod(parts[4].str().c_str(), nullptr);
  const std::string limits = high < 1e300 ? fmt::format("in [{:g}, {:g}]", low, high)
                             : positive   ? "above 0"
                                          : fmt::format("at least {:g}", low);
  return fmt::format("{} must be {}, got {}", parts[1].str(), limits, parts[2].str());
}

std::string usage_message(const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> words = command.remaining();
  std::string message = range_message(command, error.what());
  if (!words.empty() && starts_with(message, "A subcommand is required"))
    message = fmt::format("unknown command '{}'", words[0]);
  for (const std::string& word : words) message += did_you_mean(word, known_words(command));
  return message;
}

int report_usage_error(const CLI::App& app, const CLI::ParseError& error, const std::string& name) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  const std::string message = usage_message(chosen_command(app), error);
  std::string path = name;
  for (const CLI::App* level = &app; !level->get_subcommands().empty();) {
    level = level->get_subcommands().front();
    path += " " + level->get_name();
  }
  std::cerr << name << ": " << message << "\nTry '" << path << " --help'.\n";
  return kUsage;
}

int run_guarded(CLI::App& app, int argc, char** argv, const std::string& name) {
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& error) {  // a command that chose its exit status
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return report_usage_error(app, error, name);
  } catch (const UsageError& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return kUsage;
  } catch (const ConfigError& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return kUsage;
  } catch (const std::bad_alloc&) {
    std::cerr << name << ": out of memory\n";
    return kFailed;
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return kFailed;
  }
}

// What a shell asks for. Commands of the training program are asked of that one.
int print_completions(const CLI::App& app, const std::vector<std::string>& words) {
  try {
    if (const CLI::App* stub = training_stub_of(app, words); stub != nullptr) complete_in_training_program(words);
    for (const std::string& word : complete_words(app, words)) std::cout << word << '\n';
    return std::cout.flush() ? 0 : kFailed;
  } catch (const std::exception&) {
    return kFailed;  // nobody wants an error in the middle of a line
  }
}

// The man page of a command, again asked of the program that has it.
int print_man_page(const CLI::App& app, std::vector<std::string> words) {
  try {
    words.emplace_back();
    const CLI::App* stub = training_stub_of(app, words);
    words.pop_back();
    if (stub != nullptr) print_man_page_in_training_program(words);
    std::cout << man_page(app, words);
    return std::cout.flush() ? 0 : kFailed;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return kFailed;
  }
}

}  // namespace

int run_program(const std::string& name, const std::string& description, const std::vector<AddCommand>& commands,
                int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond `ulimit -f`: an error in writing, not the end
  CLI::App app(description, name);
  app.set_version_flag("--version", name + " " FASTERMASK_VERSION);
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  for (const AddCommand& add : commands) add(app);
  arrange_help(app);
  if (argc > 1 && std::string(argv[1]) == kManCommand) return print_man_page(app, {argv + 2, argv + argc});
  if (argc > 1 && std::string(argv[1]) == kCompleteCommand) return print_completions(app, {argv + 2, argv + argc});
  const int status = run_guarded(app, argc, argv, name);
  std::cout.flush();
  return status;
}

}  // namespace fastermask::cli
