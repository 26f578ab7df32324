// What a config may ask for that this version does not do yet: said at the start, not found out from the results.
#pragma once

#include "fastermask/config/config.h"

namespace fastermask {

// Throws ConfigError for settings that would change the results of training and are not supported.
void check_training_supported(const Config& config);

// The same for inference. Logs a warning when MODEL.DEVICE names another device than the CPU, which is what runs.
void check_inference_supported(const Config& config);

}  // namespace fastermask
