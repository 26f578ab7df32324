#include "fastermask/config/yaml_source.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

constexpr const char* kBaseKey = "_BASE_";
constexpr const char* kYamlTags = "tag:yaml.org,2002:";
constexpr int kMostNodes = 100000;  // a whole config has under 400; aliases could multiply a small file endlessly

class YamlSource {
 public:
  std::vector<Assignment> read(const std::string& path) {
    read_one_file(path);
    return std::move(assignments_);
  }

  std::vector<Assignment> read_text(const std::string& text, const std::string& name) {
    read_text_of(name, text);
    return std::move(assignments_);
  }

 private:
  void read_one_file(const std::string& path) { read_text_of(path, read_file(path)); }

  void read_text_of(const std::string& path, const std::string& text) {
    path_ = path;
    open_.push_back(path);
    const YAML::Node root = parse(path, text);
    if (root.IsMap()) {
      if (root[kBaseKey]) read_bases(root[kBaseKey]);
      path_ = path;
      flatten("", root);
    } else if (!root.IsNull()) {
      fail<ConfigError>("config: a config must be a mapping of keys ({})", where(root));
    }
    open_.pop_back();
  }

  static YAML::Node parse(const std::string& path, const std::string& text) {
    try {
      return YAML::Load(text);
    } catch (const YAML::Exception& error) {
      fail<ConfigError>("config: not valid YAML: {} ({}:{})", error.msg, path, error.mark.line + 1);
    }
  }

  void read_bases(const YAML::Node& bases) {
    const std::string path = path_;
    for (const std::string& name : base_names(bases)) {
      const std::string base = join_path(std::filesystem::path(path).parent_path().string(), expand_user(name));
      if (!is_file(base)) fail<ConfigError>("config: _BASE_ {} is not a file: {} ({})", name, base, where(bases));
      refuse_circle(base, bases);
      read_one_file(base);
      path_ = path;
    }
  }

  std::vector<std::string> base_names(const YAML::Node& bases) const {
    std::vector<std::string> names;
    if (bases.IsScalar()) names.push_back(bases.Scalar());
    if (bases.IsSequence()) {
      for (const YAML::Node& base : bases) names.push_back(base.IsScalar() ? base.Scalar() : "");
    }
    if (names.empty() || std::count(names.begin(), names.end(), "") > 0) {
      fail<ConfigError>("config: _BASE_ must be a file name or a list of them ({})", where(bases));
    }
    return names;
  }

  void refuse_circle(const std::string& base, const YAML::Node& bases) const {
    for (const std::string& path : open_) {
      std::error_code ignored;
      if (!std::filesystem::equivalent(path, base, ignored)) continue;
      fail<ConfigError>("config: _BASE_ goes in a circle: {} -> {} ({})", join(open_, " -> "), base, where(bases));
    }
  }

  void flatten(const std::string& prefix, const YAML::Node& mapping) {
    if (mapping.size() == 0) assignments_.push_back({prefix, {}, where(mapping)});
    for (const auto& entry : mapping) {
      count_node(entry.second);
      if (!entry.first.IsScalar()) fail<ConfigError>("config: a key must be a word ({})", where(entry.first));
      const std::string& name = entry.first.Scalar();
      if (prefix.empty() && name == kBaseKey) continue;
      const std::string key = prefix.empty() ? name : prefix + "." + name;
      if (entry.second.IsMap()) {
        flatten(key, entry.second);
      } else {
        assignments_.push_back({key, value_of(entry.second), where(entry.first)});
      }
    }
  }

  ConfigValue value_of(const YAML::Node& node) {
    count_node(node);
    ConfigValue value;
    if (node.IsNull()) return value;
    value.quoted = check_tag(node);
    if (node.IsScalar()) {
      value.kind = ConfigValue::Kind::word;
      value.text = node.Scalar();
      return value;
    }
    if (node.IsMap()) fail<ConfigError>("config: a list may not hold mappings ({})", where(node));
    value.kind = ConfigValue::Kind::list;
    for (const YAML::Node& item : node) value.items.push_back(value_of(item));
    return value;
  }

  // True when the tag says that the value is a string. Throws for tags that would make other things than plain values.
  bool check_tag(const YAML::Node& node) const {
    std::string tag = node.Tag();
    if (tag.empty() || tag == "?") return false;
    if (tag == "!") return true;
    if (starts_with(tag, kYamlTags)) tag = tag.substr(std::string(kYamlTags).size());
    if (tag == "str" || tag == "python/str" || tag == "python/unicode") return true;
    for (const char* plain : {"python/tuple", "python/bool", "python/int", "python/float", "python/list", "seq", "int",
                              "float", "bool", "null"}) {
      if (tag == plain) return false;
    }
    fail<ConfigError>("config: YAML tag '{}' is not accepted; values must be plain ({})", tag, where(node));
  }

  void count_node(const YAML::Node& node) {
    if (++nodes_ > kMostNodes) fail<ConfigError>("config: more than {} values ({})", kMostNodes, where(node));
  }

  std::string where(const YAML::Node& node) const { return fmt::format("{}:{}", path_, node.Mark().line + 1); }

  std::vector<Assignment> assignments_;
  std::vector<std::string> open_;  // the files being read, outermost first
  std::string path_;               // the innermost
  int nodes_ = 0;
};

}  // namespace

std::vector<Assignment> read_yaml_assignments(const std::string& path) { return YamlSource().read(path); }

std::vector<Assignment> parse_yaml_assignments(const std::string& text, const std::string& name) {
  return YamlSource().read_text(text, name);
}

}  // namespace fastermask
