// What two instances are compared by.
#pragma once

#include <string_view>

namespace fastermask {

// Boxes by intersection over union, masks by the same over pixels, keypoints by object keypoint similarity.
enum class IouType { bbox, segm, keypoints };

// "bbox", "segm", "keypoints": COCO's names, and back. parse_iou_type throws UsageError for any other word.
const char* iou_type_name(IouType type);
IouType parse_iou_type(std::string_view name);

}  // namespace fastermask
