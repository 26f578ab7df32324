// Masks in PNG files: a "segmentation" of COCO JSON that is the path of a PNG, or {"png": path, "value": v}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/data/catalog.h"
#include "fastermask/structures/box.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

// The numbers of a PNG as stored, one a pixel: gray of 1 to 16 bits, palette index, or R + 256 G + 65536 B (COCO's
// panoptic ids). Alpha is dropped.
struct MaskImage {
  ImageSize size;
  std::vector<std::uint32_t> values;  // [height * width]
};

MaskImage read_mask_image(const std::string& path);

// Makes the masks of one data set, remembering the last file, as annotations of an image often share one.
class MaskFileReader {
 public:
  explicit MaskFileReader(const DatasetLocation& location);

  // True for the text of a "segmentation" that names a PNG.
  static bool names_file(std::string_view segmentation);

  // The mask that the text of a "segmentation" names. Paths are relative to the image folder, or else to the folder of
  // the JSON. Without "value", every pixel that is not 0 belongs to the object. Throws DataError: no such file, no PNG,
  // damaged, or of another size than `size`.
  Rle read(std::string_view segmentation, ImageSize size);

 private:
  std::string find_file(const std::string& name) const;

  std::string image_root_;
  std::string json_folder_;
  std::string last_path_;
  MaskImage last_;
};

// The folder that paths of mask files start from when they are not in the image folder.
std::string mask_folder(const DatasetLocation& location);

// The set with RLE in place of PNG files, as a file in the cache folder: the location of that. Throws DataError naming
// up to five annotations whose masks cannot be read.
DatasetLocation resolve_mask_files(const DatasetLocation& location);

}  // namespace fastermask
