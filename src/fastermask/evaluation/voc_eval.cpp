#include "fastermask/evaluation/voc_eval.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

constexpr std::size_t kVocThresholds = 10;
constexpr double kVocNan = std::numeric_limits<double>::quiet_NaN();

// One detection of a category, ready to be matched.
struct VocDetection {
  double score = 0;
  std::size_t image = 0;
  std::array<double, 4> corners{};  // x1, y1, x2, y2
};

std::array<double, 4> voc_corners(const std::array<double, 4>& xywh) {
  return {xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3]};
}

// What is read back after printing with so many decimals.
double printed_with(double value, int decimals) {
  return std::strtod(fmt::format("{:.{}f}", value, decimals).c_str(), nullptr);
}

// VOC counts pixels from 1 and includes the last one, which comes to the same as continuous coordinates from 0: its
// (x1 + 1, y1 + 1, x2, y2) has the width x2 - (x1 + 1) + 1.
double voc_iou(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const double width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0);
  const double height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0);
  const double both = width * height;
  return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

// Evaluates one category after another.
class VocCategory {
 public:
  VocCategory(const CocoGroundTruth& truth, int category, std::vector<VocDetection> detections)
      : truth_(truth), category_(category), detections_(std::move(detections)) {
    std::stable_sort(detections_.begin(), detections_.end(),
                     [](const VocDetection& a, const VocDetection& b) { return a.score > b.score; });
    for (const GroundTruthAnnotation& annotation : truth.annotations()) {
      truth_count_ += annotation.category == category && !difficult(annotation) ? 1 : 0;
    }
    find_nearest();
  }

  double average_precision(double threshold, bool eleven_points) const {
    if (truth_count_ == 0) return kVocNan;
    std::vector<double> recall;
    std::vector<double> precision;
    std::vector<std::uint8_t> found(truth_.annotations().size(), 0);
    double right = 0;
    double wrong = 0;
    for (std::size_t d = 0; d < detections_.size(); ++d) {
      const GroundTruthAnnotation* nearest = nearest_[d];
      if (overlap_[d] > threshold) {
        std::uint8_t& seen = found[static_cast<std::size_t>(nearest - truth_.annotations().data())];
        if (!difficult(*nearest)) (seen != 0 ? wrong : right) += 1;
        seen = 1;
      } else {
        wrong += 1;
      }
      recall.push_back(right / static_cast<double>(truth_count_));
      precision.push_back(right / std::max(right + wrong, std::numeric_limits<double>::epsilon()));
    }
    return voc_average_precision(recall, precision, eleven_points);
  }

 private:
  static bool difficult(const GroundTruthAnnotation& annotation) { return annotation.ignore || annotation.crowd; }

  // The ground truth of the category that each detection overlaps most; the first of equals.
  void find_nearest() {
    nearest_.assign(detections_.size(), nullptr);
    overlap_.assign(detections_.size(), -1);
    for (std::size_t d = 0; d < detections_.size(); ++d) {
      for (const GroundTruthAnnotation& annotation : truth_.annotations_of(detections_[d].image)) {
        if (annotation.category != category_) continue;
        const double overlap = voc_iou(detections_[d].corners, voc_corners(annotation.xywh));
        if (!(overlap > overlap_[d])) continue;
        overlap_[d] = overlap;
        nearest_[d] = &annotation;
      }
    }
  }

  const CocoGroundTruth& truth_;
  int category_;
  std::vector<VocDetection> detections_;
  std::vector<const GroundTruthAnnotation*> nearest_;
  std::vector<double> overlap_;
  std::size_t truth_count_ = 0;
};

double mean_over_categories(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kVocNan : sum / count;
}

}  // namespace

double voc_average_precision(const std::vector<double>& recall, const std::vector<double>& precision,
                             bool eleven_points) {
  if (eleven_points) {
    double sum = 0;
    for (int i = 0; i <= 10; ++i) {
      double highest = 0;
      for (std::size_t k = 0; k < recall.size(); ++k) {
        if (recall[k] >= i * 0.1) highest = std::max(highest, precision[k]);
      }
      sum += highest / 11.0;
    }
    return sum;
  }
  std::vector<double> envelope = precision;
  for (std::size_t k = envelope.size(); k-- > 1;) envelope[k - 1] = std::max(envelope[k - 1], envelope[k]);
  double area = 0;
  double before = 0;
  for (std::size_t k = 0; k < recall.size(); ++k) {
    area += (recall[k] - before) * envelope[k];
    before = recall[k];
  }
  return area;
}

VocResult evaluate_voc(const CocoGroundTruth& truth, Span<const DetectionRecord> detections,
                       const VocOptions& options) {
  const std::size_t categories = truth.category_ids().size();
  std::vector<std::vector<VocDetection>> by_category(categories);
  for (const DetectionRecord& detection : detections) {
    const int image = truth.find_image(detection.image_id);
    if (image < 0) {
      fail<DataError>("voc: image id {} is not among the {} images of {}", detection.image_id, truth.images().size(),
                      truth.name());
    }
    if (!detection.has_box) fail<DataError>("voc: image {}: a detection has no box", detection.image_id);
    VocDetection ready{detection.score, static_cast<std::size_t>(image), voc_corners(detection.xywh)};
    if (options.round_as_files) {
      ready.score = printed_with(ready.score, 3);
      for (std::size_t i = 0; i < 4; ++i) {
        const double shift = i < 2 ? 1 : 0;  // rounded as VOC's coordinates, which count from 1
        ready.corners[i] = printed_with(ready.corners[i] + shift, 1) - shift;
      }
    }
    by_category.at(static_cast<std::size_t>(detection.category)).push_back(ready);
  }
  VocResult result;
  result.category_names = truth.category_names();
  result.ap.assign(kVocThresholds, std::vector<double>(categories, kVocNan));
  parallel_for(0, static_cast<std::int64_t>(categories), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k) {
      const VocCategory category(truth, static_cast<int>(k), std::move(by_category[k]));
      for (std::size_t t = 0; t < kVocThresholds; ++t) {
        result.ap[t][k] = category.average_precision((50 + 5 * static_cast<int>(t)) / 100.0, options.eleven_points);
      }
    }
  });
  return result;
}

TaskMetrics VocResult::metrics() const {
  std::vector<double> means;
  for (const std::vector<double>& values : ap) means.push_back(mean_over_categories(values));
  TaskMetrics task;
  task.task = "bbox";
  task.metrics = {{"AP", 100 * mean_over_categories(means)}, {"AP50", 100 * means[0]}, {"AP75", 100 * means[5]}};
  return task;
}

}  // namespace fastermask
