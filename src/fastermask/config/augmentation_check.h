// What the parameters of one augmentation must be to each other. Internal to the config layer.
#pragma once

#include <string>

#include "fastermask/config/augmentation_spec.h"

namespace fastermask {

// Throws ConfigError unless they fit. `entry` ("INPUT.AUGMENTATIONS[0]") opens the message, `where` (" (file:line)")
// ends it; `nested` inside RandomApply.
void check_augmentation(const AugmentationSpec& spec, const std::string& entry, const std::string& where, bool nested);

}  // namespace fastermask
