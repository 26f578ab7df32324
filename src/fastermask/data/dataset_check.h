// Finds what is wrong with a COCO data set: every problem with file, image and annotation, what to do about it, and on
// wish a repaired JSON file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/data/catalog.h"

namespace fastermask {

enum class ProblemKind {
  broken_json,      // the file cannot be read at all
  malformed_image,  // a field is missing or of a wrong type
  malformed_annotation,
  malformed_category,
  duplicate_image_id,
  duplicate_annotation_id,
  duplicate_category_id,
  missing_image,     // no such file
  unreadable_image,  // truncated, damaged, unknown kind
  size_mismatch,     // the picture is not as large as the JSON says
  exif_rotated,      // the JSON gives the size before EXIF orientation
  repeated_image,    // the same picture twice
  image_in_two_sets,
  unknown_image,  // an annotation of an image that is not listed
  unknown_category,
  empty_box,      // no width or height, or wholly outside the image
  box_outside,    // reaches over the edge by more than a pixel
  short_polygon,  // under 6 numbers, or an odd count
  polygon_outside,
  crossing_polygon,  // crosses itself
  bad_rle,           // runs that do not fill the size, or a size that is not the image's
  bad_mask_file,     // a mask's PNG that is missing, damaged or of another size than the image
};

// "missing_image", ...: the words above.
const char* problem_name(ProblemKind kind);

// True when training would stop at it, or lose the image or annotation; the others are taken as they are.
bool is_error(ProblemKind kind);

struct DataProblem {
  ProblemKind kind = ProblemKind::broken_json;
  std::string file;                // the picture, or the annotation file
  std::int64_t image_id = -1;      // -1: none
  std::int64_t annotation_id = -1;
  std::string message;
  std::string repair;              // what `--fix` does; "": nothing can be done automatically
};

// A picture of a checked set, to compare sets with each other.
struct CheckedImage {
  std::int64_t id = 0;
  std::string file;
  std::uint64_t content_hash = 0;  // 0: unreadable
};

// What a repaired file lost and what changed in it. The problems tell why, one by one; annotations that go with their
// image have no problem of their own, so their ids are here.
struct RepairSummary {
  std::int64_t images_kept = 0;
  std::int64_t images_removed = 0;
  std::int64_t images_changed = 0;
  std::int64_t annotations_kept = 0;
  std::int64_t annotations_removed = 0;  // with those of removed images
  std::int64_t annotations_changed = 0;
  std::vector<std::int64_t> removed_with_image;  // ids of annotations
};

struct CheckReport {
  std::string name;
  std::int64_t images = 0;
  std::int64_t annotations = 0;
  std::vector<DataProblem> problems;  // images first, in file order
  std::vector<CheckedImage> pictures;
  RepairSummary repair;       // what repaired_json does, or would do
  std::string repaired_json;  // the whole file with all repairs; only when asked for, "" when the JSON is broken
};

struct CheckOptions {
  bool repair = false;       // make CheckReport::repaired_json
  bool pictures = true;      // decode every picture; false: the JSON alone
  bool errors_only = false;  // repair only what is_error()
};

// Checks one set; pictures are decoded in parallel. A picture (by content) that an earlier report has too is an
// image_in_two_sets problem, and repaired by leaving it out of this set.
CheckReport check_dataset(const DatasetLocation& location, const CheckOptions& options = {},
                          const std::vector<CheckReport>& earlier = {});

}  // namespace fastermask
