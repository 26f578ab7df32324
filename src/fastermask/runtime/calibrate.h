// From a config, its weights and example pictures to a network in int8.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/runtime/calibration.h"
#include "fastermask/runtime/compiled_weights.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/detector.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// A layer, and the noise that int8 alone adds to what it makes, as a share of the variance of what it makes.
struct LayerNoise {
  std::string layer;
  double noise = 0;
};

struct ExamplePictures {
  std::size_t count = 0;
  std::function<Image(std::size_t)> read;  // upright, in INPUT.FORMAT's channel order
};

struct CalibrationResult {
  Quantisation quantisation;      // with all layers that gain from integers
  std::vector<LayerNoise> noise;  // the noisiest first
};

// Shows the pictures to the float32 network of `weights` (load_network_weights), all of them for the ranges, the first
// eight again for the noise. Logs its progress. Throws DataError when there are no pictures, or none on which the model
// finds anything.
CalibrationResult calibrate(const Config& config, const NamedArrays& weights, const ExamplePictures& pictures,
                            RangeMethod method, bool winograd = true);

// A network ready to run in int8, or to be put into a package.
struct IntegerNetwork {
  CompiledWeights weights;
  NetworkRanges ranges;
};

// Layers that the quantisation does not name are in bf16.
IntegerNetwork compile_integer_network(const Config& config, NamedArrays weights, const Quantisation& quantisation,
                                       bool winograd = true);

std::shared_ptr<CpuExecutor> make_integer_executor(const Config& config, const IntegerNetwork& network);
std::unique_ptr<Detector> make_integer_detector(const Config& config, const IntegerNetwork& network);

}  // namespace fastermask
