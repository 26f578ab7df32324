// Detections as bytes, for sending them from one process to another of the same program.
#pragma once

#include <string>
#include <string_view>

#include "fastermask/structures/instances.h"

namespace fastermask {

// Everything but soft masks, bit for bit.
std::string detections_to_bytes(const Detections& detections);

// Throws Error for bytes that detections_to_bytes() did not write.
Detections detections_of_bytes(std::string_view bytes);

}  // namespace fastermask
