// Python literals, and numbers in all their spellings.
#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/config/config_value.h"

namespace fastermask {
namespace {

using Kind = ConfigValue::Kind;

// The literal in one line; "?" when it is none.
std::string shown(const std::string& text) {
  const auto value = parse_python_literal(text);
  return value ? describe_value(*value) : "?";
}

TEST(PythonLiteral, ReadsListsTuplesAndNestedOnes) {
  EXPECT_EQ(shown("(640, 800)"), "[640, 800]");
  EXPECT_EQ(shown("[1, 2,]"), "[1, 2]");
  EXPECT_EQ(shown(" ( ( 1 , 2.5 ) , [ ] ) "), "[[1, 2.5], []]");
  EXPECT_EQ(shown("1, 2"), "[1, 2]");
  EXPECT_EQ(shown("1,"), "[1]");
  EXPECT_EQ(shown("()"), "[]");
}

TEST(PythonLiteral, ParenthesesAloneMakeNoTuple) {
  EXPECT_EQ(parse_python_literal("(5)")->kind, Kind::word);
  EXPECT_EQ(parse_python_literal("(5,)")->kind, Kind::list);
}

TEST(PythonLiteral, ReadsStringsWithEscapes) {
  EXPECT_EQ(parse_python_literal("'a\\'b\\\\\\n'")->text, "a'b\\\n");
  EXPECT_EQ(parse_python_literal("\"it's\"")->text, "it's");
  EXPECT_EQ(parse_python_literal("'C:\\data'")->text, "C:\\data");
  EXPECT_TRUE(parse_python_literal("''")->quoted);
}

TEST(PythonLiteral, ReadsConstants) {
  EXPECT_EQ(shown("True"), "True");
  EXPECT_EQ(parse_python_literal("None")->kind, Kind::null);
  EXPECT_EQ(shown("-1e-3"), "-1e-3");
}

TEST(PythonLiteral, KeepsCallsOfCapitalsAsWords) {
  EXPECT_EQ(shown("[RandomFlip(prob=0.5, x=')'), T.Resize((1, 2)), 3]"),
            "['RandomFlip(prob=0.5, x=')')', 'T.Resize((1, 2))', 3]");
  EXPECT_EQ(shown("RandomFlip(1"), "?");
  EXPECT_EQ(shown("[RandomFlip]"), "?");
}

TEST(PythonLiteral, RefusesEverythingElse) {
  for (const char* text : {"", "abc", "(1", "1)", "[1 2]", "'a", "'a\\", "(a,)", "true", "1 2", ",", "(,)", "a.json",
                           "__import__('os')", "1+", "nan", "inf", "{1: 2}", "[1,,2]"}) {
    EXPECT_EQ(shown(text), "?") << text;
  }
  EXPECT_EQ(shown(std::string(100000, '(')), "?");
}

TEST(ParseInteger, ReadsPythonsSpellings) {
  std::int64_t number = 0;
  for (const char* text : {"1000", "1_000", "+1000", "0x3e8"}) {
    EXPECT_TRUE(parse_integer(text, number)) << text;
    EXPECT_EQ(number, 1000) << text;
  }
  for (const char* text : {"", "-", "1.0", "1e3", "_1", "1_", "1__0", "0x", "99999999999999999999", "12a", "--1"}) {
    EXPECT_FALSE(parse_integer(text, number)) << text;
  }
}

TEST(ParseReal, ReadsPythonsAndYamlsSpellings) {
  double number = 0;
  for (const char* text : {"0.5", ".5", "5e-1", "+0.5", "5E-1", "0_0.5"}) {
    EXPECT_TRUE(parse_real(text, number)) << text;
    EXPECT_EQ(number, 0.5) << text;
  }
  EXPECT_TRUE(parse_real("5.", number));
  EXPECT_TRUE(parse_real("-.inf", number) && std::isinf(number) && number < 0);
  for (const char* text : {"", ".", "e5", "1.2.3", "0x10", "1e", "abc", "1 "}) {
    EXPECT_FALSE(parse_real(text, number)) << text;
  }
}

}  // namespace
}  // namespace fastermask
