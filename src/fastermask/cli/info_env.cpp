// `fastermask info env`: what to put into a bug report.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "fastermask/cli/info.h"
#include "fastermask/report/environment.h"

namespace fastermask::cli {
namespace {

void info_env_print(bool json) {
  if (json) {
    nlohmann::ordered_json facts;
    for (const auto& [name, value] : environment_facts()) {
      const bool number = value.find_first_not_of("0123456789") == std::string::npos;
      facts[name] = number ? nlohmann::ordered_json::parse(value) : nlohmann::ordered_json(value);
    }
    fmt::print("{}\n", facts.dump(2));
    return;
  }
  for (const auto& [name, value] : environment_facts()) fmt::print("{:<27}{}\n", name, value);
}

}  // namespace

void add_info_env(CLI::App& info) {
  CLI::App* command = info.add_subcommand("env", "Print versions and what is known of this machine");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "as one JSON document");
  command->footer("Example: fastermask info env");
  command->callback([json] { info_env_print(*json); });
}

}  // namespace fastermask::cli
