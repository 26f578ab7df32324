// The table of instances a class, in the very layout that detectron2 logs (tabulate's "pipe" format).
#include <algorithm>
#include <numeric>

#include "fastermask/base/text.h"
#include "fastermask/data/catalog.h"

namespace fastermask {
namespace {

std::string short_class_name(const std::string& name) { return name.size() > 13 ? name.substr(0, 11) + ".." : name; }

std::string centred(const std::string& text, std::size_t width) {
  const std::size_t space = width - std::min(width, text.size());
  return std::string(space / 2, ' ') + text + std::string(space - space / 2, ' ');
}

std::string left_aligned(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

}  // namespace

std::string class_histogram_table(const Dataset& dataset) {
  const std::vector<std::int64_t> counts = class_histogram(dataset);
  const std::size_t columns = std::min<std::size_t>(6, counts.size() * 2);
  std::vector<std::string> cells;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    cells.push_back(short_class_name(dataset.class_names[c]));
    cells.push_back(std::to_string(counts[c]));
  }
  cells.resize(cells.size() + columns - cells.size() % columns);
  if (counts.size() > 1) {
    cells.emplace_back("total");
    cells.push_back(std::to_string(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})));
  }
  cells.resize((cells.size() + columns - 1) / columns * columns);

  std::vector<std::size_t> widths(columns);
  for (std::size_t c = 0; c < columns; ++c) widths[c] = c % 2 == 0 ? 10 : 12;  // the heading and two spaces
  for (std::size_t i = 0; i < cells.size(); ++i) widths[i % columns] = std::max(widths[i % columns], cells[i].size());

  std::string head = "|";
  std::string rule = "|";
  for (std::size_t c = 0; c < columns; ++c) {
    const bool name = c % 2 == 0;
    head += " " + (name ? centred("category", widths[c]) : left_aligned("#instances", widths[c])) + " |";
    rule += ":" + std::string(widths[c] + (name ? 0 : 1), '-') + (name ? ":|" : "|");
  }
  std::string table = "Distribution of instances among all " + std::to_string(counts.size()) + " categories:\n" + head +
                      "\n" + rule;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t c = i % columns;
    if (c == 0) table += "\n|";
    table += " " + (c % 2 == 0 ? centred(cells[i], widths[c]) : left_aligned(cells[i], widths[c])) + " |";
  }
  return table;
}

}  // namespace fastermask
