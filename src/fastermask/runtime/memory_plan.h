// Where a graph's values lie in one block of memory: values that never live at the same time share it.
#pragma once

#include <cstdint>
#include <vector>

namespace fastermask {

// A value's need of memory, in steps of the graph.
struct ValueLife {
  std::int64_t floats = 0;  // 0: needs none
  int first = 0;            // the step that makes it
  int last = 0;             // the last step that reads it, at least `first`
  int takes_over = -1;      // the value whose memory it goes on using (in-place steps); -1: none
};

struct MemoryPlan {
  std::vector<std::int64_t> offsets;  // [value] in floats, multiples of 16; -1 without memory
  std::int64_t floats = 0;            // of the whole block
};

// Places the largest values first, each at the lowest place that is free while it lives. Values of a take-over chain
// lie at one place.
MemoryPlan plan_memory(const std::vector<ValueLife>& values);

}  // namespace fastermask
