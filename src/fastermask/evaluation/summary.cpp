// detectron2's metric names, tables and log lines.
#include "fastermask/evaluation/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

constexpr const char* kCocoEvaluationModule = "evaluation.coco_evaluation";
constexpr const char* kTestingModule = "evaluation.testing";
constexpr const char* kCategoryPrefix = "AP-";

const std::vector<std::string>& metric_names(IouType type) {
  static const std::vector<std::string> instances = {"AP", "AP50", "AP75", "APs", "APm", "APl"};
  static const std::vector<std::string> keypoints = {"AP", "AP50", "AP75", "APm", "APl"};
  return type == IouType::keypoints ? keypoints : instances;
}

// Characters, not bytes, so that columns of names with accents stay straight.
std::size_t shown_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

enum class ColumnAlignment { left, centre };

std::string align_in_column(const std::string& text, std::size_t width, ColumnAlignment alignment) {
  const std::size_t spaces = width - std::min(width, shown_width(text));
  const std::size_t before = alignment == ColumnAlignment::left ? 0 : spaces / 2;
  return std::string(before, ' ') + text + std::string(spaces - before, ' ');
}

// A table with | between columns, as Python's tabulate draws "pipe" tables: columns are at least two characters wider
// than their headings.
std::string pipe_table(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows,
                       ColumnAlignment alignment) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < headings.size(); ++c) {
    std::size_t width = shown_width(headings[c]) + 2;
    for (const auto& row : rows) width = std::max(width, shown_width(row[c]));
    widths.push_back(width);
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (std::size_t c = 0; c < cells.size(); ++c) text += " " + align_in_column(cells[c], widths[c], alignment) + " |";
    return text;
  };
  std::string table = line(headings) + "\n|";
  for (const std::size_t width : widths) {
    table += alignment == ColumnAlignment::left ? ":" + std::string(width + 1, '-') + "|"
                                                : ":" + std::string(width, '-') + ":|";
  }
  for (const auto& row : rows) table += "\n" + line(row);
  return table;
}

bool is_category_metric(const std::string& name) { return name.find('-') != std::string::npos; }

std::string three_decimals(double value) { return std::isnan(value) ? "nan" : fmt::format("{:.3f}", value); }

}  // namespace

double TaskMetrics::value(const std::string& name) const {
  for (const auto& [key, number] : metrics) {
    if (key == name) return number;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<std::pair<std::string, double>> flatten_metrics(const std::vector<TaskMetrics>& tasks) {
  std::vector<std::pair<std::string, double>> flat;
  for (const TaskMetrics& task : tasks) {
    for (const auto& [name, value] : task.metrics) flat.emplace_back(task.task + "/" + name, value);
  }
  return flat;
}

TaskMetrics coco_metrics(const CocoEvalResult& result) {
  TaskMetrics task;
  task.task = iou_type_name(result.params.iou_type);
  const std::vector<std::string>& names = metric_names(result.params.iou_type);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double value = result.stats[i];
    task.metrics.emplace_back(names[i], value >= 0 ? value * 100 : std::numeric_limits<double>::quiet_NaN());
  }
  if (result.category_names.size() < 2) return task;
  const std::vector<double> values = per_category_ap(result);
  for (std::size_t k = 0; k < values.size(); ++k) {
    task.metrics.emplace_back(kCategoryPrefix + result.category_names[k], values[k] * 100);
  }
  return task;
}

TaskMetrics empty_coco_metrics(IouType type) {
  TaskMetrics task;
  task.task = iou_type_name(type);
  for (const std::string& name : metric_names(type)) {
    task.metrics.emplace_back(name, std::numeric_limits<double>::quiet_NaN());
  }
  return task;
}

std::string results_table_message(const TaskMetrics& metrics) {
  std::vector<std::string> names;
  std::vector<std::string> values;
  for (const auto& [name, value] : metrics.metrics) {
    if (is_category_metric(name)) continue;
    names.push_back(name);
    values.push_back(three_decimals(value));
  }
  return fmt::format("Evaluation results for {}: \n{}", metrics.task,
                     pipe_table(names, {values}, ColumnAlignment::centre));
}

std::string per_category_table_message(const TaskMetrics& metrics) {
  std::vector<std::string> cells;
  for (const auto& [name, value] : metrics.metrics) {
    if (!starts_with(name, kCategoryPrefix)) continue;
    cells.push_back(name.substr(std::string(kCategoryPrefix).size()));
    cells.push_back(three_decimals(value));
  }
  if (cells.empty()) return "";
  const std::size_t columns = std::min<std::size_t>(6, cells.size());
  std::vector<std::string> headings;
  for (std::size_t c = 0; c < columns; ++c) headings.emplace_back(c % 2 == 0 ? "category" : "AP");
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < cells.size(); i += columns) {
    rows.emplace_back(columns);
    for (std::size_t c = 0; c < columns && i + c < cells.size(); ++c) rows.back()[c] = cells[i + c];
  }
  return fmt::format("Per-category {} AP: \n{}", metrics.task, pipe_table(headings, rows, ColumnAlignment::left));
}

std::vector<std::string> copypaste_lines(const std::vector<TaskMetrics>& tasks) {
  std::vector<std::string> lines;
  for (const TaskMetrics& task : tasks) {
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (const auto& [name, value] : task.metrics) {
      if (is_category_metric(name)) continue;
      names.push_back(name);
      values.push_back(std::isnan(value) ? "nan" : fmt::format("{:.4f}", value));
    }
    lines.push_back("copypaste: Task: " + task.task);
    lines.push_back("copypaste: " + join(names, ","));
    lines.push_back("copypaste: " + join(values, ","));
  }
  return lines;
}

void log_task_metrics(const TaskMetrics& metrics) {
  log_info(kCocoEvaluationModule, "{}", results_table_message(metrics));
  const bool complete = std::all_of(metrics.metrics.begin(), metrics.metrics.end(), [](const auto& metric) {
    return is_category_metric(metric.first) || std::isfinite(metric.second);
  });
  if (!complete) log_info(kCocoEvaluationModule, "Some metrics cannot be computed and is shown as NaN.");
  const std::string categories = per_category_table_message(metrics);
  if (!categories.empty()) log_info(kCocoEvaluationModule, "{}", categories);
}

void log_copypaste(const std::vector<TaskMetrics>& tasks) {
  for (const std::string& line : copypaste_lines(tasks)) log_info(kTestingModule, "{}", line);
}

}  // namespace fastermask
