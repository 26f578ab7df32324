// COCO's evaluation: average precision and recall over IoU thresholds, object sizes and detections allowed an image.
// Every number equals pycocotools' COCOeval (cocoapi PythonAPI/pycocotools/cocoeval.py) to 1e-12.
//   T IoU thresholds   R recall points   K categories   A area ranges   M limits on detections an image
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/iou_type.h"
#include "fastermask/evaluation/results.h"

namespace fastermask {

// Ground truth outside [low, high] square pixels is neither demanded nor punished.
struct AreaRange {
  std::string label;
  double low = 0;
  double high = 0;
};

struct CocoEvalParams {
  IouType iou_type = IouType::bbox;
  std::vector<double> iou_thresholds;     // [T], at most 32
  std::vector<double> recall_thresholds;  // [R]
  std::vector<AreaRange> area_ranges;     // [A]
  std::vector<int> max_detections;        // [M] ascending: best-scored detections counted, per image and category
  bool use_categories = true;             // false: all categories are one (K = 1)
  std::vector<double> keypoint_sigmas;    // [keypoints], OKS fall-off of each
  std::vector<std::int64_t> image_ids;    // images to evaluate; empty: all of the ground truth
  bool use_ignore_field = false;          // heed the annotations' "ignore" as well as "iscrowd"; pycocotools does not
  // LVIS's rules: annotations say which categories were looked for in an image. Detections of others are passed over;
  // where a category was not annotated to the end, those that find nothing are, too. The file must have the lists.
  bool federated = false;
  bool boundary = false;  // segm: IoU is the lower of the masks' and that of their rims (Boundary AP, arXiv:2103.16562)
  int max_detections_per_image = 0;  // over all categories, before anything else; 0: no limit
  bool segm_area_from_box = false;   // a mask's size is its bbox's, as pycocotools takes it when a record has both

  // COCO's: IoU 0.50:0.05:0.95, 101 recall points, all / small (< 32^2) / medium (< 96^2) / large, 1, 10, 100
  // detections; keypoints: no small, 20 detections, the sigmas of COCO's 17 person keypoints.
  static CocoEvalParams defaults(IouType type);

  // LVIS's (lvis-api lvis/eval.py): federated, the best 300 detections of an image, "ignore" heeded.
  static CocoEvalParams lvis(IouType type);
};

struct CocoEvalResult {
  CocoEvalParams params;
  std::vector<std::int64_t> category_ids;   // [K]; {-1} when categories are not used
  std::vector<std::string> category_names;  // [K]
  std::vector<double> precision;            // [T, R, K, A, M]; -1 where a category has no ground truth
  std::vector<double> scores;               // [T, R, K, A, M] score at which that recall is reached, 0 when never
  std::vector<double> recall;               // [T, K, A, M] highest recall; -1 as above
  std::vector<std::int64_t> truth_counts;   // [K, A] ground truth that counts
  std::vector<double> stats;                // COCO's 12 (10 for keypoints) numbers, in [0, 1] or -1

  double precision_at(std::size_t t, std::size_t r, std::size_t k, std::size_t a, std::size_t m) const;
  double recall_at(std::size_t t, std::size_t k, std::size_t a, std::size_t m) const;

  // Mean of the entries above -1, or -1 when there are none. iou_threshold < 0: over all thresholds; category < 0: over
  // all categories. An IoU threshold, area label or limit that was not evaluated gives -1.
  double mean_precision(double iou_threshold, const std::string& area, int max_detections, int category = -1) const;
  double mean_recall(double iou_threshold, const std::string& area, int max_detections, int category = -1) const;
};

// Takes detections image by image and keeps only their scores and whether they were right at each threshold and size
// (about 50 bytes a detection), so that memory does not grow with masks.
class CocoEvaluator {
 public:
  // Throws Error for parameters that make no sense (none of something, over 32 thresholds, an unknown image id).
  CocoEvaluator(std::shared_ptr<const CocoGroundTruth> truth, CocoEvalParams params);
  ~CocoEvaluator();
  CocoEvaluator(CocoEvaluator&&) noexcept;
  CocoEvaluator& operator=(CocoEvaluator&&) noexcept;

  // All detections of one image, in the order in which equal scores are to rank. Detections of images that are not
  // evaluated are passed over. Threads may add different images at the same time. Throws DataError for an unknown image
  // id, an image added twice, or a detection without the part compared by (box, mask of the image's size, keypoints).
  void add(std::int64_t image_id, Span<const DetectionRecord> detections);

  // Detections of many images in any order (no other add() may name these images), on all threads.
  void add_all(Span<const DetectionRecord> detections);

  // Images never added count as having no detections. May be called again after more images.
  CocoEvalResult evaluate() const;

  // Bytes held, without the ground truth.
  std::size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fastermask
