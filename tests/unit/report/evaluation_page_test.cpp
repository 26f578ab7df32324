// The page of one evaluation.
#include "fastermask/report/evaluation_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/report/html_text.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

CocoEvalResult evaluated_page_result() {
  const auto truth = std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(
      R"({"images": [{"id": 1, "height": 50, "width": 50}],
          "categories": [{"id": 1, "name": "<cat>"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "absent"}],
          "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 6, 6], "area": 36},
                          {"id": 2, "image_id": 1, "category_id": 2, "bbox": [9, 9, 6, 6], "area": 36}]})",
      "gt.json"));
  DetectionRecord record;
  record.image_id = 1;
  record.has_box = true;
  record.xywh = {1, 1, 6, 6};
  record.score = 0.5;
  CocoEvaluator evaluator(truth, CocoEvalParams::defaults(IouType::bbox));
  evaluator.add(1, std::vector<DetectionRecord>{record});
  return evaluator.evaluate();
}

TEST(EvaluationPage, ShowsCurvesSizesClassesErrorsAndPictures) {
  EvaluationPageInput input;
  input.title = "a < b";
  input.summary_lines = {" AP = 0.5 & more"};
  input.error_lines = {" missed 1"};
  input.pictures = {{"x.jpg: \"1\"", std::string("\xff\xd8\xff", 3)}};
  const std::string page = make_evaluation_page(evaluated_page_result(), input);
  EXPECT_THAT(page, HasSubstr(R"("title":"a \u003c b")"));
  EXPECT_THAT(page, HasSubstr(" AP = 0.5 &amp; more"));
  EXPECT_THAT(page, HasSubstr(R"("x_name":"recall in percent","x":[0,1,2,)"));
  EXPECT_THAT(page, HasSubstr(R"({"name":"IoU 0.95","values":[50,)"));
  EXPECT_THAT(page, HasSubstr("<td>small<td>0<td>1024<td>2<td>50.0<td>50.0</tr>"));
  EXPECT_THAT(page, HasSubstr("<td>&lt;cat&gt;<td>1<td class=\"bar\" style=\"--part:100.0%\">100.0<td>100.0<td>–<td>–<td>100.0"));
  EXPECT_LT(page.find("<td>dog"), page.find("<td>&lt;cat&gt;"));  // the worst first
  EXPECT_THAT(page, Not(HasSubstr("absent")));                    // no objects of it
  EXPECT_THAT(page, HasSubstr("<pre tabindex=\"0\"> missed 1\n</pre>"));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/jpeg;base64,/9j/\">"));
}

TEST(EvaluationPage, LeavesOutWhatThereIsNot) {
  const std::string page = make_evaluation_page(evaluated_page_result(), EvaluationPageInput());
  EXPECT_THAT(page, Not(HasSubstr("<h2>Errors</h2>")));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Summary</h2>")));
  EXPECT_THAT(page, Not(HasSubstr("data:image")));
}

TEST(HtmlText, EscapesAndEncodes) {
  EXPECT_EQ(escape_html("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
  std::string out = "=";
  append_base64(out, "M");
  append_base64(out, "Ma");
  append_base64(out, "Man");
  EXPECT_EQ(out, "=TQ==TWE=TWFu");
}

}  // namespace
}  // namespace fastermask
