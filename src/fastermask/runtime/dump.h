// Intermediates as named arrays, for `--dump`: under the names of docs, feature maps as [N, C, H, W].
#pragma once

#include <string>
#include <vector>

#include "fastermask/detection/proposals.h"
#include "fastermask/runtime/network_executor.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

// A value as it is when 2-d; [N, H, W, C] turned into [N, C, H, W].
void dump_value(NamedArrays& dump, const std::string& name, const HostTensor& value);

// "proposals.boxes" [R, 4] and "proposals.logits" [R] for one image; with several, ".1", ".2", ... after the first's.
void dump_proposals(NamedArrays& dump, const std::vector<Proposals>& proposals);

// "detections.boxes" [D, 4], "detections.scores" [D], "detections.classes" [D], named likewise.
void dump_detections(NamedArrays& dump, const std::vector<Detections>& detections);

}  // namespace fastermask
