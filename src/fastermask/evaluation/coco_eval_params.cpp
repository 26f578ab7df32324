// The settings of COCO's evaluation and their checks.
#include "fastermask/base/error.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/coco_match.h"

namespace fastermask {
namespace {

constexpr double kNoAreaLimit = 1e5 * 1e5;
constexpr double kSmallArea = 32 * 32;
constexpr double kMediumArea = 96 * 96;

// As numpy's linspace rounds: start plus so many steps, and exactly `stop` at the end.
std::vector<double> evenly_spaced(double start, double stop, int count) {
  const double step = (stop - start) / (count - 1);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(i + 1 == count ? stop : start + i * step);
  return values;
}

}  // namespace

CocoEvalParams CocoEvalParams::defaults(IouType type) {
  CocoEvalParams params;
  params.iou_type = type;
  params.iou_thresholds = evenly_spaced(0.5, 0.95, 10);
  params.recall_thresholds = evenly_spaced(0.0, 1.0, 101);
  params.area_ranges = {{"all", 0, kNoAreaLimit}};
  if (type == IouType::keypoints) {
    params.max_detections = {20};
    // Nose; then pairs of eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
    for (const double tenfold :
         {.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89}) {
      params.keypoint_sigmas.push_back(tenfold / 10.0);
    }
  } else {
    params.max_detections = {1, 10, 100};
    params.area_ranges.push_back({"small", 0, kSmallArea});
  }
  params.area_ranges.push_back({"medium", kSmallArea, kMediumArea});
  params.area_ranges.push_back({"large", kMediumArea, kNoAreaLimit});
  return params;
}

CocoEvalParams CocoEvalParams::lvis(IouType type) {
  constexpr int kLvisDetections = 300;
  CocoEvalParams params = defaults(type);
  params.max_detections = {kLvisDetections};
  params.max_detections_per_image = kLvisDetections;
  params.federated = true;
  params.use_ignore_field = true;
  return params;
}

void check_eval_params(const CocoEvalParams& params) {
  const std::size_t thresholds = params.iou_thresholds.size();
  FASTERMASK_CHECK(thresholds >= 1 && thresholds <= kMaxIouThresholds,
                   "evaluation: there must be 1 to {} IoU thresholds, got {}", kMaxIouThresholds, thresholds);
  FASTERMASK_CHECK(!params.recall_thresholds.empty(), "evaluation: there must be at least one recall threshold");
  for (const double threshold : params.iou_thresholds) {
    FASTERMASK_CHECK(threshold >= 0 && threshold <= 1, "evaluation: IoU thresholds must be in [0, 1], got {}",
                     threshold);
  }
  for (std::size_t r = 0; r < params.recall_thresholds.size(); ++r) {
    const double recall = params.recall_thresholds[r];
    const double below = r == 0 ? 0 : params.recall_thresholds[r - 1];
    FASTERMASK_CHECK(recall >= below && recall <= 1,
                     "evaluation: recall thresholds must rise from 0 to 1, got {} after {}", recall, below);
  }
  FASTERMASK_CHECK(!params.area_ranges.empty(), "evaluation: there must be at least one area range");
  FASTERMASK_CHECK(!params.max_detections.empty(), "evaluation: there must be at least one limit on detections");
  for (std::size_t m = 0; m < params.max_detections.size(); ++m) {
    const int limit = params.max_detections[m];
    const int below = m == 0 ? 0 : params.max_detections[m - 1];
    FASTERMASK_CHECK(limit > below, "evaluation: limits on detections must be positive and rising, got {} after {}",
                     limit, below);
  }
  FASTERMASK_CHECK(params.max_detections_per_image >= 0,
                   "evaluation: the limit on an image's detections must not be negative, got {}",
                   params.max_detections_per_image);
  FASTERMASK_CHECK(!params.boundary || params.iou_type == IouType::segm,
                   "evaluation: Boundary AP compares masks, not {}", iou_type_name(params.iou_type));
  FASTERMASK_CHECK(!params.federated || params.use_categories,
                   "evaluation: federated ground truth (LVIS) cannot be evaluated with all categories as one");
  FASTERMASK_CHECK(params.iou_type != IouType::keypoints || !params.keypoint_sigmas.empty(),
                   "evaluation: comparing keypoints needs the sigma of each keypoint");
  for (const double sigma : params.keypoint_sigmas) {
    FASTERMASK_CHECK(sigma > 0, "evaluation: keypoint sigmas must be positive, got {}", sigma);
  }
}

}  // namespace fastermask
