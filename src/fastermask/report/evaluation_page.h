// The page of one evaluation: precision over recall by IoU and by class, AP by size, what the errors are, and pictures
// of the worst images. It is an HTML report (html_report.h), with sections for what COCO's evaluation knows.
#pragma once

#include <string>
#include <vector>

#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/report/html_report.h"

namespace fastermask {

struct EvaluationPageInput {
  std::string title;
  std::vector<std::string> summary_lines;  // coco_summary_lines or lvis_summary_lines
  std::vector<std::string> error_lines;    // what the errors are; may be empty
  std::vector<ReportPicture> pictures;
};

// Adds the sections of one task to a report: the chart of precision over recall, and tables by class, the worst first,
// and by size. Curves are those of the first area range and the last limit on detections.
void add_evaluation_sections(ReportInput& input, const CocoEvalResult& result);

// The page as text. All strings are untrusted.
std::string make_evaluation_page(const CocoEvalResult& result, const EvaluationPageInput& input);

}  // namespace fastermask
