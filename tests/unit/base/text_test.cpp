#include "fastermask/base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastermask {
namespace {

using ::testing::ElementsAre;

TEST(NearestMatch, FindsSlipsOfTheFinger) {
  const std::vector<std::string> words = {"train", "evaluate", "predict"};
  EXPECT_EQ(nearest_match("trian", words), "train");
  EXPECT_EQ(nearest_match("evalute", words), "evaluate");
  EXPECT_EQ(nearest_match("PREDICT", words), "predict");
}

TEST(NearestMatch, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_match("xyzzy", {"train", "evaluate"}), "");
  EXPECT_EQ(did_you_mean("xyzzy", {"train"}), "");
}

TEST(DidYouMean, IsAHintToAppend) { EXPECT_EQ(did_you_mean("tran", {"train"}), "; did you mean 'train'?"); }

TEST(Split, KeepsEmptyParts) { EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", "")); }

TEST(Join, PutsTheSeparatorBetween) { EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c"); }

TEST(Trim, TakesBlanksOffBothEnds) {
  EXPECT_EQ(trim(" \t a b\n"), "a b");
  EXPECT_EQ(trim("  "), "");
}

TEST(StartsWith, AndEndsWith) {
  EXPECT_TRUE(starts_with("model_final.pth", "model"));
  EXPECT_FALSE(starts_with("mo", "model"));
  EXPECT_TRUE(ends_with("model_final.pth", ".pth"));
  EXPECT_FALSE(ends_with("h", ".pth"));
}

TEST(FormatBytes, ChoosesAUnit) {
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(3ull << 30), "3.0 GiB");
}

TEST(FormatDuration, IsPythonsTimedelta) {
  EXPECT_EQ(format_duration(12.9), "0:00:12");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(86400 + 2 * 3600 + 3 * 60 + 4), "1 day, 2:03:04");
  EXPECT_EQ(format_duration(3 * 86400), "3 days, 0:00:00");
  EXPECT_EQ(format_duration(-5), "0:00:00");
}

}  // namespace
}  // namespace fastermask
