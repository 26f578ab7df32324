// Pictures with their instances drawn on them: translucent masks with an outline, boxes, labels with scores, keypoints
// with their skeleton; and what goes with showing such pictures. Drawn with Cairo.
//   D detections   G ground-truth instances   K keypoints an instance
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

struct DrawOptions {
  double score_threshold = 0;  // detections below it are left out
  bool masks = true;
  bool boxes = true;
  bool labels = true;
  bool keypoints = true;
  double mask_opacity = 0.4;         // of the fill, 0 .. 1; outlines are opaque
  double keypoint_threshold = 0.05;  // keypoints of a lower visibility or score are left out
  double scale = 1;                  // of lines and letters, on top of what the picture's size gives

  // Pairs of keypoint indices to join. Empty: COCO's person skeleton where K is 17, else dots alone.
  std::vector<std::pair<int, int>> skeleton;
};

// A copy of `bgr` with the detections drawn on it. Boxes, masks (as Rle) and keypoints are in the picture's pixels;
// what lies beyond the picture is cut off, what is not finite is left out, and an empty picture comes back empty.
// Classes without a name are shown as "class 7".
//
// Colours are those of palette_colour(class); with fewer than two class names, each instance takes one of its own.
// Large instances are drawn first, so that small ones stay visible. Labels stay inside the picture, which they leave
// alone when it is too small to hold a letter, and keep off each other where there is room.
//
// Throws DataError when the picture is not 3-channel, when an array of the detections is neither empty nor as long as
// `boxes` (scores may be empty: labels without a score), or when a mask has another size than the picture. Thread-safe.
Image draw_detections(const Image& bgr, const Detections& detections, const std::vector<std::string>& class_names,
                      const DrawOptions& options = {});

// The same for annotations: boxes [G], classes [G], masks [G] or empty (instances may have none), keypoints [G][K] or
// empty. Throws also what polygons_to_rle throws.
Image draw_ground_truth(const Image& bgr, const Boxes& boxes, const std::vector<int>& classes,
                        const std::vector<Segmentation>& masks, const std::vector<std::vector<Keypoint>>& keypoints,
                        const std::vector<std::string>& class_names, const DrawOptions& options = {});

// The pictures side by side, row by row, each centred in a cell of the largest one's size, with a gap between cells on
// dark grey. All must be 3-channel; throws DataError otherwise, or when `columns` is less than 1. No pictures give an
// empty one.
Image montage(const std::vector<Image>& images, int columns);

// The picture (BGR) as a PNG file's bytes, for embedding in pages and event files. Throws DataError when it is empty or
// not 3-channel.
std::string encode_png(const Image& bgr);

}  // namespace fastermask
