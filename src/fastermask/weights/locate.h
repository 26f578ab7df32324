// Where a weight file named in a config lies on this machine.
#pragma once

#include <string>
#include <vector>

namespace fastermask {

// The local file for MODEL.WEIGHTS: a path, or a name of detectron2's model store ("detectron2://X", "catalog://X",
// "https://dl.fbaipublicfiles.com/..."). Names are looked for in $FASTERMASK_WEIGHTS (folders separated by ':'),
// in `folders`, in those of add_weights_folder(), in the data folder ($FASTERMASK_DATASETS, $DETECTRON2_DATASETS or
// ./datasets) and its sub-folder weights, and in ./weights: first as the whole sub-path, then by file name alone.
// A relative path that does not exist is looked for beside those folders too. Throws WeightsError that says which file
// to put where, and where the original is published.
std::string locate_weights(const std::string& name, const std::vector<std::string>& folders = {});

// From here on locate_weights() looks into this folder, too: the one a program's config file lies in. Not thread-safe.
void add_weights_folder(const std::string& folder);

// The address at which a store name is published: "detectron2://a/b.pkl" ->
// "https://dl.fbaipublicfiles.com/detectron2/a/b.pkl"; "" for plain paths.
std::string weights_address(const std::string& name);

}  // namespace fastermask
