// The model package, .fmm: one file with everything that inference needs, mapped into memory and used as it lies there.
// docs/model_package.md describes the format.
#pragma once

#include <string>

#include "fastermask/config/config.h"
#include "fastermask/data/class_list.h"
#include "fastermask/graph/network.h"
#include "fastermask/runtime/compiled_weights.h"
#include "fastermask/runtime/quantisation.h"

namespace fastermask {

struct ModelPackage {
  Config config;
  ClassList classes;
  CompiledWeights weights;  // parts of the mapped file, which they keep alive
  NetworkRanges ranges;     // of int8
  WeightPrecision precision = WeightPrecision::f32;
  std::string made_by;  // FasterMask's version
};

// Writes a package; it appears whole or not at all. Throws Error when it cannot be written. With bf16 the packed
// weights take 16 bits each: they must have been compiled with that precision, otherwise Error. int8 needs `ranges`.
void save_model_package(const std::string& path, const Config& config, const ClassList& classes,
                        const CompiledWeights& weights, WeightPrecision precision = WeightPrecision::f32,
                        const NetworkRanges& ranges = {});

// Maps a package, checks it against its checksums and the network that its config describes. Throws WeightsError that
// says what is wrong: another format version, a damaged or truncated file, weights that are not the network's.
ModelPackage load_model_package(const std::string& path);

// Whether a file begins like a package.
bool is_model_package(const std::string& path);

}  // namespace fastermask
