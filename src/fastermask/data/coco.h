// Reads COCO JSON (instances and keypoints) into a Dataset. Behaviour of detectron2 data/datasets/coco.py; what it
// takes in silence and what breaks later there (missing fields, wrong types, unknown categories) is an error here that
// names the file, the annotation and the image.
#pragma once

#include <cstdint>
#include <string>

#include "fastermask/data/dataset.h"

namespace fastermask {

struct CocoOptions {
  std::string name;       // for Dataset::name; "" takes the path
  bool keypoints = true;  // read keypoints where given
  // Files of at least this size are read from, or leave, an index (annotation_index.h); 0: none.
  std::int64_t index_from_bytes = 0;
};

// Images ascending by id; category ids ascending -> 0 .. C-1 (a warning is logged when ids are not 1..C and the name
// has no "coco" in it). Polygons of odd length or under 6 numbers are dropped, and with its last polygon the annotation
// is (a count is logged). A segmentation that is missing or empty leaves the annotation without a mask. Keypoints get
// +0.5. Annotations of images that the file does not list are left out (a count is logged). A file without
// "annotations" (COCO's test sets) gives images without any.
//
// Throws DataError "coco: FILE: ..." for: unreadable file, broken JSON (with the byte offset), missing sections or
// fields, wrong types, duplicate annotation ids (unless the file name contains "minival") or image ids, "ignore" other
// than 0, unknown category ids, RLE whose runs do not fill its size or whose size is not the image's. Throws
// coco::MaskFileFound (coco_fields.h) at a mask in a PNG file: load_dataset reads those.
Dataset load_coco(const std::string& annotation_file, const std::string& image_root, const CocoOptions& options = {});

}  // namespace fastermask
