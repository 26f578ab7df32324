// Merged configs compared with what detectron2 makes of the same files (golden/yaml_flags.txt, golden/models/*).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/config/keys.h"
#include "fastermask/config/load.h"
#include "support/reference.h"

namespace fastermask {
namespace {

void replace_all(std::string& text, const std::string& old, const std::string& fresh) {
  for (std::size_t at = text.find(old); at != std::string::npos; at = text.find(old, at + fresh.size())) {
    text.replace(at, old.size(), fresh);
  }
}

// Python's str() of a config value, "(640, 800)" or "['p2']", as our one-line YAML: "[640, 800]", "[p2]".
std::string as_yaml(std::string text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\'' || (c == ',' && i + 1 < text.size() && text[i + 1] == ')')) continue;
    out += c == '(' ? '[' : c == ')' ? ']' : c;
  }
  replace_all(out, "True", "true");
  replace_all(out, "False", "false");
  return out.empty() ? "''" : out == "None" ? "null" : out;
}

struct RecordedConfig {
  std::string name;                                // COCO-Detection/faster_rcnn_R_101_FPN_3x
  std::map<std::string, std::string> differences;  // from the defaults
};

// The first part of yaml_flags.txt: "## NAME differs ...:" followed by "   KEY = VALUE   (default ...)" lines; and
// `merged`: the "KEY = VALUE" lines after those, which hold the whole of mask_rcnn_R_101_FPN_3x.
std::vector<RecordedConfig> read_flags(const std::string& path, std::map<std::string, std::string>& merged) {
  std::vector<RecordedConfig> configs;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    if (starts_with(line, "## ")) {
      const std::size_t end = line.find(" differs from");
      if (end != std::string::npos) configs.push_back({line.substr(3, end - 3), {}});
      continue;
    }
    const bool difference = starts_with(line, "   ");
    const std::size_t equals = line.find(" = ");
    if (equals == std::string::npos) continue;
    const std::string key(trim(line.substr(0, equals)));
    const std::size_t end = difference ? line.find("   (default") : line.size();
    const std::string value = as_yaml(std::string(trim(line.substr(equals + 3, end - equals - 3))));
    (difference ? configs.back().differences : merged)[key] = value;
  }
  return configs;
}

// Every key of a config as one line of YAML.
std::map<std::string, std::string> flat_values(Config config, bool only_differences) {
  Config defaults;
  const std::vector<ConfigKey> keys = config_keys(config);
  const std::vector<ConfigKey> default_keys = config_keys(defaults);
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (only_differences && same_value(keys[i].slot, default_keys[i].slot)) continue;
    values[keys[i].name] = format_slot(keys[i].slot, keys[i].check);
  }
  return values;
}

TEST(ConfigParity, MergedConfigsDifferFromTheDefaultsWhereDetectron2sDo) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  std::map<std::string, std::string> merged;
  const std::vector<RecordedConfig> recorded = read_flags(folder + "/golden/yaml_flags.txt", merged);
  ASSERT_EQ(recorded.size(), 2u);
  for (const RecordedConfig& config : recorded) {
    EXPECT_EQ(flat_values(load_config(config.name), true), config.differences) << config.name;
  }
}

TEST(ConfigParity, EveryMergedValueIsDetectron2s) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  std::map<std::string, std::string> merged;
  read_flags(folder + "/golden/yaml_flags.txt", merged);
  ASSERT_GT(merged.size(), 100u);
  const auto ours = flat_values(load_config("COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml"), false);
  for (const auto& [key, value] : merged) {
    if (key == "MODEL.DEVICE") continue;  // auto here, cuda there
    ASSERT_EQ(ours.count(key), 1u) << key;
    EXPECT_EQ(ours.at(key), value) << key;
  }
}

// A recorded dump without YAML's anchors and aliases, which stand for equal lists there. There are two of them:
// (10, 10, 5, 5) of the box head is the first stage's of the cascade, and (1, 1, 1, 1) of RPN is RetinaNet's.
std::string without_aliases(std::string text) {
  replace_all(text, "- &id001\n      - ", "- - ");
  replace_all(text, ": &id002\n", ":\n");
  replace_all(text, ": *id001\n", ":\n    - 10.0\n    - 10.0\n    - 5.0\n    - 5.0\n");
  replace_all(text, ": *id002\n", ":\n    - 1.0\n    - 1.0\n    - 1.0\n    - 1.0\n");
  return text;
}

// The first line in which the texts differ, for messages; "" when none does.
std::string first_difference(const std::string& a, const std::string& b) {
  const std::vector<std::string> lines = split(a, '\n');
  const std::vector<std::string> others = split(b, '\n');
  for (std::size_t i = 0; i < std::max(lines.size(), others.size()); ++i) {
    const std::string line = i < lines.size() ? lines[i] : "(end)";
    const std::string other = i < others.size() ? others[i] : "(end)";
    if (line != other) return fmt::format("line {}: '{}' and '{}'", i + 1, line, other);
  }
  return "";
}

TEST(ConfigParity, DumpsAreDetectron2sByteForByte) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  for (const char* model : {"mask_fpn", "mask_c4", "cascade_fpn", "keypoint_fpn", "faster_c4"}) {
    const std::string path = folder + "/golden/models/" + model + "/config.yaml";
    EXPECT_EQ(first_difference(dump_config(load_config(path)), without_aliases(read_file(path))), "") << model;
  }
}

TEST(ConfigParity, TheNucleiConfigIsTheRecordedOne) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  Config ours = load_config("tiny/nuclei_mask_rcnn_R_18_FPN.yaml");
  Config recorded = load_config(folder + "/golden/nuclei/config.yaml");
  recorded.datasets = ours.datasets;
  recorded.model.device = ours.model.device;
  recorded.seed = ours.seed;  // names other random numbers here than there
  EXPECT_EQ(first_difference(dump_config(ours), dump_config(recorded)), "");
}

}  // namespace
}  // namespace fastermask
