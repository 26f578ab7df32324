#include "fastermask/detection/postprocess.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/nms.h"

namespace fastermask {
namespace {

// What passed the score threshold, in the order row, class.
struct Candidates {
  Boxes boxes;
  std::vector<float> scores;
  std::vector<int> classes;
  std::vector<int> rows;
};

Detections suppress_per_class(const Candidates& candidates, const ImageSize& image_size, const DetectionParams& params,
                              std::vector<int>* rows) {
  const int max_keep = params.topk < 0 ? kKeepAll : params.topk;
  Detections detections;
  detections.image_size = image_size;
  if (rows != nullptr) rows->clear();
  for (const int i :
       batched_nms(candidates.boxes, candidates.scores, candidates.classes, params.nms_thresh, max_keep)) {
    const std::size_t index = static_cast<std::size_t>(i);
    detections.boxes.push_back(candidates.boxes[index]);
    detections.scores.push_back(candidates.scores[index]);
    detections.classes.push_back(candidates.classes[index]);
    if (rows != nullptr) rows->push_back(candidates.rows[index]);
  }
  return detections;
}

// The one walk over rows and classes behind both forms. row_finite(row) says whether a row's boxes are all finite;
// box_of(row, k) gives the unclipped box of class k.
template <class RowFinite, class BoxOf>
Candidates collect_candidates(Span<const float> scores, int num_classes, const ImageSize& image_size,
                              double score_thresh, const RowFinite& row_finite, const BoxOf& box_of) {
  const std::size_t columns = static_cast<std::size_t>(num_classes) + 1;
  const float threshold = static_cast<float>(score_thresh);
  Candidates candidates;
  for (std::size_t row = 0; row < scores.size() / columns; ++row) {
    const float* row_scores = scores.data() + row * columns;
    const bool finite = std::all_of(row_scores, row_scores + columns, [](float score) { return std::isfinite(score); });
    if (!finite || !row_finite(row)) continue;
    for (int k = 0; k < num_classes; ++k) {
      if (!(row_scores[k] > threshold)) continue;
      candidates.boxes.push_back(clip(box_of(row, k), image_size));
      candidates.scores.push_back(row_scores[k]);
      candidates.classes.push_back(k);
      candidates.rows.push_back(static_cast<int>(row));
    }
  }
  return candidates;
}

// Rows of a [rows, num_classes + 1] array; throws Error when the size does not fit.
std::size_t count_rows(std::size_t size, int num_classes, const char* what) {
  FASTERMASK_CHECK(num_classes >= 1, "fast_rcnn_inference: num_classes must be at least 1, got {}", num_classes);
  const std::size_t columns = static_cast<std::size_t>(num_classes) + 1;
  FASTERMASK_CHECK(size % columns == 0, "fast_rcnn_inference: {} must be [R, {}], got {} values", what, columns, size);
  return size / columns;
}

// Boxes a row: num_classes, or 1 when class-agnostic.
std::size_t boxes_a_row(std::size_t size, std::size_t rows, int num_classes, std::size_t box_values, const char* what) {
  const std::size_t classes = static_cast<std::size_t>(num_classes);
  if (size == rows * classes * box_values) return classes;
  FASTERMASK_CHECK(size == rows * box_values,
                   "fast_rcnn_inference: {} must be [{}, {}] or [{}, {}], got {} values", what, rows,
                   classes * box_values, rows, box_values, size);
  return 1;
}

}  // namespace

std::vector<float> softmax_rows(Span<const float> logits, int columns) {
  FASTERMASK_CHECK(columns >= 1 && logits.size() % static_cast<std::size_t>(columns) == 0,
                   "softmax: {} values are not rows of {} columns", logits.size(), columns);
  const std::size_t width = static_cast<std::size_t>(columns);
  std::vector<float> result(logits.size());
  parallel_for(0, static_cast<std::int64_t>(logits.size() / width), 128, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
      const float* in = logits.data() + row * width;
      float* out = result.data() + row * width;
      const float largest = *std::max_element(in, in + width);
      float sum = 0;
      for (std::size_t i = 0; i < width; ++i) {
        out[i] = std::exp(in[i] - largest);
        sum += out[i];
      }
      for (std::size_t i = 0; i < width; ++i) out[i] /= sum;
    }
  });
  return result;
}

std::vector<float> sigmoid(Span<const float> logits) {
  std::vector<float> result(logits.size());
  std::transform(logits.begin(), logits.end(), result.begin(),
                 [](float logit) { return 1.0f / (1.0f + std::exp(-logit)); });
  return result;
}

std::vector<float> average_scores(Span<const std::vector<float>> stages) {
  FASTERMASK_CHECK(!stages.empty(), "average_scores: there must be at least one stage");
  std::vector<float> mean = stages[0];
  for (std::size_t stage = 1; stage < stages.size(); ++stage) {
    FASTERMASK_CHECK(stages[stage].size() == mean.size(), "average_scores: stage {} has {} scores, stage 0 has {}",
                     stage, stages[stage].size(), mean.size());
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += stages[stage][i];
  }
  const float factor = 1.0f / static_cast<float>(stages.size());
  for (float& score : mean) score *= factor;
  return mean;
}

Detections fast_rcnn_inference(Span<const float> scores, Span<const Box> boxes, int num_classes,
                               const ImageSize& image_size, const DetectionParams& params, std::vector<int>* rows) {
  const std::size_t num_rows = count_rows(scores.size(), num_classes, "scores");
  const std::size_t per_row = boxes_a_row(boxes.size(), num_rows, num_classes, 1, "boxes");
  const auto row_finite = [&](std::size_t row) {
    const Box* first = boxes.data() + row * per_row;
    return std::all_of(first, first + per_row, [](const Box& box) { return box.finite(); });
  };
  const auto box_of = [&](std::size_t row, int k) {
    return boxes[row * per_row + (per_row == 1 ? 0 : static_cast<std::size_t>(k))];
  };
  const Candidates candidates =
      collect_candidates(scores, num_classes, image_size, params.score_thresh, row_finite, box_of);
  return suppress_per_class(candidates, image_size, params, rows);
}

Detections fast_rcnn_inference(Span<const float> class_logits, Span<const float> deltas, Span<const Box> proposals,
                               const BoxCoder& coder, int num_classes, const ImageSize& image_size,
                               const DetectionParams& params, std::vector<int>* rows) {
  const std::size_t num_rows = count_rows(class_logits.size(), num_classes, "class logits");
  FASTERMASK_CHECK(num_rows == proposals.size(),
                   "fast_rcnn_inference: there must be one row of class logits a proposal, got {} rows and {} "
                   "proposals",
                   num_rows, proposals.size());
  const std::size_t per_row = boxes_a_row(deltas.size(), num_rows, num_classes, 4, "deltas");
  const auto box_of = [&](std::size_t row, int k) {
    const float* d = deltas.data() + (row * per_row + (per_row == 1 ? 0 : static_cast<std::size_t>(k))) * 4;
    return coder.decode({d[0], d[1], d[2], d[3]}, proposals[row]);
  };
  // Deltas of a sane size decode to finite boxes whatever the class, so that only odd rows need decoding in full.
  const auto row_finite = [&](std::size_t row) {
    const float* first = deltas.data() + row * per_row * 4;
    const bool sane = std::all_of(first, first + per_row * 4, [](float d) { return std::abs(d) < 1e12f; });
    if (sane && proposals[row].finite()) return true;
    for (std::size_t k = 0; k < per_row; ++k) {
      if (!box_of(row, static_cast<int>(k)).finite()) return false;
    }
    return true;
  };
  const std::vector<float> scores = softmax_rows(class_logits, num_classes + 1);
  const Candidates candidates =
      collect_candidates(scores, num_classes, image_size, params.score_thresh, row_finite, box_of);
  return suppress_per_class(candidates, image_size, params, rows);
}

Detections scale_detections(Detections detections, const ImageSize& original_size, std::vector<int>* rows) {
  const ImageSize& from = detections.image_size;
  FASTERMASK_CHECK(from.height > 0 && from.width > 0 && original_size.height > 0 && original_size.width > 0,
                   "scale_detections: sizes must be positive, got {} x {} to {} x {}", from.height, from.width,
                   original_size.height, original_size.width);
  const float scale_x = static_cast<float>(static_cast<double>(original_size.width) / from.width);
  const float scale_y = static_cast<float>(static_cast<double>(original_size.height) / from.height);
  Detections scaled;
  scaled.image_size = original_size;
  scaled.soft_mask_size = detections.soft_mask_size;
  if (rows != nullptr) rows->clear();
  scaled.boxes.reserve(detections.size());
  scaled.scores.reserve(detections.size());
  scaled.classes.reserve(detections.size());
  scaled.soft_masks.reserve(detections.soft_masks.size());
  scaled.masks.reserve(detections.masks.size());
  scaled.keypoints.reserve(detections.keypoints.size());
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const Box& b = detections.boxes[i];
    const Box box = clip({b.x1 * scale_x, b.y1 * scale_y, b.x2 * scale_x, b.y2 * scale_y}, original_size);
    if (!(box.width() > 0 && box.height() > 0)) continue;
    scaled.boxes.push_back(box);
    scaled.scores.push_back(detections.scores.at(i));
    scaled.classes.push_back(detections.classes.at(i));
    if (!detections.soft_masks.empty()) scaled.soft_masks.push_back(std::move(detections.soft_masks.at(i)));
    if (!detections.masks.empty()) scaled.masks.push_back(std::move(detections.masks.at(i)));
    if (!detections.keypoints.empty()) {
      scaled.keypoints.push_back(std::move(detections.keypoints.at(i)));
      for (Keypoint& keypoint : scaled.keypoints.back()) {
        keypoint.x *= scale_x;
        keypoint.y *= scale_y;
      }
    }
    if (rows != nullptr) rows->push_back(static_cast<int>(i));
  }
  return scaled;
}

}  // namespace fastermask
