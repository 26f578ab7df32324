// Reads the curves of a training run from its metrics file, fast enough to do it again and again while it grows.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fastermask {

// Curves over common iterations. A value is NaN where the line of that iteration has none.
struct MetricsTable {
  std::vector<double> iterations;                     // [point], rising
  std::map<std::string, std::vector<double>> series;  // name -> [point]
};

struct MetricsHistory {
  MetricsTable training;    // losses ("total_loss", "loss_*"), "lr", "time", "data_time", "forward_time",
                            // "backward_time", "update_time"
  MetricsTable evaluation;  // "<task>/AP...": what evaluations during the training gave, in percent
};

// Reads JSON lines. Of more than `maximum_points` lines it takes that many, evenly spread, first and last among them;
// the same for those with AP values, which are looked for in the whole text. Numbers may be NaN or Infinity (Python
// writes them so; Infinity reads as NaN). Lines that are not flat JSON objects with an "iteration" are left out. When
// iterations go back (a resumed run), the later lines replace the earlier ones.
MetricsHistory parse_metrics_history(std::string_view text, std::size_t maximum_points = 1000);

}  // namespace fastermask
