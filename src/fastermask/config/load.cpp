#include "fastermask/config/load.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/config/augmentation_spec.h"
#include "fastermask/config/keys.h"
#include "fastermask/config/yaml_source.h"

namespace fastermask {
namespace {

constexpr const char* kCommandLine = "command line";
constexpr int kLatestVersion = 2;
constexpr std::size_t kMostSuggestions = 5;

// Names that VERSION 2 changed (detectron2 config/compat.py).
const std::map<std::string, std::string>& renamed_keys() {
  static const std::map<std::string, std::string> names = {
      {"MODEL.WEIGHT", "MODEL.WEIGHTS"},
      {"MODEL.RPN_HEAD.NAME", "MODEL.RPN.HEAD_NAME"},
      {"MODEL.RPN.ANCHOR_SIZES", "MODEL.ANCHOR_GENERATOR.SIZES"},
      {"MODEL.RPN.ANCHOR_ASPECT_RATIOS", "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS"},
      {"MODEL.PANOPTIC_FPN.SEMANTIC_LOSS_SCALE", "MODEL.SEM_SEG_HEAD.LOSS_WEIGHT"},
      {"MODEL.PANOPTIC_FPN.RPN_LOSS_SCALE", "MODEL.RPN.LOSS_WEIGHT"},
      {"MODEL.PANOPTIC_FPN.INSTANCE_LOSS_SCALE", "MODEL.PANOPTIC_FPN.INSTANCE_LOSS_WEIGHT"},
      {"MODEL.PANOPTIC_FPN.COMBINE_ON", "MODEL.PANOPTIC_FPN.COMBINE.ENABLED"},
      {"MODEL.PANOPTIC_FPN.COMBINE_OVERLAP_THRESHOLD", "MODEL.PANOPTIC_FPN.COMBINE.OVERLAP_THRESH"},
      {"MODEL.PANOPTIC_FPN.COMBINE_STUFF_AREA_LIMIT", "MODEL.PANOPTIC_FPN.COMBINE.STUFF_AREA_LIMIT"},
      {"MODEL.PANOPTIC_FPN.COMBINE_INSTANCES_CONFIDENCE_THRESHOLD",
       "MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH"},
      {"MODEL.ROI_HEADS.SCORE_THRESH", "MODEL.ROI_HEADS.SCORE_THRESH_TEST"},
      {"MODEL.ROI_HEADS.NMS", "MODEL.ROI_HEADS.NMS_THRESH_TEST"},
      {"MODEL.RETINANET.INFERENCE_SCORE_THRESHOLD", "MODEL.RETINANET.SCORE_THRESH_TEST"},
      {"MODEL.RETINANET.INFERENCE_TOPK_CANDIDATES", "MODEL.RETINANET.TOPK_CANDIDATES_TEST"},
      {"MODEL.RETINANET.INFERENCE_NMS_THRESHOLD", "MODEL.RETINANET.NMS_THRESH_TEST"},
      {"TEST.DETECTIONS_PER_IMG", "TEST.DETECTIONS_PER_IMAGE"},
      {"TEST.AUG_ON", "TEST.AUG.ENABLED"},
      {"TEST.AUG_MIN_SIZES", "TEST.AUG.MIN_SIZES"},
      {"TEST.AUG_MAX_SIZE", "TEST.AUG.MAX_SIZE"},
      {"TEST.AUG_FLIP", "TEST.AUG.FLIP"},
  };
  return names;
}

// Applies assignments to a Config and remembers where each value came from, for the checks afterwards.
class ConfigMerger {
 public:
  explicit ConfigMerger(Config& config) : keys_(config_keys(config)), default_keys_(config_keys(defaults_)) {
    for (const ConfigKey& key : keys_) {
      for (std::size_t dot = key.name.find('.'); dot != std::string::npos; dot = key.name.find('.', dot + 1)) {
        sections_.insert(key.name.substr(0, dot));
      }
    }
  }

  void merge(const Assignment& assignment) {
    const ConfigKey* key = find_key(keys_, assignment.key);
    if (key == nullptr) {
      if (sections_.count(assignment.key) == 0) fail_unknown(assignment);
      if (assignment.value.kind == ConfigValue::Kind::null) return;  // a section whose keys are all commented out
      fail<ConfigError>("config: {} is a section of keys, not a value{}", assignment.key,
                        in_parentheses(assignment.where));
    }
    if (!assign_value(key->slot, assignment.value)) fail_type(*key, assignment);
    where_[key->name] = assignment.where;
  }

  void check_values() const {
    for (std::size_t i = 0; i < keys_.size(); ++i) check_key(keys_[i], default_keys_[i].slot, where(keys_[i].name));
  }

  // Where the key was set; "" when it never was.
  std::string where(const std::string& name) const {
    const auto found = where_.find(name);
    return found == where_.end() ? "" : found->second;
  }

 private:
  [[noreturn]] static void fail_type(const ConfigKey& key, const Assignment& assignment) {
    const bool list = !key.check.only_default.empty() ? false : starts_with(type_phrase(key.slot), "a list");
    const std::string& text = assignment.value.text;
    const bool lost_quotes = list && !text.empty() && (text[0] == '(' || text[0] == '[');
    fail<ConfigError>("config: {} must be {}, got {}{}{}", key.name, type_phrase(key.slot),
                      describe_value(assignment.value), in_parentheses(assignment.where),
                      lost_quotes ? "; write it as a Python literal: '(\"a\", \"b\")' or '(1, 2)'" : "");
  }

  [[noreturn]] void fail_unknown(const Assignment& assignment) const {
    const std::string where = in_parentheses(assignment.where);
    const auto renamed = renamed_keys().find(assignment.key);
    if (renamed != renamed_keys().end()) {
      fail<ConfigError>("config: unknown key '{}'{}; it is called '{}' since VERSION 2", assignment.key, where,
                        renamed->second);
    }
    for (std::size_t dot = assignment.key.find('.'); dot != std::string::npos;
         dot = assignment.key.find('.', dot + 1)) {
      const ConfigKey* key = find_key(keys_, assignment.key.substr(0, dot));
      if (key == nullptr) continue;
      fail<ConfigError>("config: {} must be {}, got a mapping{}", key->name, type_phrase(key->slot), where);
    }
    fail<ConfigError>("config: unknown key '{}'{}{}", assignment.key, where, suggestion(assignment.key));
  }

  // "SOLVER." of SOLVER.STEPS; "" of a word alone.
  static std::string first_part(const std::string& key) {
    return to_upper(key.substr(0, key.find('.') == std::string::npos ? 0 : key.find('.') + 1));
  }

  // The key that was probably meant: one that ends in the same word is a better guess than one that is merely spelt
  // alike, and a slip in the last word alone (NMS_TRESH) is the last to be tried.
  std::string suggestion(const std::string& unknown) const {
    const std::string last = to_upper(unknown.substr(unknown.rfind('.') + 1));
    std::vector<std::string> names, endings, same_ending, longer;
    for (const ConfigKey& key : keys_) {
      names.push_back(key.name);
      if (starts_with(key.name, unknown)) longer.push_back(key.name);
      endings.push_back(key.name.substr(key.name.rfind('.') + 1));
      if (endings.back() == last) same_ending.push_back(key.name);
    }
    if (same_ending.size() == 1 && starts_with(same_ending[0], first_part(unknown))) {
      return fmt::format("; did you mean '{}'?", same_ending[0]);
    }
    if (!longer.empty() && longer.size() <= kMostSuggestions) return "; there are " + join(longer, ", ");
    const std::string near = did_you_mean(unknown, same_ending.empty() ? names : same_ending);
    if (!near.empty()) return near;
    if (!same_ending.empty()) {
      return same_ending.size() <= kMostSuggestions ? "; there are " + join(same_ending, ", ") : "";
    }
    const std::string ending = nearest_match(last, endings);
    const auto found = std::find(endings.begin(), endings.end(), ending);
    if (found == endings.end()) return "";
    return fmt::format("; did you mean '{}'?", names[static_cast<std::size_t>(found - endings.begin())]);
  }

  Config defaults_;
  std::vector<ConfigKey> keys_;
  std::vector<ConfigKey> default_keys_;
  std::set<std::string> sections_;
  std::map<std::string, std::string> where_;
};

// Brings the names of a VERSION 1 file up to date. A file without VERSION counts as one when it uses an old name.
void upgrade(std::vector<Assignment>& assignments, const std::string& path) {
  int version = 0;
  std::string old_name;
  for (const Assignment& assignment : assignments) {
    std::int64_t number = 0;
    if (assignment.key == "VERSION" && parse_integer(assignment.value.text, number)) {
      if (number > kLatestVersion) {
        fail<ConfigError>("config: VERSION must be at most {}, got {} ({}); this FasterMask is older than the config",
                          kLatestVersion, number, assignment.where);
      }
      version = static_cast<int>(number);
    }
    if (renamed_keys().count(assignment.key) != 0) old_name = assignment.key;
  }
  if (old_name.empty() || version == kLatestVersion) return;
  log_warning("config", "{} uses names of VERSION 1 ({}); they are read as today's", path, old_name);
  for (Assignment& assignment : assignments) {
    const auto renamed = renamed_keys().find(assignment.key);
    if (renamed != renamed_keys().end()) assignment.key = renamed->second;
  }
}

void merge_pairs(ConfigMerger& merger, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::size_t equals = words[i].find('=');
    if (equals != std::string::npos) {
      fail<ConfigError>("config: overrides are written KEY VALUE, got '{}'; write '{} {}'", words[i],
                        words[i].substr(0, equals), words[i].substr(equals + 1));
    }
    if (i + 1 == words.size()) {
      fail<ConfigError>("config: overrides are pairs KEY VALUE, but the last, '{}', has no value", words[i]);
    }
    ConfigValue value;
    value.kind = ConfigValue::Kind::word;
    value.text = words[i + 1];
    if (value.text == "None" || value.text == "null") value = {};
    merger.merge({words[i], value, kCommandLine});
  }
}

[[noreturn]] void fail_relation(const ConfigMerger& merger, const std::string& key, const std::string& problem) {
  fail<ConfigError>("config: {} {}{}", key, problem, in_parentheses(merger.where(key)));
}

void check_lengths_match(const ConfigMerger& merger, const std::string& key, std::size_t length,
                         const std::string& other, std::size_t expected, const char* relation) {
  if (length == expected) return;
  fail_relation(merger, key, fmt::format("must have {} {}, {}, got {}", relation, other, expected, length));
}

// What keys demand of one another.
void check_relations(const ConfigMerger& merger, const Config& config) {
  const ModelConfig& model = config.model;
  check_lengths_match(merger, "MODEL.RPN.IOU_LABELS", model.rpn.iou_labels.size(), "MODEL.RPN.IOU_THRESHOLDS",
                      model.rpn.iou_thresholds.size() + 1, "one entry more than");
  check_lengths_match(merger, "MODEL.ROI_HEADS.IOU_LABELS", model.roi_heads.iou_labels.size(),
                      "MODEL.ROI_HEADS.IOU_THRESHOLDS", model.roi_heads.iou_thresholds.size() + 1,
                      "one entry more than");
  check_lengths_match(merger, "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS",
                      model.roi_box_cascade_head.bbox_reg_weights.size(), "MODEL.ROI_BOX_CASCADE_HEAD.IOUS",
                      model.roi_box_cascade_head.ious.size(), "as many entries as");
  check_lengths_match(merger, "MODEL.PIXEL_STD", model.pixel_std.size(), "MODEL.PIXEL_MEAN", model.pixel_mean.size(),
                      "as many entries as");
  if (model.pixel_mean.size() != 3) {
    fail_relation(merger, "MODEL.PIXEL_MEAN",
                  fmt::format("must have 3 entries for INPUT.FORMAT {}, got {}", config.input.format,
                              model.pixel_mean.size()));
  }
  if (config.input.min_size_train_sampling == "range" && config.input.min_size_train.size() != 2) {
    fail_relation(merger, "INPUT.MIN_SIZE_TRAIN",
                  fmt::format("must have 2 entries when INPUT.MIN_SIZE_TRAIN_SAMPLING is range, got {}",
                              config.input.min_size_train.size()));
  }
  parse_augmentations(config.input.augmentations, merger.where("INPUT.AUGMENTATIONS"));
  if (!config.input.fix_shape.empty() && config.input.fix_shape.size() != 2) {
    fail_relation(merger, "INPUT.FIX_SHAPE",
                  fmt::format("must be (width, height) or empty, got {} numbers", config.input.fix_shape.size()));
  }
  if (config.solver.ims_per_batch % config.solver.accumulate != 0) {
    fail_relation(merger, "SOLVER.IMS_PER_BATCH",
                  fmt::format("must be a multiple of SOLVER.ACCUMULATE, {}, got {}", config.solver.accumulate,
                              config.solver.ims_per_batch));
  }
  const std::vector<double>& crop = config.input.crop.size;
  if (starts_with(config.input.crop.type, "relative") && *std::max_element(crop.begin(), crop.end()) > 1) {
    fail_relation(merger, "INPUT.CROP.SIZE",
                  fmt::format("must be in (0, 1] when INPUT.CROP.TYPE is {}, got [{}, {}]", config.input.crop.type,
                              crop[0], crop[1]));
  }
}

void merge_assignments(ConfigMerger& merger, Config& config, std::vector<Assignment> assignments,
                       const std::string& file) {
  upgrade(assignments, file);
  for (const Assignment& assignment : assignments) {
    if (!assignment.key.empty()) merger.merge(assignment);
  }
  config.version = kLatestVersion;
}

}  // namespace

Config parse_config(const std::string& text, const std::string& name) {
  Config config;
  ConfigMerger merger(config);
  merge_assignments(merger, config, parse_yaml_assignments(text, name), name);
  merger.check_values();
  check_relations(merger, config);
  return config;
}

Config load_config(const std::string& path, const std::vector<std::string>& key_value_overrides) {
  Config config;
  ConfigMerger merger(config);
  if (!path.empty()) {
    const std::string file = resolve_config_path(path);
    merge_assignments(merger, config, read_yaml_assignments(file), file);
  }
  merge_pairs(merger, key_value_overrides);
  merger.check_values();
  check_relations(merger, config);
  return config;
}

void merge_overrides(Config& config, const std::vector<std::string>& key_value_overrides) {
  Config merged = config;
  ConfigMerger merger(merged);
  merge_pairs(merger, key_value_overrides);
  merger.check_values();
  check_relations(merger, merged);
  config = std::move(merged);
}

void check_config(const Config& config) {
  Config copy = config;
  const ConfigMerger merger(copy);
  merger.check_values();
  check_relations(merger, copy);
}

}  // namespace fastermask
