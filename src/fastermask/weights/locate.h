// Where a weight file named in a config lies on this machine.
#pragma once

#include <string>
#include <vector>

namespace fastermask {

// The local file for MODEL.WEIGHTS: a path, or a name of detectron2's model store ("detectron2://X", "catalog://X",
// "https://dl.fbaipublicfiles.com/..."). Names are looked for in $FASTERMASK_WEIGHTS (folders separated by ':'), then in
// `folders` (the config's folder, the data folder), then ./weights: first as the whole sub-path, then by file name alone.
// A relative path that does not exist is looked for beside those folders too. Throws WeightsError that says which file
// to put where, and where the original is published.
std::string locate_weights(const std::string& name, const std::vector<std::string>& folders = {});

// The address at which a store name is published: "detectron2://a/b.pkl" ->
// "https://dl.fbaipublicfiles.com/detectron2/a/b.pkl"; "" for plain paths.
std::string weights_address(const std::string& name);

}  // namespace fastermask
