// Checks the images of a COCO file. Internal to the data layer: dataset_check.h puts the parts together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fastermask/data/dataset_check.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// What is known about one image after its check.
struct ImageFinding {
  std::int64_t id = 0;
  std::string file;
  ImageSize json_size;
  ImageSize true_size;        // upright, of the file; json_size when it cannot be read
  int turned = 0;             // EXIF orientation (5 to 8) when the JSON's size is that of the stored picture
  std::uint64_t content_hash = 0;
  std::string problem;        // why the picture cannot be read; ""
  bool missing = false;
  bool removed = false;       // cannot be used, so not in the repaired file; its annotations are not looked at
  bool left_out = false;      // could be used, but not in the repaired file, with its annotations
  bool resized = false;       // its size is corrected in the repaired file
};

struct ImageTable {
  std::vector<ImageFinding> images;                        // [element of "images"]
  std::unordered_map<std::int64_t, std::size_t> index_of;  // by id; of a repeated id the first
};

struct ImageCheckTask {
  const DatasetLocation& location;
  const CheckOptions& options;
  const std::vector<CheckReport>& earlier;  // of sets that must not share pictures with this one
};

// Element texts lie inside `text`, the whole file.
ImageTable check_images(const ImageCheckTask& task, const std::vector<std::string_view>& elements,
                        std::string_view text, CheckReport& report);

// The elements of the repaired file; counts what is lost and changed.
std::vector<std::string> repaired_images(const std::vector<std::string_view>& elements, const ImageTable& images,
                                         RepairSummary& summary);

}  // namespace fastermask
