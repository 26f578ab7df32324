// What a config key's value must be: the ranges, choices and lengths that key declarations (config.h) name.
#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace fastermask {

// A rule for one key. It applies to a single value, or to every number or word of a list. Built by the functions below
// and refined by the chained members: in_range(0, 1).length(2).
struct Check {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;           // the minimum itself is not allowed
  std::vector<std::string> choices;     // for words: all that are allowed; empty: any
  bool choices_are_components = false;  // another word is a thing FasterMask lacks, not a slip
  std::string only_default;             // not "": what FasterMask lacks; any value but the default is refused
  int exact_length = -1;                // of the list (of each inner list in a list of lists); -1: any
  bool may_be_empty = true;             // the list
  bool whole_numbers_bare = false;      // 32.0 is written "32": detectron2 keeps these numbers as integers
  bool ours_alone = false;              // a key that detectron2 lacks: dumps leave it out at its default

  Check length(int count) && { return exact_length = count, std::move(*this); }
  Check not_empty() && { return may_be_empty = false, std::move(*this); }
  Check bare() && { return whole_numbers_bare = true, std::move(*this); }
  Check not_in_detectron2() && { return ours_alone = true, std::move(*this); }
};

inline Check any() { return {}; }

inline Check in_range(double minimum, double maximum) {
  Check check;
  check.minimum = minimum;
  check.maximum = maximum;
  return check;
}

inline Check at_least(double minimum) { return in_range(minimum, std::numeric_limits<double>::infinity()); }

inline Check above(double minimum) {
  Check check = at_least(minimum);
  check.above_minimum = true;
  return check;
}

// One of a closed set of words.
inline Check one_of(std::vector<std::string> choices) {
  Check check;
  check.choices = std::move(choices);
  return check;
}

// The name of a component: the reference has more of them than FasterMask, and others get 'not supported'.
inline Check component(std::vector<std::string> choices) {
  Check check = one_of(std::move(choices));
  check.choices_are_components = true;
  return check;
}

// A key of something FasterMask does not have: accepted as long as it says the default.
inline Check only_default(std::string missing) {
  Check check;
  check.only_default = std::move(missing);
  return check;
}

inline Check norm_name() { return component({"", "BN", "SyncBN", "FrozenBN", "GN", "nnSyncBN", "naiveSyncBN"}); }
inline Check pooler_name() { return component({"ROIAlignV2", "ROIAlign", "ROIPool"}); }

}  // namespace fastermask
