// The page of `fastermask data stats --html`.
#pragma once

#include <optional>
#include <string>

#include "fastermask/cli/anchor_statistics.h"
#include "fastermask/data/dataset.h"
#include "fastermask/data/dataset_stats.h"

namespace fastermask::cli {

// Writes one self-contained HTML file: numbers, histograms, the classes, how the anchors fit, and some annotated
// pictures.
void write_stats_page(const std::string& path, const Dataset& dataset, const DatasetStats& stats,
                      const std::optional<AnchorStatistics>& anchors);

}  // namespace fastermask::cli
