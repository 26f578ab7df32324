// Pieces of names put in the place of others, and edits of tensors' rows. Internal to this layer.
#pragma once

#include <string>
#include <string_view>

#include "fastermask/base/text.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

struct Rename {
  std::string_view from;
  std::string_view to;
};

// torchvision's ResNet in detectron2's words.
inline constexpr Rename kTorchvisionResnet[] = {
    {"layer1.", "res2."},         {"layer2.", "res3."},      {"layer3.", "res4."},
    {"layer4.", "res5."},         {"bn1.", "conv1.norm."},   {"bn2.", "conv2.norm."},
    {"bn3.", "conv3.norm."},      {"downsample.0", "shortcut"}, {"downsample.1", "shortcut.norm"},
};

inline bool replace_beginning(std::string& name, std::string_view from, std::string_view to) {
  if (!starts_with(name, from)) return false;
  name.replace(0, from.size(), to);
  return true;
}

// The first of `renames` that fits, once.
template <std::size_t N>
bool replace_beginning(std::string& name, const Rename (&renames)[N]) {
  for (const Rename& rename : renames) {
    if (replace_beginning(name, rename.from, rename.to)) return true;
  }
  return false;
}

template <std::size_t N>
bool replace_ending(std::string& name, const Rename (&renames)[N]) {
  for (const Rename& rename : renames) {
    if (ends_with(name, rename.from)) {
      name.replace(name.size() - rename.from.size(), rename.from.size(), rename.to);
      return true;
    }
  }
  return false;
}

// Each of `renames` at its first place in the name.
template <std::size_t N>
void replace_inside(std::string& name, const Rename (&renames)[N]) {
  for (const Rename& rename : renames) {
    const std::size_t place = name.find(rename.from);
    if (place != std::string::npos) name.replace(place, rename.from.size(), rename.to);
  }
}

// The array without its first `count` rows (along the first dimension); itself when it has fewer.
NDArray without_first_rows(const NDArray& array, std::int64_t count);

// The array with its first row moved to the end: background first becomes background last.
NDArray with_first_row_last(const NDArray& array);

// Puts the array into `arrays`. Throws WeightsError when the new name is taken.
void add_renamed(NamedArrays& arrays, const std::string& old_name, const std::string& new_name, NDArray array);

}  // namespace fastermask
