// Precision at given recalls, as pycocotools' accumulate computes it. Instead of whole curves it looks only at right
// detections: recall changes nowhere else, and the precision that counts (the highest from some recall on) is reached
// at one of them.
#include "fastermask/evaluation/coco_accumulate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

// Where one image's detections of one category are.
struct CellPlace {
  std::uint32_t image = 0;
  std::uint32_t begin = 0;  // in MatchedImage::scores
  std::uint32_t count = 0;
};

// One detection of a category on its way through the curves.
struct RankedDetection {
  double score = 0;
  std::uint32_t rank = 0;  // among its image's detections of the category
  std::uint32_t place = 0; // in the category's bits
};

struct RightDetection {
  std::uint32_t wrong_before = 0;
  double score = 0;
};

// How many right detections a recall takes: the smallest n with n / truth_count >= recall in doubles, or
// `unreachable`.
std::vector<std::size_t> counts_for_recalls(const std::vector<double>& recalls, std::size_t truth_count) {
  const double total = static_cast<double>(truth_count);
  std::vector<std::size_t> counts;
  for (const double recall : recalls) {
    double count = std::max(0.0, std::floor(recall * total) - 1);
    while (count / total < recall && count <= total) ++count;
    counts.push_back(static_cast<std::size_t>(count));
  }
  return counts;
}

// Runs through one category after another; each thread has its own.
class CategoryAccumulator {
 public:
  CategoryAccumulator(const CocoEvalParams& params, const std::vector<MatchedImage>& images, CocoEvalResult& result)
      : params_(params), images_(images), result_(result), ranges_(params.area_ranges.size()),
        limits_(params.max_detections.size()), thresholds_(params.iou_thresholds.size()),
        recalls_(params.recall_thresholds.size()), right_(thresholds_) {}

  void run(std::size_t category, const std::vector<CellPlace>& cells) {
    gather(cells);
    const std::size_t entries = thresholds_ * recalls_ * ranges_ * limits_;
    precision_.assign(entries, -1);
    scores_.assign(entries, -1);
    for (std::size_t a = 0; a < ranges_; ++a) {
      const std::size_t truth_count = static_cast<std::size_t>(result_.truth_counts[category * ranges_ + a]);
      if (truth_count == 0) continue;
      const std::vector<std::size_t> needed = counts_for_recalls(params_.recall_thresholds, truth_count);
      for (std::size_t m = 0; m < limits_; ++m) {
        collect_right(a, static_cast<std::uint32_t>(params_.max_detections[m]));
        for (std::size_t t = 0; t < thresholds_; ++t) {
          const std::size_t at = ((t * result_.category_ids.size() + category) * ranges_ + a) * limits_ + m;
          result_.recall[at] = static_cast<double>(right_[t].size()) / static_cast<double>(truth_count);
          fill_curve(t, a, m, needed);
        }
      }
    }
    store(category);
  }

 private:
  // The category's detections over all images, best score first; equal scores keep the images' order.
  void gather(const std::vector<CellPlace>& cells) {
    detections_.clear();
    bits_.clear();
    for (const CellPlace& cell : cells) {
      const MatchedImage& image = images_[cell.image];
      for (std::uint32_t rank = 0; rank < cell.count; ++rank) {
        detections_.push_back({image.scores[cell.begin + rank], rank, static_cast<std::uint32_t>(detections_.size())});
      }
      const auto first = image.bits.begin() + static_cast<std::ptrdiff_t>(cell.begin * ranges_);
      bits_.insert(bits_.end(), first, first + static_cast<std::ptrdiff_t>(cell.count * ranges_));
    }
    std::sort(detections_.begin(), detections_.end(), [](const RankedDetection& a, const RankedDetection& b) {
      return a.score != b.score ? a.score > b.score : a.place < b.place;
    });
  }

  // The right detections at each threshold, and how many wrong ones stand before each.
  void collect_right(std::size_t range, std::uint32_t limit) {
    for (std::vector<RightDetection>& list : right_) list.clear();
    std::array<std::uint32_t, kMaxIouThresholds> wrong{};
    first_score_ = std::numeric_limits<double>::quiet_NaN();
    for (const RankedDetection& detection : detections_) {
      if (detection.rank >= limit) continue;
      if (first_score_ != first_score_) first_score_ = detection.score;
      const MatchBits bits = bits_[detection.place * ranges_ + range];
      for (std::uint32_t left = bits.right; left != 0; left &= left - 1) {
        const auto t = static_cast<std::size_t>(__builtin_ctz(left));
        right_[t].push_back({wrong[t], detection.score});
      }
      if (bits.wrong == 0) continue;
      for (std::size_t t = 0; t < thresholds_; ++t) wrong[t] += (bits.wrong >> t) & 1u;
    }
  }

  void fill_curve(std::size_t t, std::size_t a, std::size_t m, const std::vector<std::size_t>& needed) {
    const std::vector<RightDetection>& right = right_[t];
    envelope_.resize(right.size());
    double highest = 0;
    for (std::size_t n = right.size(); n > 0; --n) {
      const double rights = static_cast<double>(n);
      const double wrongs = static_cast<double>(right[n - 1].wrong_before);
      highest = std::max(highest, rights / (wrongs + rights + std::numeric_limits<double>::epsilon()));
      envelope_[n - 1] = highest;
    }
    bool reached = first_score_ == first_score_;  // false without any detection
    for (std::size_t r = 0; r < recalls_; ++r) {
      reached = reached && needed[r] <= right.size();
      const std::size_t at = ((t * recalls_ + r) * ranges_ + a) * limits_ + m;
      if (!reached) {
        precision_[at] = 0;
        scores_[at] = 0;
      } else if (needed[r] == 0) {
        precision_[at] = highest;
        scores_[at] = first_score_;
      } else {
        precision_[at] = envelope_[needed[r] - 1];
        scores_[at] = right[needed[r] - 1].score;
      }
    }
  }

  // Into [T, R, K, A, M], one piece of [A, M] at a time.
  void store(std::size_t category) {
    const std::size_t piece = ranges_ * limits_;
    const std::size_t categories = result_.category_ids.size();
    for (std::size_t i = 0; i < thresholds_ * recalls_; ++i) {
      const std::size_t at = (i * categories + category) * piece;
      std::copy_n(&precision_[i * piece], piece, &result_.precision[at]);
      std::copy_n(&scores_[i * piece], piece, &result_.scores[at]);
    }
  }

  const CocoEvalParams& params_;
  const std::vector<MatchedImage>& images_;
  CocoEvalResult& result_;
  std::size_t ranges_, limits_, thresholds_, recalls_;
  std::vector<RankedDetection> detections_;
  std::vector<MatchBits> bits_;                      // [detections, A]
  std::vector<std::vector<RightDetection>> right_;   // [T]
  std::vector<double> envelope_;
  std::vector<double> precision_, scores_;           // [T, R, A, M]
  double first_score_ = 0;
};

// Ground truth that counts, by category and area range: [K, A]; the flag tells categories that have any annotation.
void count_truths(const CocoGroundTruth& truth, const std::vector<std::uint8_t>& evaluated, CocoEvalResult& result) {
  const CocoEvalParams& params = result.params;
  const std::size_t ranges = params.area_ranges.size();
  result.truth_counts.assign(result.category_ids.size() * ranges, 0);
  for (const GroundTruthAnnotation& annotation : truth.annotations()) {
    if (evaluated[annotation.image] == 0 || is_ignored(annotation, params)) continue;
    const std::size_t category = params.use_categories ? static_cast<std::size_t>(annotation.category) : 0;
    for (std::size_t a = 0; a < ranges; ++a) {
      const AreaRange& range = params.area_ranges[a];
      const bool inside = !(annotation.area < range.low || annotation.area > range.high);
      result.truth_counts[category * ranges + a] += inside ? 1 : 0;
    }
  }
}

std::vector<std::vector<CellPlace>> cells_by_category(const std::vector<MatchedImage>& images, std::size_t categories) {
  std::vector<std::vector<CellPlace>> places(categories);
  for (std::size_t i = 0; i < images.size(); ++i) {
    std::uint32_t begin = 0;
    for (const MatchedCell& cell : images[i].cells) {
      places[static_cast<std::size_t>(cell.category)].push_back({static_cast<std::uint32_t>(i), begin, cell.count});
      begin += cell.count;
    }
  }
  return places;
}

}  // namespace

CocoEvalResult accumulate_matches(const CocoGroundTruth& truth, const CocoEvalParams& params,
                                  const std::vector<std::uint8_t>& evaluated, const std::vector<MatchedImage>& images) {
  CocoEvalResult result;
  result.params = params;
  result.category_ids = params.use_categories ? truth.category_ids() : std::vector<std::int64_t>{-1};
  result.category_names = params.use_categories ? truth.category_names() : std::vector<std::string>{"all"};
  const std::size_t categories = result.category_ids.size();
  const std::size_t piece = categories * params.area_ranges.size() * params.max_detections.size();
  const std::size_t thresholds = params.iou_thresholds.size();
  result.precision.resize(thresholds * params.recall_thresholds.size() * piece);
  result.scores.resize(result.precision.size());
  result.recall.assign(thresholds * piece, -1);
  count_truths(truth, evaluated, result);

  const std::vector<std::vector<CellPlace>> places = cells_by_category(images, categories);
  std::vector<std::size_t> order(categories);  // the largest categories first, so that no thread ends up with one last
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return places[a].size() > places[b].size(); });
  std::atomic<std::size_t> next{0};
  parallel_for(0, num_threads(), 1, [&](std::int64_t, std::int64_t) {
    CategoryAccumulator accumulator(params, images, result);
    for (std::size_t i = next++; i < categories; i = next++) accumulator.run(order[i], places[order[i]]);
  });
  return result;
}

}  // namespace fastermask
