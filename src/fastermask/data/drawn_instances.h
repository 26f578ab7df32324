// Instances that people drew with annotation tools, as COCO JSON: what labelme_folder.h and via_project.h share.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "fastermask/structures/box.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// One object: outlines, bitmaps and boxes that belong together. A box is a polygon of its corners in `boxes`.
struct DrawnInstance {
  std::string label;
  Polygons outlines;
  Polygons boxes;
  std::vector<Rle> masks;  // of the picture's size

  bool empty() const { return outlines.empty() && boxes.empty() && masks.empty(); }
};

struct DrawnImage {
  std::string file_name;  // from the image folder
  ImageSize size;
  std::vector<DrawnInstance> instances;
};

// A data set made of an annotation tool's files.
struct DrawnDataset {
  std::string json;  // COCO's
  std::string image_root;
  std::size_t images = 0;
  std::size_t instances = 0;
  std::size_t left_out = 0;  // shapes without an area: points, lines, polygons of fewer than three points; labels that
                             // say to ignore them
  std::size_t boxes_as_masks = 0;  // instances that are boxes, in a set where others have outlines
};

// Points around a circle or ellipse, at most an eighth of a pixel off its edge (up to a radius of some hundred pixels);
// `angle` turns it, in radians, as y grows downwards.
Polygon ellipse_outline(double x, double y, double radius_x, double radius_y, double angle = 0);

// The polygon of a box's corners, which may come in any order.
Polygon box_outline(double x1, double y1, double x2, double y2);

// The list of class names: `class_names`, or else all labels in alphabetical order. Throws DataError "WHERE: ..." for a
// label that is not in the list, a name that is in it twice, and when there is none.
std::vector<std::string> drawn_class_names(const std::vector<DrawnImage>& images,
                                           const std::vector<std::string>& class_names, const std::string& where);

// The COCO JSON: image and annotation ids from 1 in the order given, masks as polygons, or as RLE where an instance has
// bitmaps. When every instance is a box, there are no masks; otherwise a box is a mask, too.
DrawnDataset drawn_to_coco(const std::vector<DrawnImage>& images, const std::vector<std::string>& class_names,
                           const std::string& description);

}  // namespace fastermask
