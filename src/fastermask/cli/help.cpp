#include "fastermask/cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/command.h"

namespace fastermask::cli {
namespace {

constexpr std::size_t kHelpWidth = 100;
constexpr std::size_t kHelpColumn = 30;  // where descriptions begin
constexpr const char* kExitStatus = "0: done. 1: failed. 2: wrong usage or configuration.";

// All that --help and the man page show of one command.
struct Help {
  std::string summary;
  std::vector<std::string> notes;     // paragraphs, whose line breaks count
  std::vector<std::string> examples;  // of one or several lines
  HelpPage page;
};

const HelpPage* page_of(const std::string& command) {
  for (const HelpPage& page : help_pages()) {
    if (page.command == command) return &page;
  }
  return nullptr;
}

// "data check": the names below the program's.
std::string path_of(const CLI::App* command) {
  std::string path;
  for (; command->get_parent() != nullptr; command = command->get_parent())
    path = command->get_name() + (path.empty() ? "" : " " + path);
  return path;
}

Help help_of(const CLI::App* command) {
  Help help;
  help.summary = command->get_description();
  const std::string path = path_of(command);
  if (const HelpPage* page = page_of(path); page != nullptr) help.page = *page;
  static const std::string kExample = "Example: ";
  std::istringstream footer(command->get_footer());
  bool in_example = false;
  for (std::string line; std::getline(footer, line);) {
    if (starts_with(line, kExample)) {
      help.examples.push_back(line.substr(kExample.size()));
      in_example = true;
    } else if (in_example && starts_with(line, " ")) {
      const std::string text = line.substr(line.find_first_not_of(' '));
      const bool goes_on = help.examples.back().back() == '\\';
      help.examples.back() += (goes_on ? "\n  " : "\n") + text;
    } else if (!line.empty()) {
      help.notes.push_back(line);
      in_example = false;
    }
  }
  help.examples.insert(help.examples.end(), help.page.examples.begin(), help.page.examples.end());
  return help;
}

std::string value_name(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  const std::string type = option.get_type_name();
  const std::size_t brace = type.find('{');
  if (brace != std::string::npos) return type.substr(brace);
  static const std::vector<std::pair<const char*, std::vector<const char*>>> names = {
      {"FILE",
       {"config-file", "weights", "model", "gt", "dt", "report", "csv", "dump", "dump-step", "replay", "html", "fix",
        "image", "plugin", "access-log", "file", "input", "output"}},
      {"DIR", {"images", "labelme", "crops", "masks"}},
      {"SET", {"dataset", "datasets"}},
      {"ADDRESS", {"host", "master-addr", "local-addr"}},
      {"URL", {"dist-url"}}};
  std::string value = type.compare(0, 3, "INT") == 0 || type.compare(0, 4, "UINT") == 0 ? "N"
                      : type.compare(0, 5, "FLOAT") == 0                                ? "X"
                                                                                        : "TEXT";
  const std::string name = option.get_lnames().empty() ? option.get_name(true) : option.get_lnames().front();
  for (const auto& [words, options] : names) {
    if (value == "TEXT" && std::find(options.begin(), options.end(), name) != options.end()) value = words;
  }
  if (name == "output" && option.get_description().find("folder") != std::string::npos) value = "DIR";
  if (option.get_items_expected_max() == 2) value += " " + value;
  if (option.get_items_expected_max() > 2) value += " ...";
  return value;
}

// "between 0 and 1; default 0.5"
std::string limits_of(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  std::string text;
  const std::string type = option.get_type_name();
  const std::size_t range = type.find(" in [");
  if (range != std::string::npos) {
    std::string bounds = type.substr(range + 5, type.find(']', range) - range - 5);
    if (const std::size_t dash = bounds.find(" - "); dash != std::string::npos) bounds.replace(dash, 3, " to ");
    text = bounds;
  }
  std::string value = option.get_default_str();
  if (value == "[]" || value == "\"\"") value.clear();
  if (starts_with(value, "[") && value.back() == ']') value = value.substr(1, value.size() - 2);
  if (!value.empty()) text += (text.empty() ? "default " : "; default ") + value;
  if (option.get_required() && !option.get_positional()) text += text.empty() ? "required" : "; required";
  return text;
}

std::string left_of(const CLI::Option& option, bool positional) {
  std::string left;
  if (positional) {
    left = option.get_name(true);
    if (option.get_items_expected_max() > 2) left += " ...";
    return left;
  }
  for (const std::string& name : option.get_snames()) left += (left.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) left += (left.empty() ? "--" : ", --") + name;
  const std::string value = value_name(option);
  return value.empty() ? left : left + " " + value;
}

std::string right_of(const CLI::Option& option) {
  const std::string limits = limits_of(option);
  return option.get_description() + (limits.empty() ? "" : " [" + limits + "]");
}

// `left` in its column, `right` beside it in lines.
std::string two_columns(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  out +=
      out.size() + 2 > kHelpColumn ? "\n" + std::string(kHelpColumn, ' ') : std::string(kHelpColumn - out.size(), ' ');
  std::istringstream words(right);
  std::size_t at = kHelpColumn;
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && at + 1 + word.size() > kHelpWidth) {
      out += "\n" + std::string(kHelpColumn, ' ');
      at = kHelpColumn;
      first = true;
    }
    out += (first ? "" : " ") + word;
    at += word.size() + (first ? 0 : 1);
  }
  return out + "\n";
}

std::vector<const CLI::Option*> positionals_of(const CLI::App* command) {
  return command->get_options([](const CLI::Option* option) { return option->get_positional(); });
}

// The headings and what stands below each, --help last.
std::vector<std::pair<std::string, std::vector<const CLI::Option*>>> groups_of(const CLI::App* command,
                                                                               const HelpPage& page) {
  std::vector<std::pair<std::string, std::vector<const CLI::Option*>>> groups;
  std::vector<const CLI::Option*> rest;
  for (const auto& group : page.groups) groups.emplace_back(group.first, std::vector<const CLI::Option*>());
  const auto named = [](const CLI::Option* option) { return option->nonpositional() && !option->get_group().empty(); };
  for (const CLI::Option* option : command->get_options(named)) {
    if (option == command->get_help_ptr()) continue;
    std::size_t at = 0;
    const auto has = [&](const std::string& name) { return option->check_name(name); };
    while (at < page.groups.size() && std::none_of(page.groups[at].second.begin(), page.groups[at].second.end(), has))
      ++at;
    (at < groups.size() ? groups[at].second : rest).push_back(option);
  }
  if (command->get_help_ptr() != nullptr) rest.push_back(command->get_help_ptr());
  groups.emplace_back(page.groups.empty() ? "Options" : "Other options", rest);
  groups.erase(std::remove_if(groups.begin(), groups.end(), [](const auto& group) { return group.second.empty(); }),
               groups.end());
  return groups;
}

std::string usage_of(const CLI::App* command, const std::string& name) {
  std::string usage = name;
  const bool below = !command->get_subcommands([](const CLI::App*) { return true; }).empty();
  usage += below ? " COMMAND" : " [OPTION ...]";
  for (const CLI::Option* option : positionals_of(command)) {
    const std::string text = left_of(*option, true);
    usage += option->get_required() ? " " + text : " [" + text + "]";
  }
  return usage + (command->get_allow_extras() && !command->get_prefix_command() ? " [KEY VALUE ...]" : "");
}

std::string section(const std::string& heading, const std::string& text) {
  return text.empty() ? "" : "\n" + heading + ":\n" + text;
}

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* command, std::string name, CLI::AppFormatMode) const override {
    const Help help = help_of(command);
    const std::string path = path_of(command);
    name = path.empty() ? command->get_name() : "fastermask " + path;
    std::string out = help.summary + "\n\nUsage: " + usage_of(command, name) + "\n";
    std::string text;
    for (const CLI::Option* option : positionals_of(command))
      text += two_columns(left_of(*option, true), right_of(*option));
    out += section("Arguments", text);
    for (const auto& [heading, options] : groups_of(command, help.page)) {
      text.clear();
      for (const CLI::Option* option : options) text += two_columns(left_of(*option, false), right_of(*option));
      out += section(heading, text);
    }
    text.clear();
    for (const CLI::App* below : command->get_subcommands([](const CLI::App*) { return true; }))
      text += two_columns(below->get_name(), below->get_description());
    out += section("Subcommands", text);
    return out + closing(help);
  }

 private:
  static std::string closing(const Help& help) {
    std::string out, text;
    for (const std::string& note : help.notes) out += (out.empty() ? "\n" : "") + note + "\n";
    for (const std::string& example : help.examples) {
      text += "  ";
      for (const char c : example) text += c == '\n' ? std::string("\n  ") : std::string(1, c);
      text += '\n';
    }
    out += section("Examples", text);
    out += "\nExit status:\n  " + std::string(kExitStatus) + "\n";
    if (!help.page.exit_status.empty()) out += "  " + help.page.exit_status + "\n";
    text.clear();
    for (const auto& [file, what] : help.page.files) text += two_columns(file, what);
    out += section("Files", text);
    text.clear();
    for (const std::string& variable : help.page.environment) text += two_columns(variable, environment_text(variable));
    out += section("Environment", text);
    return out + (help.page.see_also.empty() ? "" : section("See also", "  " + join(help.page.see_also, ", ") + "\n"));
  }
};

void set_formatter(CLI::App* command, const std::shared_ptr<HelpFormatter>& formatter) {
  command->formatter(formatter);
  for (CLI::App* below : command->get_subcommands([](CLI::App*) { return true; })) set_formatter(below, formatter);
}

// Text that roff takes as it is.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else
      out += c;
  }
  if (!out.empty() && out[0] == '.') out.insert(0, "\\&");
  return out;
}

std::string roff_entry(const std::string& left, const std::string& right) {
  return ".TP\n\\fB" + roff(left) + "\\fR\n" + roff(right) + "\n";
}

std::string roff_lines(const std::string& text) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += roff(line) + "\n";
  return out;
}

}  // namespace

const char* const kManCommand = "__man";

void arrange_help(CLI::App& app) { set_formatter(&app, std::make_shared<HelpFormatter>()); }

std::string man_page(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (const std::string& word : words) {
    command = command_below(*command, word);
    if (command == nullptr) fail<UsageError>("{}: there is no command of that name", join(words, " "));
  }
  const Help help = help_of(command);
  const std::string name = words.empty() ? "fastermask" : "fastermask-" + join(words, "-");
  const std::string program = words.empty() ? "fastermask" : "fastermask " + join(words, " ");
  std::string out = fmt::format(".TH {} 1 \"\" \"FasterMask {}\" \"FasterMask\"\n", to_upper(name), FASTERMASK_VERSION);
  out += ".SH NAME\n" + roff(name) + " \\- " + roff(help.summary) + "\n";
  out += ".SH SYNOPSIS\n.B " + roff(usage_of(command, program)) + "\n";
  if (!help.notes.empty()) out += ".SH DESCRIPTION\n" + roff_lines(join(help.notes, "\n"));
  const std::vector<const CLI::Option*> positionals = positionals_of(command);
  if (!positionals.empty()) out += ".SH ARGUMENTS\n";
  for (const CLI::Option* option : positionals) out += roff_entry(left_of(*option, true), right_of(*option));
  out += ".SH OPTIONS\n";
  for (const auto& [heading, options] : groups_of(command, help.page)) {
    if (heading != "Options") out += ".SS " + roff(heading) + "\n";
    for (const CLI::Option* option : options) out += roff_entry(left_of(*option, false), right_of(*option));
  }
  const auto below = command->get_subcommands([](const CLI::App*) { return true; });
  if (!below.empty()) out += ".SH COMMANDS\n";
  for (const CLI::App* one : below) out += roff_entry(one->get_name(), one->get_description());
  if (!help.examples.empty()) out += ".SH EXAMPLES\n";
  for (const std::string& example : help.examples) out += ".EX\n" + roff_lines(example) + ".EE\n";
  out += ".SH EXIT STATUS\n" + roff(kExitStatus) + "\n" + roff_lines(help.page.exit_status);
  if (!help.page.files.empty()) out += ".SH FILES\n";
  for (const auto& [file, what] : help.page.files) out += roff_entry(file, what);
  if (!help.page.environment.empty()) out += ".SH ENVIRONMENT\n";
  for (const std::string& variable : help.page.environment) out += roff_entry(variable, environment_text(variable));
  if (!help.page.see_also.empty()) out += ".SH SEE ALSO\n" + roff(join(help.page.see_also, ", ")) + "\n";
  return out;
}

}  // namespace fastermask::cli
