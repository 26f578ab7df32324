// A network's parameters from a weight file, as named arrays.
#pragma once

#include <string>
#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/weights/matching.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {

// What a network wants from a weight file, with FrozenBN's four buffers marked (weights/matching.h).
std::vector<ParameterSpec> wanted_parameters(const Network& network);

// The arrays of `file` that fit the network; what does not fit is logged. Throws WeightsError when nothing fits.
NamedArrays fitting_weights(const WeightFile& file, const Network& network);

// All parameters of the network, float32, from MODEL.WEIGHTS (weights/locate.h). Those that the file lacks, which is
// logged, start as initial_weights.h says. Throws WeightsError when `weights` is empty or nothing in the file fits.
NamedArrays load_network_weights(const std::string& weights, const Network& network);

}  // namespace fastermask
