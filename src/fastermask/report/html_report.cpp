// Puts the HTML report together: fixed parts, pictures as data: addresses, and the rest as one JSON object in a script
// element that no string can leave, because every '<', '>' and '&' in it is written as a \u escape.
#include "fastermask/report/html_report.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/report/html_page.h"
#include "fastermask/report/html_text.h"
#include "fastermask/report/metrics_history.h"

namespace fastermask {
namespace {

// The page may load nothing: no network, no other file.
constexpr const char* kContentPolicy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'";

// A JSON string literal that is also safe inside <script>. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, const std::string& text) {
  const std::string plain = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  for (const char c : plain) {
    switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  }
}

// Six digits: more than a screen shows. NaN and infinity are null, as JSON has neither.
void append_json_number(std::string& out, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out), "{:.6g}", value);
  } else {
    out += "null";
  }
}

void append_json_array(std::string& out, const std::vector<double>& values, bool whole_numbers) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    if (whole_numbers) {
      fmt::format_to(std::back_inserter(out), "{:.0f}", values[i]);
    } else {
      append_json_number(out, values[i]);
    }
  }
  out += ']';
}

void append_table_json(std::string& out, const MetricsTable& table) {
  out += "{\"iterations\":";
  append_json_array(out, table.iterations, true);
  out += ",\"series\":[";
  const char* comma = "";
  for (const auto& [name, values] : table.series) {
    out += comma;
    out += "{\"name\":";
    append_json_string(out, name);
    out += ",\"values\":";
    append_json_array(out, values, false);
    out += '}';
    comma = ",";
  }
  out += "]}";
}

void append_rows_json(std::string& out, const std::vector<std::pair<std::string, std::string>>& rows) {
  out += '[';
  const char* comma = "";
  for (const auto& [name, value] : rows) {
    out += comma;
    out += '[';
    append_json_string(out, name);
    out += ',';
    append_json_string(out, value);
    out += ']';
    comma = ",";
  }
  out += ']';
}

// [["bbox", [["AP", 53.0], ...]], ...]: arrays, as a class could be named "__proto__".
void append_evaluation_json(std::string& out, const ReportInput& input) {
  out += '[';
  const char* task_comma = "";
  for (const auto& [task, metrics] : input.evaluation) {
    out += task_comma;
    out += '[';
    append_json_string(out, task);
    out += ",[";
    const char* comma = "";
    for (const auto& [name, value] : metrics) {
      out += comma;
      out += '[';
      append_json_string(out, name);
      out += ',';
      append_json_number(out, value);
      out += ']';
      comma = ",";
    }
    out += "]]";
    task_comma = ",";
  }
  out += ']';
}

// [{"title": "...", "x_name": "...", "x": [0, 1, ...], "lines": [{"name": "IoU 0.50", "values": [...]}]}]
void append_charts_json(std::string& out, const std::vector<ReportChart>& charts) {
  out += '[';
  for (const ReportChart& chart : charts) {
    if (&chart != &charts.front()) out += ',';
    out += "{\"title\":";
    append_json_string(out, chart.title);
    out += ",\"x_name\":";
    append_json_string(out, chart.x_name);
    out += ",\"x\":";
    append_json_array(out, chart.x, false);
    out += ",\"lines\":[";
    for (const auto& line : chart.lines) {
      if (&line != &chart.lines.front()) out += ',';
      out += "{\"name\":";
      append_json_string(out, line.first);
      out += ",\"values\":";
      append_json_array(out, line.second, false);
      out += '}';
    }
    out += "]}";
  }
  out += ']';
}

std::string report_data_json(const ReportInput& input) {
  MetricsHistory history;
  if (!input.metrics_json_path.empty() && is_file(input.metrics_json_path)) {
    const MappedFile file(input.metrics_json_path);
    history = parse_metrics_history(file.view());
  }
  std::string out = "{\"title\":";
  append_json_string(out, input.title);
  out += fmt::format(",\"running\":{},\"done\":{},\"total\":{},\"training\":", input.training_running,
                     input.iterations_done, input.iterations_total);
  append_table_json(out, history.training);
  out += ",\"history\":";
  append_table_json(out, history.evaluation);
  out += ",\"evaluation\":";
  append_evaluation_json(out, input);
  out += ",\"charts\":";
  append_charts_json(out, input.charts);
  out += ",\"dataset\":";
  append_rows_json(out, input.dataset_rows);
  out += ",\"environment\":";
  append_rows_json(out, input.environment);
  out += ",\"config\":";
  append_json_string(out, input.config_yaml);
  out += ",\"captions\":[";
  bool first = true;
  for (const std::vector<ReportPicture>* pictures : {&input.gallery, &input.over_time}) {
    for (const ReportPicture& picture : *pictures) {
      if (!first) out += ',';
      first = false;
      append_json_string(out, picture.caption);
    }
  }
  return out + fmt::format("],\"over_time\":{}}}", input.over_time.size());
}

const char* picture_type(const ReportPicture& picture, std::size_t index) {
  const std::string_view bytes = picture.bytes;
  if (bytes.substr(0, 4) == "\x89PNG") return "image/png";
  if (bytes.substr(0, 3) == "\xff\xd8\xff") return "image/jpeg";
  fail<DataError>("report: picture {} of the gallery must be a PNG or JPEG file, got {} bytes of something else", index,
                  bytes.size());
}

void append_cards(std::string& out, const std::vector<ReportCard>& cards) {
  for (const ReportCard& card : cards) {
    const std::string title = escape_html(card.title);
    out +=
        fmt::format("<section class=\"card wide\" aria-label=\"{0}\"><div class=\"top\"><h2>{0}</h2></div>\n", title);
    out += card.html + "</section>\n";
  }
}

void append_pictures(std::string& out, const std::vector<ReportPicture>& gallery) {
  for (std::size_t i = 0; i < gallery.size(); ++i) {
    out += fmt::format("<img alt=\"\" src=\"data:{};base64,", picture_type(gallery[i], i));
    append_base64(out, gallery[i].bytes);
    out += "\">\n";
  }
}

}  // namespace

std::string make_html_report(const ReportInput& input) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n<title>FasterMask report</title>\n<style>\n",
      kContentPolicy);
  page += html_page_style();
  page += "</style>\n</head>\n<body>\n";
  page += html_page_body();
  page += "<div id=\"cards\" hidden>\n";
  append_cards(page, input.cards);
  page += "</div>\n<div id=\"pictures\" hidden>\n";
  append_pictures(page, input.gallery);
  append_pictures(page, input.over_time);
  page += "</div>\n";
  page += "<script type=\"application/json\" id=\"data\">";
  page += report_data_json(input);
  page += "</script>\n<script>\n";
  page += html_page_chart_script();
  page += html_page_script();
  page += "</script>\n</body>\n</html>\n";
  return page;
}

void write_html_report(const std::string& path, const ReportInput& input) {
  write_file_atomic(path, make_html_report(input));
}

}  // namespace fastermask
