// Fitting a weight file to a model: which array goes where, what is missing, what is left over.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fastermask/structures/ndarray.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {

// One parameter or buffer that the model wants.
struct ParameterSpec {
  std::string name;
  Shape shape;
  bool frozen_bn = false;  // one of the four buffers of a FrozenBatchNorm2d: missing statistics get 0 and 1
};

struct ShapeMismatch {
  std::string model_name;
  std::string file_name;
  Shape model_shape;
  Shape file_shape;
};

struct MatchResult {
  std::map<std::string, std::string> matched;  // model's name -> file's name
  std::vector<std::string> missing;            // model's names without an array of the file
  std::vector<std::string> unexpected;         // file's names that the model has no use for
  std::vector<ShapeMismatch> mismatched;       // left as the model has them
};

// Matches by equal names, or when file.needs_name_matching: for every model's name the longest name of the file that
// equals it or is a suffix of it after a dot. pixel_mean, pixel_std, anchors and num_batches_tracked are never reported
// missing or unexpected. Throws WeightsError when two model names want one array of the file.
// detectron2 checkpoint/c2_model_loading.py align_and_update_state_dicts.
MatchResult match_weights(const WeightFile& file, const std::vector<ParameterSpec>& model);

struct LoadedWeights {
  NamedArrays arrays;  // by the model's names, in the model's shapes; floating-point arrays as float32
  MatchResult match;
};

// The file's arrays under the model's names, ready to be copied into the model. FrozenBatchNorm2d's rules are applied:
// with no version, or one below 2, missing running_mean / running_var are 0 / 1 (and not reported as missing); with a
// version below 3 in the file, 1e-5 is taken off running_var. detectron2 layers/batch_norm.py.
LoadedWeights load_weights_for(const WeightFile& file, const std::vector<ParameterSpec>& model);

// Lines for the log: what was not loaded, names that differ only in their last part joined
// ("res2.0.conv1.norm.{bias, weight}"), shapes as "file [81, 1024], model [4, 1024]". "" when all matched.
std::string format_match_report(const MatchResult& match, const std::string& path);

}  // namespace fastermask
