// Matching the detections of one image with its ground truth by COCO's rules. Internal to the evaluation layer.
//   D detections   G ground truths of one image and category   T IoU thresholds   A area ranges
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/rle_runs.h"

namespace fastermask {

// Throws Error for parameters that make no sense.
void check_eval_params(const CocoEvalParams& params);

constexpr std::size_t kMaxIouThresholds = 32;  // one bit each

// What became of one detection at one area range: bit t for IoU threshold t. Neither: it does not count.
struct MatchBits {
  std::uint32_t right = 0;
  std::uint32_t wrong = 0;
};

// The detections of one image and category that are among the best max_detections.back(), best score first.
struct MatchedCell {
  std::int32_t category = 0;  // 0 when categories are not used
  std::uint32_t count = 0;
};

// All detections of one image, by category.
struct MatchedImage {
  bool added = false;
  std::vector<MatchedCell> cells;  // ascending category
  std::vector<double> scores;      // [sum of counts]
  std::vector<MatchBits> bits;     // [sum of counts, A]
};

// How alike instances are: IoU of boxes or masks, or OKS. Keeps its buffers from one image to the next.
class SimilarityMatrix {
 public:
  SimilarityMatrix(const CocoGroundTruth& truth, const CocoEvalParams& params) : truth_(truth), params_(params) {}

  // Fills values() as [D, G]. Where masks can be told to stay below every IoU threshold, 0 stands.
  void compute(Span<const DetectionRecord* const> detections, Span<const GroundTruthAnnotation* const> truths);

  const std::vector<double>& values() const { return values_; }

 private:
  void compare_boxes(Span<const DetectionRecord* const> detections, Span<const GroundTruthAnnotation* const> truths);
  void compare_masks(Span<const DetectionRecord* const> detections, Span<const GroundTruthAnnotation* const> truths);
  void compare_keypoints(Span<const DetectionRecord* const> detections,
                         Span<const GroundTruthAnnotation* const> truths);

  const CocoGroundTruth& truth_;
  const CocoEvalParams& params_;
  std::vector<double> values_;
  std::vector<MaskRuns> truth_runs_;
  std::vector<bool> drawn_;  // [G] whether truth_runs_ is filled in
  std::vector<MaskRuns> truth_rims_;
  std::vector<MaskRuns> detection_runs_;
  MaskRuns detection_rim_;
  std::vector<double> terms_;
};

// True when pycocotools leaves this annotation out of the count whatever its size.
bool is_ignored(const GroundTruthAnnotation& annotation, const CocoEvalParams& params);

// Matches images one after another. Each thread has its own.
class ImageMatcher {
 public:
  ImageMatcher(const CocoGroundTruth& truth, const CocoEvalParams& params);

  // Detections in the order in which equal scores rank. Throws DataError for one without the part compared by.
  void match(std::size_t image, std::vector<const DetectionRecord*> detections, MatchedImage& out);

 private:
  void check(const DetectionRecord& detection, const GroundTruthImage& image) const;
  void keep_counted(std::size_t image, std::vector<const DetectionRecord*>& detections) const;
  double detection_area(const DetectionRecord& detection) const;
  void match_cell(MatchBits* bits);
  void match_area_range(std::size_t range, MatchBits* bits);
  void match_threshold(std::size_t threshold);

  const CocoGroundTruth& truth_;
  const CocoEvalParams& params_;
  std::uint32_t all_thresholds_;
  SimilarityMatrix similarity_;
  std::vector<const DetectionRecord*> cell_;          // [D]
  std::vector<double> areas_;                         // [D]
  std::vector<double> best_;                          // [D] highest similarity to any ground truth
  std::vector<const GroundTruthAnnotation*> truths_;  // [G]
  bool incomplete_ = false;                           // the category is not annotated to the end in this image
  std::vector<std::uint8_t> ignored_;                 // [G] at the current area range
  std::vector<std::uint8_t> last_ignored_;            // [G] at the one before
  std::vector<std::uint32_t> order_;                  // [G] those that count first
  std::vector<std::uint8_t> taken_;                   // [G] matched already at the current threshold
  std::vector<std::uint32_t> matched_;                // [D] bit t: matched at threshold t
  std::vector<std::uint32_t> excused_;                // [D] bit t: matched to an ignored ground truth
};

}  // namespace fastermask
