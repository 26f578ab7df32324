#include "fastermask/evaluation/iou_type.h"

#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"

namespace fastermask {

const char* iou_type_name(IouType type) {
  switch (type) {
    case IouType::bbox: return "bbox";
    case IouType::segm: return "segm";
    case IouType::keypoints: break;
  }
  return "keypoints";
}

IouType parse_iou_type(std::string_view name) {
  for (const IouType type : {IouType::bbox, IouType::segm, IouType::keypoints}) {
    if (name == iou_type_name(type)) return type;
  }
  fail<UsageError>("cocoeval: the task must be bbox, segm or keypoints, got '{}'{}", name,
                   did_you_mean(name, {"bbox", "segm", "keypoints"}));
}

}  // namespace fastermask
