// What a network's parameters are before anything is learned or loaded.
#pragma once

#include <cstdint>

#include "fastermask/graph/network.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// A parameter's values as its Initialiser says, float32: a function of the seed and the parameter's name.
NDArray initial_values(const Parameter& parameter, std::uint64_t seed);

// Values for the frozen batch norms of a network without weights, by parameter name: with their own, mean 0 and
// variance 1 whatever comes in, values would double from block to block. `pixel_std` is MODEL.PIXEL_STD's first.
// Empty when no norm is frozen.
NamedArrays balanced_frozen_norms(const Network& network, double pixel_std);

// initial_values of every parameter, frozen norms balanced: for benchmarks and tests.
NamedArrays random_weights(const Network& network, std::uint64_t seed, double pixel_std);

}  // namespace fastermask
