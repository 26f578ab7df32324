// Pictures of a data set with their annotations drawn on them, for `data show` and `data stats --html`.
#pragma once

#include "fastermask/data/mapper.h"

namespace fastermask::cli {

// The picture of a record, augmented as `options` say, with boxes, labels, masks and keypoints where it has them.
Image annotated_picture(const Dataset& dataset, const ImageRecord& record, MapperOptions options, Random random);

}  // namespace fastermask::cli
