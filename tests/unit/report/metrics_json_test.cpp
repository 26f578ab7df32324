// The text of metrics.json, as Python's json.dumps(..., sort_keys=True) writes it.
#include "fastermask/report/metrics_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {
namespace {

std::string metrics_json_path(const std::string& name) {
  const std::string path = testing::TempDir() + "fastermask_metrics_" + name;
  std::filesystem::remove(path);
  return path;
}

TEST(MetricsJson, SortsKeysWithTheIterationAmongThem) {
  EXPECT_EQ(metrics_json_line(19, {{"total_loss", 1.25}, {"bbox/AP", 53.0}, {"lr", 0.0004}}),
            R"({"bbox/AP": 53.0, "iteration": 19, "lr": 0.0004, "total_loss": 1.25})");
  EXPECT_EQ(metrics_json_line(0, {}), R"({"iteration": 0})");
}

TEST(MetricsJson, WritesNumbersAsPythonDoes) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::pair<double, const char*> cases[] = {{0.1, "0.1"},
                                                  {0.1 + 0.2, "0.30000000000000004"},
                                                  {-0.0, "-0.0"},
                                                  {1e-5, "1e-05"},
                                                  {0.0001, "0.0001"},
                                                  {123456789.0, "123456789.0"},
                                                  {1e15, "1000000000000000.0"},
                                                  {1e16, "1e+16"},
                                                  {1.5e300, "1.5e+300"},
                                                  {5e-324, "5e-324"},
                                                  {static_cast<double>(0.1f), "0.10000000149011612"},
                                                  {std::nan(""), "NaN"},
                                                  {infinity, "Infinity"},
                                                  {-infinity, "-Infinity"}};
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(metrics_json_line(1, {{"x", value}}), std::string(R"({"iteration": 1, "x": )") + text + "}");
  }
}

TEST(MetricsJson, EscapesNames) {
  EXPECT_EQ(metrics_json_line(1, {{"bbox/AP-\"a\\b\"\n\xC3\xA9", 1}}),
            R"({"bbox/AP-\"a\\b\"\n\u00e9": 1.0, "iteration": 1})");
}

TEST(MetricsJson, AppendsToTheLinesOfARunBefore) {
  const std::string path = metrics_json_path("append");
  MetricsJsonWriter(path).write(19, {{"a", 1}});
  {
    MetricsJsonWriter writer(path);
    writer.write(39, {{"a", 2}});
    EXPECT_EQ(read_file(path), "{\"a\": 1.0, \"iteration\": 19}\n{\"a\": 2.0, \"iteration\": 39}\n");
  }
}

TEST(MetricsJson, StartsANewLineAfterOneCutOff) {
  const std::string path = metrics_json_path("cut");
  std::ofstream(path) << "{\"a\": 1.0, \"iter";
  MetricsJsonWriter(path).write(39, {{"a", 2}});
  EXPECT_EQ(read_file(path), "{\"a\": 1.0, \"iter\n{\"a\": 2.0, \"iteration\": 39}\n");
}

TEST(MetricsJson, SaysWhichFileCannotBeOpened) {
  try {
    MetricsJsonWriter("/nonexistent/metrics.json");
    FAIL() << "opened a file in a missing folder";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/nonexistent/metrics.json: cannot open: No such file or directory");
  }
}

TEST(MetricsJson, SaysWhenTheDiskIsFull) {
  if (!path_exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  MetricsJsonWriter writer("/dev/full");
  try {
    writer.write(1, {});
    FAIL() << "wrote to a full disk";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/dev/full: cannot write: No space left on device");
  }
}

}  // namespace
}  // namespace fastermask
