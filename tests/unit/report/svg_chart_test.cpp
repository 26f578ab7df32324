// Charts without scripts.
#include "fastermask/report/svg_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(SvgChart, BarsReachTheirShareOfARoundScale) {
  const std::string svg = svg_bars({{"a", 30, "a: 30"}, {"<b>", 15, "b & c"}}, "letters");
  EXPECT_THAT(svg, HasSubstr(">30</text>"));
  EXPECT_THAT(svg, Not(HasSubstr(">40</text>")));
  EXPECT_THAT(svg, HasSubstr("height=\"222.0\" fill=\"var(--c0)\"><title>a: 30</title>"));
  EXPECT_THAT(svg, HasSubstr("height=\"111.0\""));
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;</text>"));
  EXPECT_THAT(svg, HasSubstr("<title>b &amp; c</title>"));
  EXPECT_THAT(svg, HasSubstr(">letters</text>"));
}

TEST(SvgChart, LabelsThatRunIntoEachOtherAreLeftOut) {
  std::vector<SvgBar> bars;
  for (int i = 0; i < 100; ++i) bars.push_back({"label" + std::to_string(i), 1, ""});
  const std::string svg = svg_bars(bars, "x");
  EXPECT_THAT(svg, HasSubstr(">label0</text>"));
  EXPECT_THAT(svg, Not(HasSubstr(">label1</text>")));
}

TEST(SvgChart, NothingGivesAnEmptyChart) {
  EXPECT_THAT(svg_bars({}, "x"), HasSubstr("</svg>"));
  EXPECT_THAT(svg_bars({{"a", 0, ""}}, "x"), HasSubstr(">1</text>"));
  EXPECT_THAT(svg_share_lines({}, {}, "x"), HasSubstr("</svg>"));
}

TEST(SvgChart, LinesGoFromLeftToRightAndUpwards) {
  const std::string svg = svg_share_lines({0.5, 1}, {{"all", {1, 0}}, {"some", {0.5, 0.5}}}, "IoU");
  EXPECT_THAT(svg, HasSubstr("points=\"52.0,14.0 468.0,236.0 \""));
  EXPECT_THAT(svg, HasSubstr("points=\"52.0,125.0 468.0,125.0 \""));
  EXPECT_THAT(svg, HasSubstr(">some</text>"));
}

}  // namespace
}  // namespace fastermask
