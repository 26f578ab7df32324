// Configs as YAML in the layout of detectron2's own dumps: keys sorted, lists in block style.
#include <algorithm>

#include "fastermask/base/text.h"
#include "fastermask/config/format.h"
#include "fastermask/config/keys.h"
#include "fastermask/config/load.h"

namespace fastermask {
namespace {

using Lines = std::vector<std::string>;

// A value in block style: one line for a single value, a line for each entry of a list ("- - 32" begins a list in a
// list). Lines of a list start at the indentation of their key.
struct BlockFormatter {
  bool bare;

  Lines block(bool value) const { return {value ? "true" : "false"}; }
  Lines block(int value) const { return {std::to_string(value)}; }
  Lines block(std::int64_t value) const { return {std::to_string(value)}; }
  Lines block(double value) const { return {yaml_number(value, bare)}; }
  Lines block(const std::string& value) const { return {yaml_word(value)}; }
  Lines block(const std::optional<double>& value) const { return value ? block(*value) : Lines{"null"}; }
  Lines block(const ExpectedResult& row) const {
    return {"- " + yaml_word(row.task), "- " + yaml_word(row.metric), "- " + yaml_number(row.value, false),
            "- " + yaml_number(row.tolerance, false)};
  }

  template <class T>
  Lines block(const std::vector<T>& list) const {
    if (list.empty()) return {"[]"};
    Lines lines;
    for (const T& element : list) {
      const Lines inner = block(element);
      for (std::size_t i = 0; i < inner.size(); ++i) lines.push_back((i == 0 ? "- " : "  ") + inner[i]);
    }
    return lines;
  }
};

std::string dump_key(const ConfigKey& key, const std::string& name, const std::string& indentation) {
  const BlockFormatter formatter{key.check.whole_numbers_bare};
  const Lines lines = std::visit([&](const auto* value) { return formatter.block(*value); }, key.slot);
  std::string out = indentation + name + ":";
  if (!starts_with(lines[0], "- ")) return out + " " + lines[0] + "\n";
  for (const std::string& line : lines) out += "\n" + indentation + line;
  return out + "\n";
}

// Prints keys that are sorted part by part: a section's heading whenever a new one begins.
std::string dump_sorted(const std::vector<ConfigKey>& keys) {
  std::string out;
  std::vector<std::string> open;
  for (const ConfigKey& key : keys) {
    std::vector<std::string> parts = split(key.name, '.');
    const std::string name = parts.back();
    parts.pop_back();
    std::size_t common = 0;
    while (common < open.size() && common < parts.size() && open[common] == parts[common]) ++common;
    for (std::size_t i = common; i < parts.size(); ++i) out += std::string(2 * i, ' ') + parts[i] + ":\n";
    open = parts;
    out += dump_key(key, name, std::string(2 * parts.size(), ' '));
  }
  return out;
}

std::string dump_keys(const Config& config, bool only_differences) {
  Config copy = config;
  Config defaults;
  const std::vector<ConfigKey> keys = config_keys(copy);
  const std::vector<ConfigKey> default_keys = config_keys(defaults);
  std::vector<ConfigKey> chosen;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool may_leave_out = only_differences || keys[i].check.ours_alone;
    if (!may_leave_out || !same_value(keys[i].slot, default_keys[i].slot)) chosen.push_back(keys[i]);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const ConfigKey& a, const ConfigKey& b) { return split(a.name, '.') < split(b.name, '.'); });
  return dump_sorted(chosen);
}

}  // namespace

std::string dump_config(const Config& config) { return dump_keys(config, false); }

std::string dump_config_differences(const Config& config) { return dump_keys(config, true); }

}  // namespace fastermask
