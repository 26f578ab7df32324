#include "fastermask/report/evaluation_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fastermask/report/html_text.h"

namespace fastermask {
namespace {

constexpr const char* kPageStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}\n"
    "table{border-collapse:collapse;margin:1em 0} td,th{padding:.15em .8em;text-align:right}\n"
    "td:first-child,th:first-child{text-align:left} tr:nth-child(even){background:#f4f4f4}\n"
    "pre{overflow-x:auto} svg{background:#fafafa;border:1px solid #ddd} svg text{font:11px sans-serif}\n"
    "figure{margin:1em 0} figure img{max-width:100%} figcaption{font-size:13px;color:#666}\n";

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

// A line in a box of the size given, y upwards.
std::string curve_line(const std::vector<double>& recalls, const std::vector<double>& curve, double width,
                       double height, const std::string& colour) {
  std::string points;
  for (std::size_t r = 0; r < curve.size(); ++r) {
    points += fmt::format("{:.1f},{:.1f} ", recalls[r] * width, (1 - curve[r]) * height);
  }
  return fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"{}\"/>", colour, points);
}

// From blue (low IoU) to red.
std::string threshold_colour(std::size_t t, std::size_t count) {
  const double share = count < 2 ? 0 : static_cast<double>(t) / static_cast<double>(count - 1);
  return fmt::format("hsl({:.0f},70%,45%)", 220 * (1 - share));
}

std::string precision_chart(const CocoEvalResult& result) {
  constexpr double kWidth = 520, kHeight = 320, kLeft = 40, kTop = 10;
  const std::vector<double>& thresholds = result.params.iou_thresholds;
  std::string out = fmt::format(
      "<svg width=\"{}\" height=\"{}\" role=\"img\"><title>precision over recall</title>"
      "<g transform=\"translate({},{})\">",
      kWidth + kLeft + 110, kHeight + kTop + 40, kLeft, kTop);
  for (int i = 0; i <= 5; ++i) {
    const double share = i / 5.0;
    out += fmt::format(
        "<path stroke=\"#ddd\" d=\"M{0:.0f} 0V{1}M0 {2:.0f}H{3}\"/>"
        "<text x=\"{0:.0f}\" y=\"{4}\" text-anchor=\"middle\">{5:.1f}</text>"
        "<text x=\"-6\" y=\"{6:.0f}\" text-anchor=\"end\">{5:.1f}</text>",
        share * kWidth, kHeight, (1 - share) * kHeight, kWidth, kHeight + 15, share, (1 - share) * kHeight + 4);
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">recall</text>", kWidth / 2, kHeight + 32);
  for (std::size_t t = 0; t < thresholds.size(); ++t) {
    const std::vector<double> curve = precision_curve(result, t, -1);
    const std::string colour = threshold_colour(t, thresholds.size());
    out += curve_line(result.params.recall_thresholds, curve, kWidth, kHeight, colour);
    out += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"{}\">IoU {:.2f}</text>", kWidth + 12,
                       14 + 16 * static_cast<int>(t), colour, thresholds[t]);
  }
  return out + "</g></svg>\n";
}

std::string percent_cell(double value) {
  return value < 0 ? std::string("<td>-") : fmt::format("<td>{:.1f}", 100 * value);
}

std::string size_table(const CocoEvalResult& result) {
  const int last = result.params.max_detections.back();
  std::string out = "<table><tr><th>size<th>from, px<sup>2</sup><th>to<th>objects<th>AP<th>AR</tr>\n";
  const std::size_t ranges = result.params.area_ranges.size();
  for (std::size_t a = 0; a < ranges; ++a) {
    const AreaRange& range = result.params.area_ranges[a];
    std::int64_t objects = 0;
    for (std::size_t k = 0; k < result.category_ids.size(); ++k) objects += result.truth_counts[k * ranges + a];
    out += fmt::format("<tr><td>{}<td>{}<td>{}<td>{}{}{}</tr>\n", escape_html(range.label), range.low, range.high,
                       objects, percent_cell(result.mean_precision(-1, range.label, last)),
                       percent_cell(result.mean_recall(-1, range.label, last)));
  }
  return out + "</table>\n";
}

// A row a class, the worst first; its curves are small.
std::string class_table(const CocoEvalResult& result) {
  constexpr double kWidth = 120, kHeight = 36;
  const int last = result.params.max_detections.back();
  const std::string& all = result.params.area_ranges.front().label;
  const std::vector<double>& thresholds = result.params.iou_thresholds;
  std::vector<double> ap;
  for (std::size_t k = 0; k < result.category_ids.size(); ++k) {
    ap.push_back(result.mean_precision(-1, all, last, static_cast<int>(k)));
  }
  std::vector<std::size_t> order(ap.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ap[a] < ap[b]; });
  std::string out = "<table><tr><th>class<th>objects";
  for (const AreaRange& range : result.params.area_ranges) out += "<th>AP " + escape_html(range.label);
  out += "<th>AR<th>precision over recall</tr>\n";
  for (const std::size_t k : order) {
    const int category = static_cast<int>(k);
    if (result.truth_counts[k * result.params.area_ranges.size()] == 0) continue;
    out += fmt::format("<tr><td>{}<td>{}", escape_html(result.category_names[k]),
                       result.truth_counts[k * result.params.area_ranges.size()]);
    for (const AreaRange& range : result.params.area_ranges) {
      out += percent_cell(result.mean_precision(-1, range.label, last, category));
    }
    out += percent_cell(result.mean_recall(-1, all, last, category));
    out += fmt::format("<td><svg width=\"{}\" height=\"{}\">", kWidth, kHeight);
    for (std::size_t t = 0; t < thresholds.size(); t += std::max<std::size_t>(1, thresholds.size() / 2)) {
      out += curve_line(result.params.recall_thresholds, precision_curve(result, t, category), kWidth, kHeight,
                        threshold_colour(t, thresholds.size()));
    }
    out += "</svg></tr>\n";
  }
  return out + "</table>\n";
}

std::string text_block(const std::vector<std::string>& lines) {
  std::string out = "<pre>";
  for (const std::string& line : lines) out += escape_html(line) + "\n";
  return out + "</pre>\n";
}

}  // namespace

std::string make_evaluation_page(const CocoEvalResult& result, const EvaluationPageInput& input) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>\n{1}</style>\n<h1>{0}</h1>\n",
      escape_html(input.title), kPageStyle);
  page += text_block(input.summary_lines);
  page += "<h2>Precision over recall, mean over classes</h2>\n" + precision_chart(result);
  page += "<h2>By size</h2>\n" + size_table(result);
  if (!input.error_lines.empty()) page += "<h2>Errors</h2>\n" + text_block(input.error_lines);
  page += "<h2>By class, the worst first</h2>\n" + class_table(result);
  if (!input.pictures.empty()) page += "<h2>Images with the most mistakes</h2>\n";
  for (const ReportPicture& picture : input.pictures) {
    page += "<figure><img alt=\"\" src=\"data:image/jpeg;base64,";
    append_base64(page, picture.bytes);
    page += fmt::format("\"><figcaption>{}</figcaption></figure>\n", escape_html(picture.caption));
  }
  return page + "</html>\n";
}

}  // namespace fastermask
