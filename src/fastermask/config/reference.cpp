// The list of all keys: for programs, and as the page docs/config.md.
#include <fmt/format.h>

#include <algorithm>

#include "fastermask/base/text.h"
#include "fastermask/config/augmentation_spec.h"
#include "fastermask/config/keys.h"
#include "fastermask/config/load.h"

namespace fastermask {
namespace {

std::string reference_type(const KeySlot& slot) {
  std::string phrase = type_phrase(slot);
  if (starts_with(phrase, "a ")) phrase = phrase.substr(2);
  if (starts_with(phrase, "an ")) phrase = phrase.substr(3);
  return phrase;
}

std::string reference_allowed(const Check& check) {
  if (!check.only_default.empty()) return "only the default (no " + check.only_default + ")";
  std::string allowed = allowed_phrase(check);
  if (check.exact_length >= 0) allowed += fmt::format("{}{} entries", allowed.empty() ? "" : ", ", check.exact_length);
  return allowed;
}

constexpr const char* kReferenceHead = R"md(# Config keys

Made by `fastermask info config --markdown > docs/config.md`; the text comes from `src/fastermask/config/*.h`.

Names and defaults are detectron2's (the keys of its first and of its latest release together), with these differences:

- `MODEL.DEVICE` is `auto` instead of `cuda`: the best device there is.
- `INPUT.FIX_SHAPE`, `AMP`, `OPT_LEVEL`, `LOSS_SCALE_VALUE` and `DEBUG_MODE` are not detectron2's but come from the
  Ascend ModelZoo's Faster Mask RCNN for PyTorch. `INPUT.FIX_SHAPE` is empty by default.
- Keys of models that FasterMask does not have are accepted at their defaults only.

A YAML file is merged over these defaults, its `_BASE_` file before it, and `KEY VALUE` pairs on the command line over
both: `SOLVER.BASE_LR 0.01`, `DATASETS.TRAIN '("a.json:images",)'`, `INPUT.MIN_SIZE_TRAIN "(640, 800)"`. Lists and
tuples are the same, whole numbers do for numbers, and a single value does for a list of one. See the result with
`fastermask info config --config-file FILE [KEY VALUE ...]`; `--diff` shows only what differs from the defaults.
)md";

constexpr const char* kAugmentationsHead = R"md(
## Entries of INPUT.AUGMENTATIONS

Names and parameters are those of detectron2's `T.*`, in the same order. An entry is a call as Python writes it; words
need no quotes. On the command line: `INPUT.AUGMENTATIONS '[RandomFlip(), RandomRotation([-10, 10])]'`. What they do to
boxes, masks and keypoints, with examples: [augmentations](augmentations.md).

)md";

// The section a key is in: MODEL.RPN for MODEL.RPN.NMS_THRESH, "" for SEED.
std::string section_of(const std::string& key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

}  // namespace

std::vector<KeyInfo> all_config_keys() {
  Config defaults;
  std::vector<KeyInfo> infos;
  for (const ConfigKey& key : config_keys(defaults)) {
    infos.push_back({key.name, reference_type(key.slot), format_slot(key.slot, key.check), reference_allowed(key.check),
                     key.doc});
  }
  return infos;
}

std::string config_reference_markdown() {
  const std::vector<KeyInfo> keys = all_config_keys();
  std::vector<std::string> sections;
  for (const KeyInfo& key : keys) {
    const std::string section = section_of(key.name);
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) sections.push_back(section);
  }
  std::string page = kReferenceHead;
  for (const std::string& section : sections) {
    page += fmt::format("\n## {}\n\n| key | type | default | allowed | what it does |\n|---|---|---|---|---|\n",
                        section.empty() ? "Top level" : section);
    for (const KeyInfo& key : keys) {
      if (section_of(key.name) != section) continue;
      page += fmt::format("| `{}` | {} | `{}` | {} | {} |\n", key.name, key.type, key.default_value, key.allowed,
                          key.doc);
    }
  }
  return page + kAugmentationsHead + augmentation_reference_markdown();
}

}  // namespace fastermask
