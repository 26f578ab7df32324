#include "fastermask/report/evaluation_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fastermask/report/html_text.h"

namespace fastermask {
namespace {

const char* task_name(IouType type) {
  switch (type) {
    case IouType::bbox: return "boxes";
    case IouType::segm: return "masks";
    default: return "keypoints";
  }
}

// Precision at each recall point: of one category, or the mean over those that have ground truth (category < 0).
std::vector<double> precision_curve(const CocoEvalResult& result, std::size_t t, int category) {
  const std::size_t last = result.params.max_detections.size() - 1;
  std::vector<double> curve;
  for (std::size_t r = 0; r < result.params.recall_thresholds.size(); ++r) {
    double sum = 0;
    int count = 0;
    for (std::size_t k = 0; k < result.category_ids.size(); ++k) {
      if (category >= 0 && k != static_cast<std::size_t>(category)) continue;
      const double precision = result.precision_at(t, r, k, 0, last);
      if (precision < 0) continue;
      sum += precision;
      ++count;
    }
    if (count == 0) return {};
    curve.push_back(sum / count);
  }
  return curve;
}

// A line in a box of the size given, y upwards. From blue (low IoU) to red.
std::string curve_line(const CocoEvalResult& result, const std::vector<double>& curve, double width, double height,
                       std::size_t t) {
  std::string points;
  for (std::size_t r = 0; r < curve.size(); ++r) {
    points += fmt::format("{:.1f},{:.1f} ", result.params.recall_thresholds[r] * width, (1 - curve[r]) * height);
  }
  const std::size_t count = result.params.iou_thresholds.size();
  const double share = count < 2 ? 0 : static_cast<double>(t) / static_cast<double>(count - 1);
  return fmt::format("<polyline style=\"stroke:hsl({:.0f} 70% var(--rainbow))\" points=\"{}\"/>", 220 * (1 - share),
                     points);
}

ReportChart precision_chart(const CocoEvalResult& result) {
  ReportChart chart;
  chart.title = fmt::format("Precision over recall: {}, mean over classes", task_name(result.params.iou_type));
  chart.x_name = "recall in percent";
  for (const double recall : result.params.recall_thresholds) chart.x.push_back(100 * recall);
  for (std::size_t t = 0; t < result.params.iou_thresholds.size(); ++t) {
    std::vector<double> curve = precision_curve(result, t, -1);
    for (double& value : curve) value *= 100;
    const char* measure = result.params.iou_type == IouType::keypoints ? "OKS" : "IoU";
    if (!curve.empty())
      chart.lines.emplace_back(fmt::format("{} {:.2f}", measure, result.params.iou_thresholds[t]), std::move(curve));
  }
  return chart;
}

std::string percent_cell(double value) {
  return value < 0 ? std::string("<td>–") : fmt::format("<td>{:.1f}", 100 * value);
}

// The same with a bar behind it.
std::string bar_cell(double value) {
  if (value < 0) return "<td>–";
  return fmt::format("<td class=\"bar\" style=\"--part:{0:.1f}%\">{0:.1f}", 100 * value);
}

std::string size_table(const CocoEvalResult& result) {
  const int last = result.params.max_detections.back();
  std::string out =
      "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>size<th>from, px²<th>to<th>objects<th>AP<th>AR</tr>"
      "</thead>\n";
  const std::size_t ranges = result.params.area_ranges.size();
  for (std::size_t a = 0; a < ranges; ++a) {
    const AreaRange& range = result.params.area_ranges[a];
    std::int64_t objects = 0;
    for (std::size_t k = 0; k < result.category_ids.size(); ++k) objects += result.truth_counts[k * ranges + a];
    const std::string high = range.high >= 1e9 ? "∞" : fmt::format("{}", range.high);
    out += fmt::format("<tr><td>{}<td>{}<td>{}<td>{}{}{}</tr>\n", escape_html(range.label), range.low, high, objects,
                       percent_cell(result.mean_precision(-1, range.label, last)),
                       percent_cell(result.mean_recall(-1, range.label, last)));
  }
  return out + "</table></div>\n";
}

// A row a class, the worst first; its curves are small.
std::string class_table(const CocoEvalResult& result) {
  constexpr double kWidth = 120, kHeight = 36;
  const int last = result.params.max_detections.back();
  const std::string& all = result.params.area_ranges.front().label;
  const std::size_t ranges = result.params.area_ranges.size(), thresholds = result.params.iou_thresholds.size();
  std::vector<double> ap;
  for (std::size_t k = 0; k < result.category_ids.size(); ++k) {
    ap.push_back(result.mean_precision(-1, all, last, static_cast<int>(k)));
  }
  std::vector<std::size_t> order(ap.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ap[a] < ap[b]; });
  std::string out =
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"sortable\"><thead><tr><th scope=\"col\">class<th "
      "scope=\"col\">objects";
  for (std::size_t a = 0; a < ranges; ++a) {
    out += fmt::format("<th scope=\"col\"{}>AP {}", a == 0 ? " aria-sort=\"ascending\"" : "",
                       escape_html(result.params.area_ranges[a].label));
  }
  out += "<th scope=\"col\">AR<th class=\"fixed\" scope=\"col\">precision over recall</tr></thead>\n<tbody>\n";
  for (const std::size_t k : order) {
    const int category = static_cast<int>(k);
    if (result.truth_counts[k * ranges] == 0) continue;
    out += fmt::format("<tr><td>{}<td>{}", escape_html(result.category_names[k]), result.truth_counts[k * ranges]);
    for (const AreaRange& range : result.params.area_ranges) {
      const double value = result.mean_precision(-1, range.label, last, category);
      out += range.label == all ? bar_cell(value) : percent_cell(value);
    }
    out += percent_cell(result.mean_recall(-1, all, last, category));
    out += fmt::format("<td><svg class=\"small\" viewBox=\"0 0 {} {}\" aria-hidden=\"true\">", kWidth, kHeight);
    for (std::size_t t = 0; t < thresholds; t += std::max<std::size_t>(1, thresholds / 2)) {
      out += curve_line(result, precision_curve(result, t, category), kWidth, kHeight, t);
    }
    out += "</svg></tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string text_block(const std::vector<std::string>& lines) {
  std::string out = "<pre tabindex=\"0\">";
  for (const std::string& line : lines) out += escape_html(line) + "\n";
  return out + "</pre>\n";
}

}  // namespace

void add_evaluation_sections(ReportInput& input, const CocoEvalResult& result) {
  const std::string task = task_name(result.params.iou_type);
  ReportChart chart = precision_chart(result);
  if (!chart.lines.empty()) input.charts.push_back(std::move(chart));
  input.cards.push_back({"By class: " + task, class_table(result)});
  input.cards.push_back({"By size: " + task, size_table(result)});
}

std::string make_evaluation_page(const CocoEvalResult& result, const EvaluationPageInput& input) {
  ReportInput page;
  page.title = input.title;
  const int last = result.params.max_detections.back();
  const std::string& all = result.params.area_ranges.front().label;
  for (const auto& [name, threshold] : {std::pair("AP", -1.0), std::pair("AP50", 0.5), std::pair("AP75", 0.75)}) {
    const double value = result.mean_precision(threshold, all, last);
    if (value >= 0) page.evaluation[iou_type_name(result.params.iou_type)][name] = 100 * value;
  }
  add_evaluation_sections(page, result);
  if (!input.error_lines.empty()) page.cards.push_back({"Errors", text_block(input.error_lines)});
  if (!input.summary_lines.empty()) page.cards.push_back({"Summary", text_block(input.summary_lines)});
  page.gallery = input.pictures;
  return make_html_report(page);
}

}  // namespace fastermask
