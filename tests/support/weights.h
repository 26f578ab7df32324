// Comparing named arrays in tests of weight files.
#pragma once

#include <gtest/gtest.h>

#include "fastermask/structures/ndarray.h"

namespace fastermask::testing_support {

// Success when both hold the same names with the same types, shapes and bytes; else the first difference.
inline testing::AssertionResult same_arrays(const NamedArrays& got, const NamedArrays& expected) {
  for (const auto& [name, array] : expected) {
    const auto found = got.find(name);
    if (found == got.end()) return testing::AssertionFailure() << name << " is missing";
    if (found->second.dtype != array.dtype) return testing::AssertionFailure() << name << " has another type";
    if (found->second.shape != array.shape) return testing::AssertionFailure() << name << " has another shape";
    if (found->second.bytes != array.bytes) return testing::AssertionFailure() << name << " has other values";
  }
  if (got.size() != expected.size()) {
    return testing::AssertionFailure() << got.size() << " arrays instead of " << expected.size();
  }
  return testing::AssertionSuccess();
}

}  // namespace fastermask::testing_support
