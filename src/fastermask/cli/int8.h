// The options of commands that make int8 networks, and how they make them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "fastermask/config/config.h"
#include "fastermask/runtime/calibrate.h"

namespace fastermask::cli {

struct Int8Options {
  std::string calibration;  // a folder of pictures, or a data set
  int images = 200;
  std::string method = "percentile";
  double max_ap_drop = 0;  // as a share of 1; 0: whatever it costs
};

void add_int8_options(CLI::App& command, Int8Options& options);

// Throws UsageError where int8 options are given without int8, or --calibration is missing with it.
void check_int8_options(const std::string& command, const Int8Options& options, bool int8);

// Calibrates, and with --max-ap-drop leaves the noisiest layers in float32 until AP on the first data set of
// DATASETS.TEST is near enough to float32's. Throws UsageError, ConfigError or DataError for what cannot be done.
IntegerNetwork make_integer_network(const Config& config, const Int8Options& options, bool winograd);

}  // namespace fastermask::cli
