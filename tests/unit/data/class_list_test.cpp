// classes.json: what is written comes back, and other forms are refused with what is wrong.
#include "fastermask/data/class_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

TEST(ClassListFile, ComesBackAsItWasWritten) {
  const testing_support::TemporaryFolder folder;
  const std::string path = folder / "classes.json";
  save_class_list(path, {{"hand", "f\"oot"}, {3, 7}, {{0, 1}, {1, 4}}});
  const ClassList classes = load_class_list(path);
  EXPECT_THAT(classes.names, testing::ElementsAre("hand", "f\"oot"));
  EXPECT_THAT(classes.category_ids, testing::ElementsAre(3, 7));
  EXPECT_THAT(classes.skeleton, testing::ElementsAre(testing::Pair(0, 1), testing::Pair(1, 4)));
}

TEST(ClassListFile, OfEarlierVersionsHasNoSkeleton) {
  const testing_support::TemporaryFolder folder;
  const std::string path = folder / "classes.json";
  write_file_atomic(path, R"({"names": ["a"], "category_ids": [1]})");
  EXPECT_TRUE(load_class_list(path).skeleton.empty());
}

TEST(ClassListFile, OfAnotherFormIsRefused) {
  const testing_support::TemporaryFolder folder;
  const std::string path = folder / "classes.json";
  for (const char* text : {"", "[]", R"({"names": ["a"]})", R"({"names": ["a"], "category_ids": [1, 2]})",
                           R"({"names": ["a"], "category_ids": [1], "skeleton": [[1]]})"}) {
    write_file_atomic(path, text);
    EXPECT_THROW(load_class_list(path), DataError) << text;
  }
}

}  // namespace
}  // namespace fastermask
