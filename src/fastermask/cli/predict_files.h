// Files that `fastermask predict` leaves beside drawn pictures and JSON: labelme annotations, a CSV table, crops and
// masks.
#pragma once

#include <string>

#include "fastermask/data/class_list.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

namespace fastermask::cli {

// Folders, and for `csv` a file; those that are empty are not written.
struct PredictFileOptions {
  std::string csv;      // file_name,category_id,category,score,x,y,width,height,area,frame; a line an instance
  std::string labelme;  // NAME.json a picture: a polygon a part of a mask (or a rectangle), grouped by instance;
                        // of videos also NAME.jpg, the frame
  std::string crops;    // NAME-INSTANCE-CLASS.jpg an instance: what its box holds
  std::string masks;    // NAME.png a picture, gray: 0 is background, i the i-th best instance (255 at most)

  bool any() const { return !csv.empty() || !labelme.empty() || !crops.empty() || !masks.empty(); }
};

// Where the pixels came from, and what their files are called.
struct PictureSource {
  std::string file;
  std::string name;  // file name in the output, unique
  int frame = -1;    // of a video, from 0
};

// Collects the table and writes the other files as pictures come.
class PredictFiles {
 public:
  PredictFiles(PredictFileOptions options, const ClassList& classes);

  // `image`: BGR pixels.
  void add(const PictureSource& source, const Image& image, const Detections& detections);

  // Writes the table.
  void finish() const;

 private:
  void add_lines(const PictureSource& source, const Detections& detections);
  void write_labelme(const PictureSource& source, const std::string& stem, const Detections& detections,
                     const Image& image);
  void write_crops(const std::string& stem, const Image& image, const Detections& detections);
  void write_masks(const std::string& stem, const Detections& detections, ImageSize size);
  const std::string& class_name(const Detections& detections, std::size_t index) const;

  PredictFileOptions options_;
  const ClassList& classes_;
  std::string table_;
};

}  // namespace fastermask::cli
