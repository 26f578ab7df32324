// The page of `fastermask data stats --html`.
#pragma once

#include <string>

#include "fastermask/data/dataset.h"
#include "fastermask/data/dataset_stats.h"

namespace fastermask::cli {

// Writes one self-contained HTML file: numbers, a bar chart of the classes, and some annotated pictures.
void write_stats_page(const std::string& path, const Dataset& dataset, const DatasetStats& stats);

}  // namespace fastermask::cli
