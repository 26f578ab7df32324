// A batch as a tree of plain values, to be kept in a file, and back.
#pragma once

#include "fastermask/data/loader.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {

// {"images": [N, H, W, 3], "image_sizes": [N, 2] (height, width), "original_sizes", "image_ids": [N], "file_names",
// "flipped", "ground_truths": [{"boxes": [G, 4], "classes": [G], "masks": [None | [polygon [2 P], ...] | {"size",
// "counts"}], "keypoints": [G, K, 3]}]}
PickleValue record_batch(const Batch& batch);

// The batch again. Throws WeightsError when the tree is not such a record.
Batch batch_of_record(const PickleValue& record);

}  // namespace fastermask
