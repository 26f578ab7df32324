// `fastermask info env`: what to put into a bug report.
#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "fastermask/base/cpu.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/info.h"

namespace fastermask::cli {
namespace {

constexpr std::uint64_t kBytesInKib = 1024;

// The value of the first line "name : value" in a file of such lines; "" when there is none.
std::string info_env_line(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && trim(line.substr(0, colon)) == name) {
      return std::string(trim(line.substr(colon + 1)));
    }
  }
  return "";
}

// A quantity of /proc/meminfo, such as "MemTotal", in bytes.
std::uint64_t info_env_memory(const std::string& name) {
  const std::string text = info_env_line("/proc/meminfo", name);
  return text.empty() ? 0 : std::stoull(text) * kBytesInKib;
}

std::string info_env_system() {
  utsname system{};
  if (uname(&system) != 0) return "unknown";
  return fmt::format("{} {} {}", system.sysname, system.release, system.machine);
}

// Names and values in the order they are shown.
nlohmann::ordered_json info_env_facts() {
  nlohmann::ordered_json facts;
  facts["fastermask"] = FASTERMASK_VERSION;
  facts["build"] = FASTERMASK_BUILD_TYPE;
  facts["compiler"] = __VERSION__;
  facts["system"] = info_env_system();
  facts["processor"] = info_env_line("/proc/cpuinfo", "model name");
  facts["cores"] = std::thread::hardware_concurrency();
  facts["cores this process may use"] = available_cores();
  facts["instruction set of kernels"] = isa_name(best_isa());
  facts["memory"] = format_bytes(info_env_memory("MemTotal"));
  facts["memory available"] = format_bytes(info_env_memory("MemAvailable"));
  facts["libraries"] = FASTERMASK_LIBRARY_VERSIONS;
  return facts;
}

void info_env_print(bool json) {
  const nlohmann::ordered_json facts = info_env_facts();
  if (json) {
    fmt::print("{}\n", facts.dump(2));
    return;
  }
  for (const auto& [name, value] : facts.items()) {
    fmt::print("{:<27}{}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
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
