// Where the reference numbers lie: the folder named by $FASTERMASK_REFERENCE. Tests that need it are skipped without.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace fastermask::testing_support {

// The folder of the reference numbers, or "" when $FASTERMASK_REFERENCE is not set.
inline std::string reference_folder() {
  const char* folder = std::getenv("FASTERMASK_REFERENCE");
  return folder == nullptr ? "" : folder;
}

}  // namespace fastermask::testing_support

// First line of a test that needs the reference numbers: FASTERMASK_NEEDS_REFERENCE(folder); then folder +
// "/golden/..."
#define FASTERMASK_NEEDS_REFERENCE(folder)                                      \
  const std::string folder = ::fastermask::testing_support::reference_folder(); \
  if (folder.empty()) GTEST_SKIP() << "skipped: FASTERMASK_REFERENCE is not set"
