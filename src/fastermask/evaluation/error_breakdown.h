// What keeps a detector from a higher AP: each wrong detection put down to one cause, and how much AP would rise
// without that cause. After TIDE (arXiv:2008.08115, tidecv), for boxes and masks; and which classes are taken for
// which.
//   C categories
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/iou_type.h"
#include "fastermask/evaluation/results.h"

namespace fastermask {

struct ErrorBreakdownOptions {
  IouType iou_type = IouType::bbox;    // bbox or segm
  double right_iou = 0.5;              // from here on a detection finds an object
  double background_iou = 0.1;         // up to here it has nothing to do with it
  int max_detections_per_image = 100;  // best-scored, over all categories
  double confusion_score = 0.5;        // detections from this score on enter the confusion matrix
};

// Causes, looked for in this order (missed objects last). IoU with objects of the detection's own category:
enum class ErrorCause {
  localisation,    // from background_iou to right_iou
  classification,  // an object of another category from right_iou on
  duplicate,       // from right_iou on, but a better-scored detection has it
  background,      // none above background_iou, of whatever category
  both,            // the rest: near an object of another category
  missed,          // objects that neither a right detection nor one of the first two kinds comes close to
};
constexpr std::size_t kErrorCauses = 6;

// "localisation", ...
const char* error_cause_name(ErrorCause cause);

struct ErrorBreakdown {
  double ap = 0;  // mean over categories of AP at right_iou, in [0, 1]; -1 without objects
  std::array<std::int64_t, kErrorCauses> counts{};  // [cause]
  std::array<double, kErrorCauses> ap_gain{};       // [cause] AP without that cause, less `ap`

  // [C + 1, C + 1] objects by their category (row) and that of the detection paired with them (column), at right_iou;
  // the last row holds detections that are paired with none, the last column objects that are not found.
  std::vector<std::int64_t> confusion;

  std::vector<std::size_t> mistakes;  // [I] entries off the matrix' diagonal, by image
};

// Crowds are neither objects nor errors. Throws DataError as CocoEvaluator does, Error for iou_type keypoints or
// thresholds out of order.
ErrorBreakdown break_down_errors(const std::shared_ptr<const CocoGroundTruth>& truth,
                                 Span<const DetectionRecord> detections, const ErrorBreakdownOptions& options);

// What is off the confusion matrix' diagonal for one image: objects not found or taken for something else, and the
// detections that found nothing or something else.
struct ImageMistakes {
  std::vector<const GroundTruthAnnotation*> missed;
  std::vector<const DetectionRecord*> wrong;
};

// Mistakes of one image; `detections` are all of its. Pointers are into `truth` and `detections`.
ImageMistakes find_mistakes(const CocoGroundTruth& truth, std::size_t image,
                            std::vector<const DetectionRecord*> detections, const ErrorBreakdownOptions& options);

// Detections by image: [I], each in the order given. Throws DataError as break_down_errors does.
std::vector<std::vector<const DetectionRecord*>> group_by_image(const CocoGroundTruth& truth,
                                                                Span<const DetectionRecord> detections, IouType type);

}  // namespace fastermask
