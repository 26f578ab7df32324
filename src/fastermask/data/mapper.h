// From a record of a data set to a training sample: decode, augment, and the ground truth in the pixels of the result.
// detectron2 data/dataset_mapper.py and detection_utils.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/data/augmentation.h"
#include "fastermask/data/dataset.h"
#include "fastermask/data/image_io.h"

namespace fastermask {

struct MapperOptions {
  PixelFormat format = PixelFormat::bgr;
  AugmentationOptions augmentation;
  bool masks = false;          // fill GroundTruth::masks
  bool bitmasks = false;       // INPUT.MASK_FORMAT bitmask: masks as Rle of the augmented size; otherwise as given
  bool keypoints = false;      // fill GroundTruth::keypoints
  bool keep_maskless = false;  // with masks on: keep instances without a mask (for drawing; training leaves them out)
};

// A picture that was to be pasted from, and why it could not.
struct UnusableSource {
  std::int64_t record = 0;  // index in Dataset::records
  std::string reason;
};

struct TrainingSample {
  std::int64_t image_id = 0;
  std::string file_name;
  ImageSize original_size;
  Image image;  // augmented, uint8, in MapperOptions::format
  GroundTruth ground_truth;
  Transforms transforms;
  bool flipped = false;  // left and right, an odd number of times
  std::vector<UnusableSource> unusable;  // met and passed over by CopyPaste
};

// Reads the picture of a record and checks its size against the JSON's. Throws DataError "Mismatched image shape ...".
Image read_record_image(const ImageRecord& record, PixelFormat format);

// The ground truth of a record after `transforms`: crowds removed, boxes clipped to the image, keypoints outside it
// hidden and, after a flip, renamed; instances with an empty box (<= 1e-5) or mask dropped. With masks on and a crop
// or turn among the transforms, boxes are those of the masks. Annotations without a mask are dropped when masks are on.
GroundTruth make_ground_truth(const Dataset& dataset, const ImageRecord& record, const Transforms& transforms,
                              const MapperOptions& options);

// Both, with transforms drawn from `random`. CopyPaste among them takes pictures of the same data set, chosen by
// `random` too; one that cannot be read is passed over and named in the sample.
TrainingSample map_for_training(const Dataset& dataset, const ImageRecord& record, const MapperOptions& options,
                                Random& random);

}  // namespace fastermask
