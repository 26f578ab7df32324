// A Detector on LibTorch, made from a config and a weight file. Free of LibTorch, for the command line.
#pragma once

#include <memory>
#include <string>

#include "fastermask/config/config.h"
#include "fastermask/runtime/detector.h"

namespace fastermask {

// Loads config.model.weights into the config's network; what the file lacks keeps its initial values, with a warning.
// Throws ConfigError, and WeightsError when there is no such file or nothing of it fits.
std::unique_ptr<Detector> make_torch_detector(const Config& config);

}  // namespace fastermask
