#include "fastermask/evaluation/error_breakdown.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/evaluation/coco_match.h"

namespace fastermask {
namespace {

constexpr int kNobody = -1;

enum class Verdict : std::uint8_t { right, wrong, ignored };

// One detection after matching.
struct JudgedDetection {
  double score = 0;
  int category = 0;
  Verdict verdict = Verdict::wrong;
  ErrorCause cause = ErrorCause::background;  // of a wrong one
  int mended_category = kNobody;  // localisation, classification: that of the free object it would find; or kNobody
};

// An object and the detection paired with it; null: none.
struct Pairing {
  const GroundTruthAnnotation* truth = nullptr;
  const DetectionRecord* detection = nullptr;

  bool mistaken() const { return truth == nullptr || detection == nullptr || truth->category != detection->category; }
};

struct ImageErrors {
  std::vector<JudgedDetection> detections;
  std::vector<int> missed;     // categories
  std::vector<Pairing> pairs;  // for the confusion matrix
};

// Judges the detections of one image after another; each thread has its own.
class ErrorJudge {
 public:
  ErrorJudge(const CocoGroundTruth& truth, const ErrorBreakdownOptions& options)
      : truth_(truth), options_(options), params_(similarity_params(options)), similarity_(truth, params_) {}

  void judge(std::size_t image, std::vector<const DetectionRecord*> detections, ImageErrors& out) {
    std::stable_sort(detections.begin(), detections.end(),
                     [](const auto* a, const auto* b) { return a->score > b->score; });
    const std::size_t limit = static_cast<std::size_t>(options_.max_detections_per_image);
    if (detections.size() > limit) detections.resize(limit);
    detections_ = std::move(detections);
    truths_.clear();
    for (const GroundTruthAnnotation& annotation : truth_.annotations_of(image)) truths_.push_back(&annotation);
    similarity_.compute(detections_, truths_);
    match(out);
    std::vector<int> mender(truths_.size(), kNobody);
    for (std::size_t d = 0; d < detections_.size(); ++d) {
      if (out.detections[d].verdict == Verdict::wrong) find_cause(d, mender, out.detections[d]);
    }
    for (std::size_t g = 0; g < truths_.size(); ++g) {
      if (!truths_[g]->crowd && finder_[g] == kNobody && mender[g] == kNobody)
        out.missed.push_back(truths_[g]->category);
    }
    confuse(out);
  }

 private:
  static CocoEvalParams similarity_params(const ErrorBreakdownOptions& options) {
    CocoEvalParams params = CocoEvalParams::defaults(options.iou_type);
    params.iou_thresholds = {options.background_iou};  // masks below are not measured
    return params;
  }

  double overlap(std::size_t d, std::size_t g) const { return similarity_.values()[d * truths_.size() + g]; }

  // COCO's greedy matching at right_iou.
  void match(ImageErrors& out) {
    finder_.assign(truths_.size(), kNobody);
    for (std::size_t d = 0; d < detections_.size(); ++d) {
      JudgedDetection judged;
      judged.score = detections_[d]->score;
      judged.category = detections_[d]->category;
      int found = kNobody;
      double best = options_.right_iou;
      for (std::size_t g = 0; g < truths_.size(); ++g) {
        if (truths_[g]->category != judged.category || overlap(d, g) < options_.right_iou) continue;
        if (truths_[g]->crowd) {
          judged.verdict = Verdict::ignored;
        } else if (finder_[g] == kNobody && overlap(d, g) >= best) {
          best = overlap(d, g);
          found = static_cast<int>(g);
        }
      }
      if (found != kNobody) {
        finder_[static_cast<std::size_t>(found)] = static_cast<int>(d);
        judged.verdict = Verdict::right;
      }
      out.detections.push_back(judged);
    }
  }

  void find_cause(std::size_t d, std::vector<int>& mender, JudgedDetection& judged) const {
    double own = 0, other = 0;
    std::size_t own_truth = truths_.size(), other_truth = truths_.size();
    for (std::size_t g = 0; g < truths_.size(); ++g) {
      if (truths_[g]->crowd) continue;
      const bool same = truths_[g]->category == judged.category;
      double& best = same ? own : other;
      if (!(overlap(d, g) > best)) continue;
      best = overlap(d, g);
      (same ? own_truth : other_truth) = g;
    }
    std::size_t target = truths_.size();
    if (own >= options_.background_iou && own < options_.right_iou) {
      judged.cause = ErrorCause::localisation;
      target = own_truth;
    } else if (other >= options_.right_iou) {
      judged.cause = ErrorCause::classification;
      target = other_truth;
    } else if (own >= options_.right_iou) {
      judged.cause = ErrorCause::duplicate;
    } else {
      judged.cause = std::max(own, other) <= options_.background_iou ? ErrorCause::background : ErrorCause::both;
    }
    // The best-scored of those that go for a free object would find it; the others would be second even then.
    if (target == truths_.size() || finder_[target] != kNobody || mender[target] != kNobody) return;
    mender[target] = static_cast<int>(d);
    judged.mended_category = truths_[target]->category;
  }

  // Pairs objects and detections of whatever category, best score first. One of the own category is preferred.
  void confuse(ImageErrors& out) const {
    std::vector<std::uint8_t> taken(truths_.size(), 0);
    for (std::size_t d = 0; d < detections_.size() && detections_[d]->score >= options_.confusion_score; ++d) {
      std::size_t found = truths_.size();
      bool crowd = false, found_own = false;
      for (std::size_t g = 0; g < truths_.size(); ++g) {
        if (overlap(d, g) < options_.right_iou || taken[g] != 0) continue;
        const bool own = truths_[g]->category == detections_[d]->category;
        if (truths_[g]->crowd) {
          crowd = crowd || own;
        } else if (found == truths_.size() || (own && !found_own) ||
                   (own == found_own && overlap(d, g) > overlap(d, found))) {
          found = g;
          found_own = own;
        }
      }
      if (found != truths_.size()) {
        taken[found] = 1;
        out.pairs.push_back({truths_[found], detections_[d]});
      } else if (!crowd) {
        out.pairs.push_back({nullptr, detections_[d]});
      }
    }
    for (std::size_t g = 0; g < truths_.size(); ++g) {
      if (taken[g] == 0 && !truths_[g]->crowd) out.pairs.push_back({truths_[g], nullptr});
    }
  }

  const CocoGroundTruth& truth_;
  const ErrorBreakdownOptions& options_;
  CocoEvalParams params_;
  SimilarityMatrix similarity_;
  std::vector<const DetectionRecord*> detections_;    // [D] best score first
  std::vector<const GroundTruthAnnotation*> truths_;  // [G]
  std::vector<int> finder_;                           // [G] the detection that is right about it, or kNobody
};

// COCO's AP of one category: precision at 101 recalls.
double average_precision_of(std::vector<std::pair<double, bool>>& detections, std::int64_t truth_count) {
  constexpr int kRecallSteps = 100;
  std::stable_sort(detections.begin(), detections.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<double> precision;
  double wrong = 0;
  for (const auto& detection : detections) {  // only right ones raise recall
    const double right = static_cast<double>(precision.size()) + 1;
    if (detection.second) precision.push_back(right / (right + wrong));
    if (!detection.second) wrong += 1;
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (int step = 0; step <= kRecallSteps; ++step) {
    const double needed = std::ceil(static_cast<double>(step) * static_cast<double>(truth_count) / kRecallSteps);
    const std::size_t index = needed < 1 ? 0 : static_cast<std::size_t>(needed) - 1;
    if (index < precision.size()) sum += precision[index];
  }
  return sum / (kRecallSteps + 1);
}

// Mean AP when the errors of one cause are mended (kErrorCauses: none).
double mended_ap(const std::vector<ImageErrors>& images, std::vector<std::int64_t> truth_counts, std::size_t mended) {
  std::vector<std::vector<std::pair<double, bool>>> by_category(truth_counts.size());
  for (const ImageErrors& image : images) {
    for (const JudgedDetection& detection : image.detections) {
      if (detection.verdict == Verdict::ignored) continue;
      const bool right = detection.verdict == Verdict::right;
      int category = detection.category;
      bool counts_right = right;
      if (!right && static_cast<std::size_t>(detection.cause) == mended) {
        if (detection.mended_category == kNobody) continue;
        category = detection.mended_category;
        counts_right = true;
      }
      by_category[static_cast<std::size_t>(category)].emplace_back(detection.score, counts_right);
    }
    if (mended != static_cast<std::size_t>(ErrorCause::missed)) continue;
    for (const int category : image.missed) --truth_counts[static_cast<std::size_t>(category)];
  }
  double sum = 0;
  int count = 0;
  for (std::size_t k = 0; k < truth_counts.size(); ++k) {
    if (truth_counts[k] <= 0) continue;
    sum += average_precision_of(by_category[k], truth_counts[k]);
    ++count;
  }
  return count == 0 ? -1 : sum / count;
}

}  // namespace

const char* error_cause_name(ErrorCause cause) {
  switch (cause) {
    case ErrorCause::localisation: return "localisation";
    case ErrorCause::classification: return "classification";
    case ErrorCause::duplicate: return "duplicate";
    case ErrorCause::background: return "background";
    case ErrorCause::both: return "both";
    case ErrorCause::missed: return "missed";
  }
  return "";
}

std::vector<std::vector<const DetectionRecord*>> group_by_image(const CocoGroundTruth& truth,
                                                                Span<const DetectionRecord> detections, IouType type) {
  std::vector<std::vector<const DetectionRecord*>> by_image(truth.images().size());
  for (const DetectionRecord& detection : detections) {
    const int image = truth.find_image(detection.image_id);
    if (image < 0) {
      fail<DataError>("error breakdown: image id {} is not among the {} images of {}", detection.image_id,
                      truth.images().size(), truth.name());
    }
    const bool whole = type == IouType::bbox ? detection.has_box : detection.has_mask();
    if (!whole || !std::isfinite(detection.score)) {
      fail<DataError>("error breakdown: image {}: a detection has no {} or no score", detection.image_id,
                      type == IouType::bbox ? "box" : "mask");
    }
    by_image[static_cast<std::size_t>(image)].push_back(&detection);
  }
  return by_image;
}

ImageMistakes find_mistakes(const CocoGroundTruth& truth, std::size_t image,
                            std::vector<const DetectionRecord*> detections, const ErrorBreakdownOptions& options) {
  ImageErrors errors;
  ErrorJudge(truth, options).judge(image, std::move(detections), errors);
  ImageMistakes mistakes;
  for (const Pairing& pair : errors.pairs) {
    if (!pair.mistaken()) continue;
    if (pair.truth != nullptr) mistakes.missed.push_back(pair.truth);
    if (pair.detection != nullptr) mistakes.wrong.push_back(pair.detection);
  }
  return mistakes;
}

ErrorBreakdown break_down_errors(const std::shared_ptr<const CocoGroundTruth>& truth,
                                 Span<const DetectionRecord> detections, const ErrorBreakdownOptions& options) {
  FASTERMASK_CHECK(options.iou_type != IouType::keypoints, "error breakdown: compares boxes or masks, not keypoints");
  FASTERMASK_CHECK(options.background_iou > 0 && options.background_iou < options.right_iou && options.right_iou <= 1,
                   "error breakdown: IoU thresholds must be 0 < background < right <= 1, got {} and {}",
                   options.background_iou, options.right_iou);
  const auto by_image = group_by_image(*truth, detections, options.iou_type);
  std::vector<ImageErrors> images(by_image.size());
  parallel_for(0, static_cast<std::int64_t>(images.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    ErrorJudge judge(*truth, options);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      judge.judge(i, by_image[i], images[i]);
    }
  });
  const std::size_t categories = truth->category_ids().size();
  std::vector<std::int64_t> truth_counts(categories, 0);
  for (const GroundTruthAnnotation& annotation : truth->annotations()) {
    if (!annotation.crowd) ++truth_counts[static_cast<std::size_t>(annotation.category)];
  }
  ErrorBreakdown result;
  result.confusion.assign((categories + 1) * (categories + 1), 0);
  for (const ImageErrors& image : images) {
    for (const JudgedDetection& detection : image.detections) {
      if (detection.verdict == Verdict::wrong) ++result.counts[static_cast<std::size_t>(detection.cause)];
    }
    result.counts[static_cast<std::size_t>(ErrorCause::missed)] += static_cast<std::int64_t>(image.missed.size());
    std::size_t mistakes = 0;
    for (const Pairing& pair : image.pairs) {
      const auto row = pair.truth == nullptr ? categories : static_cast<std::size_t>(pair.truth->category);
      const auto column = pair.detection == nullptr ? categories : static_cast<std::size_t>(pair.detection->category);
      ++result.confusion[row * (categories + 1) + column];
      mistakes += pair.mistaken() ? 1 : 0;
    }
    result.mistakes.push_back(mistakes);
  }
  result.ap = mended_ap(images, truth_counts, kErrorCauses);
  for (std::size_t cause = 0; cause < kErrorCauses; ++cause) {
    result.ap_gain[cause] = result.ap < 0 ? 0 : mended_ap(images, truth_counts, cause) - result.ap;
  }
  return result;
}

}  // namespace fastermask
