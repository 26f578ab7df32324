// From the heads' output to detections. detectron2 fast_rcnn.py fast_rcnn_inference, cascade_rcnn.py, keypoints.py
// heatmaps_to_keypoints, postprocessing.py detector_postprocess.
//   R proposals of one image   K classes   D detections
#pragma once

#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/detection/box_coding.h"
#include "fastermask/structures/box.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

struct DetectionParams {
  double score_thresh = 0.05;  // detections must score more
  double nms_thresh = 0.5;     // per class
  int topk = 100;              // detections an image; < 0: all
};

// Softmax over the rows of [R, columns] logits, in float32.
std::vector<float> softmax_rows(Span<const float> logits, int columns);

// Sigmoid of every logit: what a box head trained with sigmoid losses uses in softmax's place.
std::vector<float> sigmoid(Span<const float> logits);

// The element-wise mean of several stages' scores, all of one length: a cascade's final scores. Throws Error when there
// are none or their lengths differ.
std::vector<float> average_scores(Span<const std::vector<float>> stages);

// Detections of one image, from scores and decoded boxes.
//
//   scores      [R, K + 1] probabilities, the last column background (not looked at beyond being finite)
//   boxes       [R, K] or [R, 1] decoded boxes, row-major, not yet clipped
//   num_classes K
//   rows        if given, receives [D] the row of each detection
//   returns     boxes in image_size's frame, by falling score
//
// Rows with a non-finite score or box are dropped; boxes clipped; scores above score_thresh kept, per-class NMS,
// the topk best. Throws Error when sizes do not agree.
Detections fast_rcnn_inference(Span<const float> scores, Span<const Box> boxes, int num_classes,
                               const ImageSize& image_size, const DetectionParams& params,
                               std::vector<int>* rows = nullptr);

// The same from the box head's raw output: class logits [R, K + 1], deltas [R, K * 4] or [R, 4], proposals [R].
// Only boxes whose score passes are decoded.
Detections fast_rcnn_inference(Span<const float> class_logits, Span<const float> deltas, Span<const Box> proposals,
                               const BoxCoder& coder, int num_classes, const ImageSize& image_size,
                               const DetectionParams& params, std::vector<int>* rows = nullptr);

// Takes detections from the network's input frame (detections.image_size) to the original picture's: boxes scaled per
// axis, clipped, empty ones dropped with all their fields; keypoints scaled. Soft masks stay; pasting is the caller's.
// `rows`, if given, receives the indices of the kept detections.
Detections scale_detections(Detections detections, const ImageSize& original_size,
                            std::vector<int>* rows = nullptr);

// Keypoints of the heat maps.
//
//   heatmaps   [D, S, S, K] float32 logits, channels last
//   boxes      [D] in input pixels
//   returns    [D][K]: x, y in input pixels; visibility holds the score, exp(max) / sum of exp over the S x S map
//
// Each map is resized (bicubic, a = -0.75) to the box's size rounded up, and its largest value (the first among equals)
// taken. Multi-threaded over D. Throws Error when sizes do not agree.
std::vector<std::vector<Keypoint>> decode_keypoints(Span<const float> heatmaps, Span<const Box> boxes,
                                                    int heatmap_size, int num_keypoints);

}  // namespace fastermask
