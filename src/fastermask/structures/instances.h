// Instances: what an image holds, as annotated (ground truth) and as detected.
//   G ground-truth instances   D detections   K keypoints an instance
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/structures/box.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// A keypoint in absolute pixels, continuous coordinates (COCO's integer coordinate + 0.5).
struct Keypoint {
  float x = 0;
  float y = 0;
  float visibility = 0;  // annotated: 0 unlabelled, 1 hidden, 2 visible; detected: the score
};

// Ground truth of one training image, after augmentation, in the pixels of the network's input.
struct GroundTruth {
  Boxes boxes;                                   // [G]
  std::vector<int> classes;                      // [G] contiguous class index, 0 .. num_classes - 1
  std::vector<Segmentation> masks;               // [G], or empty when masks are off
  std::vector<std::vector<Keypoint>> keypoints;  // [G][K], or empty when keypoints are off

  std::size_t size() const { return boxes.size(); }
};

// Detections of one image, best score first.
struct Detections {
  ImageSize image_size;                          // the frame the boxes are in
  Boxes boxes;                                   // [D]
  std::vector<float> scores;                     // [D] in (0, 1]
  std::vector<int> classes;                      // [D] contiguous class index
  std::vector<std::vector<float>> soft_masks;    // [D][28 * 28] probabilities inside the box, or empty
  int soft_mask_size = 0;                        // 28, for the usual mask head
  std::vector<Rle> masks;                        // [D] pasted into image_size, or empty
  std::vector<std::vector<Keypoint>> keypoints;  // [D][K], or empty

  std::size_t size() const { return boxes.size(); }
};

}  // namespace fastermask
