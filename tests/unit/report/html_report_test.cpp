// The HTML report: what the page holds, that no string leaves its place, and that it asks for nothing from outside.
#include "fastermask/report/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kMetricsLines =
    R"({"data_time": 0.07, "iteration": 19, "loss_cls": 0.5, "loss_mask": NaN, "lr": 0.004, "time": 2.5, "total_loss": 2.25}
{"data_time": 0.06, "iteration": 39, "loss_cls": 0.2, "loss_mask": 0.55, "lr": 0.008, "time": 2.0, "total_loss": 1.5}
{"bbox/AP": 53.25, "bbox/AP-cat": NaN, "bbox/APl": NaN, "iteration": 40, "segm/AP": 55.75}
{"data_time": 0.06, "iteration": 59, "loss_)";

class HtmlReport : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("html_report_test_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  ReportInput input_with_metrics() const {
    ReportInput input;
    input.title = "nuclei run";
    input.metrics_json_path = in_folder("metrics.json");
    write_file_atomic(input.metrics_json_path, std::string_view(kMetricsLines));
    return input;
  }

  std::filesystem::path folder_;
};

// The text of the script element that holds the data.
std::string embedded_report_text(const std::string& page) {
  const std::string head = "<script type=\"application/json\" id=\"data\">";
  const std::size_t start = page.find(head);
  if (start == std::string::npos) return "";
  return page.substr(start + head.size(), page.find("</script>", start) - start - head.size());
}

nlohmann::json embedded_report_data(const std::string& page) {
  return nlohmann::json::parse(embedded_report_text(page));
}

// name -> values of a table of the data.
std::map<std::string, nlohmann::json> series_of(const nlohmann::json& table) {
  std::map<std::string, nlohmann::json> series;
  for (const auto& one : table["series"]) series[one["name"]] = one["values"];
  return series;
}

TEST_F(HtmlReport, HoldsTheCurvesOfTheMetricsFileAndWritesNanAsNull) {
  const auto data = embedded_report_data(make_html_report(input_with_metrics()));
  EXPECT_EQ(data["training"]["iterations"], nlohmann::json({19, 39}));
  auto training = series_of(data["training"]);
  EXPECT_EQ(training["total_loss"], nlohmann::json({2.25, 1.5}));
  EXPECT_EQ(training["loss_mask"], nlohmann::json({nullptr, 0.55}));
  EXPECT_EQ(training["lr"], nlohmann::json({0.004, 0.008}));
  EXPECT_EQ(training["time"], nlohmann::json({2.5, 2.0}));
  EXPECT_EQ(training["data_time"], nlohmann::json({0.07, 0.06}));
  EXPECT_EQ(data["history"]["iterations"], nlohmann::json({40}));
  auto history = series_of(data["history"]);
  EXPECT_EQ(history["bbox/AP"], nlohmann::json({53.25}));
  EXPECT_EQ(history["bbox/AP-cat"], nlohmann::json({nullptr}));
  EXPECT_EQ(history["segm/AP"], nlohmann::json({55.75}));
}

TEST_F(HtmlReport, HoldsResultsRowsConfigurationAndProgress) {
  ReportInput input;
  input.title = "a title";
  input.evaluation["bbox"] = {{"AP", 41.5}, {"AP-cat", std::nan("")}};
  input.environment = {{"CPU", "sixteen cores"}};
  input.dataset_rows = {{"images", "118287"}};
  input.config_yaml = "MODEL:\n  MASK_ON: true\n";
  input.training_running = true;
  input.iterations_done = 250;
  input.iterations_total = 90000;
  const auto data = embedded_report_data(make_html_report(input));
  EXPECT_EQ(data["title"], "a title");
  EXPECT_EQ(data["evaluation"], nlohmann::json::parse(R"([["bbox", [["AP", 41.5], ["AP-cat", null]]]])"));
  EXPECT_EQ(data["environment"], nlohmann::json::parse(R"([["CPU", "sixteen cores"]])"));
  EXPECT_EQ(data["dataset"], nlohmann::json::parse(R"([["images", "118287"]])"));
  EXPECT_EQ(data["config"], input.config_yaml);
  EXPECT_EQ(data["running"], true);
  EXPECT_EQ(data["done"], 250);
  EXPECT_EQ(data["total"], 90000);
}

TEST_F(HtmlReport, HoldsChartsAsDataAndSectionsAsTheyAre) {
  ReportInput input;
  input.charts = {{"a < b", "recall in percent", {0, 50, 100}, {{"IoU 0.50", {100, 75.5, 0}}}}};
  input.cards = {{"x & y", "<p>text</p>"}};
  const std::string page = make_html_report(input);
  EXPECT_EQ(embedded_report_data(page)["charts"], nlohmann::json::parse(R"([{"title": "a < b",
    "x_name": "recall in percent", "x": [0, 50, 100], "lines": [{"name": "IoU 0.50", "values": [100, 75.5, 0]}]}])"));
  EXPECT_THAT(page, HasSubstr("<h2>x &amp; y</h2></div>\n<p>text</p></section>"));
}

TEST_F(HtmlReport, KeepsHostileStringsInsideTheData) {
  const std::string hostile = "AP-</script><script>alert('x')</script><!-- \"&amp;\" \xE2\x80\xA8 \\";
  ReportInput input;
  input.title = hostile;
  input.config_yaml = hostile;
  input.environment = {{hostile, hostile}};
  input.evaluation[hostile][hostile] = 12.5;
  input.gallery = {{hostile, "\x89PNG\r\n\x1a\n"}};
  const std::string page = make_html_report(input);
  EXPECT_THAT(page, Not(HasSubstr("alert('x')</script>")));
  const std::string text = embedded_report_text(page);
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  const auto data = nlohmann::json::parse(text);
  EXPECT_EQ(data["title"], hostile);
  EXPECT_EQ(data["config"], hostile);
  EXPECT_EQ(data["environment"][0][1], hostile);
  EXPECT_EQ(data["evaluation"][0][1][0][0], hostile);
  EXPECT_EQ(data["captions"][0], hostile);
}

TEST_F(HtmlReport, KeepsHostileMetricNamesInsideTheData) {
  ReportInput input;
  input.metrics_json_path = in_folder("metrics.json");
  write_file_atomic(input.metrics_json_path, std::string_view(R"({"iteration": 9, "bbox/AP-</script>\"\u00e9": 7.5})"
                                                              "\n"));
  const std::string text = embedded_report_text(make_html_report(input));
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(series_of(nlohmann::json::parse(text)["history"])["bbox/AP-</script>\"\xC3\xA9"], nlohmann::json({7.5}));
}

TEST_F(HtmlReport, ReplacesBytesThatAreNotUtf8) {
  ReportInput input;
  input.title = "caf\xE9!";
  EXPECT_EQ(embedded_report_data(make_html_report(input))["title"], "caf\xEF\xBF\xBD!");
}

TEST_F(HtmlReport, AsksForNothingFromOutside) {
  ReportInput input = input_with_metrics();
  input.gallery = {{"one", "\x89PNG\r\n\x1a\n"}};
  const std::string page = make_html_report(input);
  EXPECT_THAT(page, Not(HasSubstr("http:")));
  EXPECT_THAT(page, Not(HasSubstr("https:")));
  EXPECT_THAT(page, Not(HasSubstr("<link")));
  EXPECT_THAT(page, Not(HasSubstr("@import")));
  EXPECT_THAT(page, Not(HasSubstr("innerHTML")));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::regex address("\\s(src|href)=\"([^\"]{0,5})");
  for (auto at = std::sregex_iterator(page.begin(), page.end(), address); at != std::sregex_iterator(); ++at) {
    EXPECT_EQ((*at)[2], "data:") << at->str();
  }
}

TEST_F(HtmlReport, EmbedsPicturesAsBase64WithTheTypeTheirBytesTell) {
  ReportInput input;
  input.gallery = {{"png", "\x89PNG"}, {"jpeg", "\xFF\xD8\xFF\xE0\x01"}, {"longer", "\x89PNG\x01\x02"}};
  const std::string page = make_html_report(input);
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,iVBORw==\""));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/jpeg;base64,/9j/4AE=\""));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,iVBORwEC\""));
}

TEST_F(HtmlReport, RefusesPicturesThatAreNeitherPngNorJpeg) {
  ReportInput input;
  input.gallery = {{"fine", "\x89PNG"}, {"not fine", "<svg onload=alert(1)>"}};
  try {
    make_html_report(input);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(),
                 "report: picture 1 of the gallery must be a PNG or JPEG file, got 21 bytes of something else");
  }
}

TEST_F(HtmlReport, IsAWholePageWithoutAnyInput) {
  ReportInput input;
  input.metrics_json_path = in_folder("missing.json");
  for (const bool file_there : {false, true}) {
    if (file_there) write_file_atomic(input.metrics_json_path, std::string_view());
    const std::string page = make_html_report(input);
    EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0U);
    EXPECT_THAT(page, HasSubstr("</html>"));
    const auto data = embedded_report_data(page);
    EXPECT_TRUE(data["training"]["iterations"].empty());
    EXPECT_TRUE(data["history"]["series"].empty());
  }
}

TEST_F(HtmlReport, IsRewrittenWholeAndLeavesNothingBeside) {
  ReportInput input;
  const std::string path = in_folder("new/report.html");
  input.title = "first";
  write_html_report(path, input);
  const MappedFile before(path);
  input.title = "second";
  write_html_report(path, input);
  EXPECT_EQ(embedded_report_data(std::string(before.view()))["title"], "first");  // a reader keeps the page it opened
  EXPECT_EQ(embedded_report_data(read_file(path))["title"], "second");
  const std::filesystem::directory_iterator files(std::filesystem::path(path).parent_path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(HtmlReport, KeepsTheOldPageWhenTheNewOneCannotBeMade) {
  ReportInput input;
  input.title = "old";
  const std::string path = in_folder("report.html");
  write_html_report(path, input);
  input.gallery = {{"bad", "GIF89a"}};
  EXPECT_THROW(write_html_report(path, input), DataError);
  EXPECT_EQ(embedded_report_data(read_file(path))["title"], "old");
}

TEST_F(HtmlReport, FailsWhenItsFileCannotBeWritten) {
  write_file_atomic(in_folder("file"), std::string_view("x"));
  EXPECT_THROW(write_html_report(in_folder("file/report.html"), ReportInput()), Error);
}

}  // namespace
}  // namespace fastermask
