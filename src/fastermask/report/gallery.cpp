#include "fastermask/report/gallery.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/data/image_io.h"
#include "fastermask/kernels/resize.h"
#include "fastermask/report/draw.h"

namespace fastermask {
namespace {

constexpr int kMaxWidth = 1280;
constexpr int kJpegQuality = 85;

Image draw_annotations(const Image& picture, const Dataset& dataset, const ImageRecord& record) {
  Boxes boxes;
  std::vector<int> classes;
  std::vector<Segmentation> masks;
  std::vector<std::vector<Keypoint>> keypoints;
  for (Annotation& annotation : dataset.annotations(record)) {
    if (annotation.crowd) continue;
    boxes.push_back(annotation.box);
    classes.push_back(annotation.category);
    masks.push_back(std::move(annotation.segmentation));
    keypoints.push_back(std::move(annotation.keypoints));
  }
  const bool all_have_keypoints =
      std::none_of(keypoints.begin(), keypoints.end(), [](const auto& k) { return k.empty(); });
  if (!all_have_keypoints) keypoints.clear();
  DrawOptions options;
  options.skeleton = dataset.skeleton;
  return draw_ground_truth(picture, boxes, classes, masks, keypoints, dataset.class_names, options);
}

Image fit_width(Image picture, int max_width) {
  if (picture.width <= max_width) return picture;
  const int height =
      std::max(1, static_cast<int>(static_cast<std::int64_t>(picture.height) * max_width / picture.width));
  return resize_bilinear(picture, {height, max_width});
}

// Annotations on the left, detections on the right.
ReportPicture draw_pair(const Dataset& dataset, const ImageRecord& record, const Detections& detections,
                        double score_threshold, const std::string& caption) {
  const Image picture = read_image(record.file_name);
  DrawOptions options;
  options.score_threshold = score_threshold;
  options.skeleton = dataset.skeleton;
  const Image found = draw_detections(picture, detections, dataset.class_names, options);
  const Image pair = fit_width(montage({draw_annotations(picture, dataset, record), found}, 2), kMaxWidth);
  return {caption, encode_image(pair, ImageFileKind::jpeg, PixelFormat::bgr, kJpegQuality)};
}

struct Found {
  int right = 0, wrong = 0, missed = 0;
};

Found compare_with_annotations(const Dataset& dataset, const ImageRecord& record, const Detections& detections,
                               double score_threshold) {
  std::vector<Annotation> objects;
  Boxes crowds;
  for (Annotation& annotation : dataset.annotations(record)) {
    if (annotation.crowd) {
      crowds.push_back(annotation.box);
    } else {
      objects.push_back(std::move(annotation));
    }
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < detections.size(); ++i) {
    if (detections.scores[i] >= score_threshold) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return detections.scores[a] > detections.scores[b]; });
  std::vector<bool> taken(objects.size(), false);
  Found found;
  for (const std::size_t i : order) {
    std::size_t best = objects.size();
    float best_iou = 0.5F;
    for (std::size_t k = 0; k < objects.size(); ++k) {
      const bool same_class = detections.classes.empty() || objects[k].category == detections.classes[i];
      if (taken[k] || !same_class) continue;
      const float overlap = iou(detections.boxes[i], objects[k].box);
      if (overlap < best_iou) continue;
      best_iou = overlap;
      best = k;
    }
    if (best < objects.size()) {
      taken[best] = true;
      ++found.right;
    } else if (std::none_of(crowds.begin(), crowds.end(),
                            [&](const Box& crowd) { return iou(detections.boxes[i], crowd) > 0; })) {
      ++found.wrong;
    }
  }
  found.missed = static_cast<int>(objects.size()) - found.right;
  return found;
}

}  // namespace

Gallery::Gallery(std::shared_ptr<const Dataset> dataset, std::size_t count, double score_threshold)
    : dataset_(std::move(dataset)), score_threshold_(score_threshold) {
  const std::size_t total = dataset_->records.size();
  count = std::min(count, total);
  for (std::size_t i = 0; i < count; ++i) chosen_.insert(&dataset_->records[i * total / count]);
}

void Gallery::add(const ImageRecord& record, const Detections& detections) {
  if (chosen_.count(&record) == 0) return;
  try {
    const auto shown = std::count_if(detections.scores.begin(), detections.scores.end(),
                                     [&](float score) { return score >= score_threshold_; });
    pictures_.push_back(draw_pair(*dataset_, record, detections, score_threshold_,
                                  fmt::format("{}: {} annotated (left), {} found with a score of at least {} (right)",
                                              std::filesystem::path(record.file_name).filename().string(),
                                              record.annotation_count, shown, score_threshold_)));
  } catch (const Error& error) {
    log_warning("report", "left out of the gallery: {}", error.what());
  }
}

RankedGallery::RankedGallery(std::shared_ptr<const Dataset> dataset, std::size_t count_each, double score_threshold)
    : dataset_(std::move(dataset)), count_each_(count_each), score_threshold_(score_threshold) {}

void RankedGallery::add(const ImageRecord& record, const Detections& detections) {
  const std::size_t place = added_++;
  if (count_each_ == 0) return;
  const Found found = compare_with_annotations(*dataset_, record, detections, score_threshold_);
  if (found.right + found.wrong + found.missed == 0) return;
  Entry entry;
  entry.quality = 2.0 * found.right / (2 * found.right + found.wrong + found.missed);
  entry.place = place;
  entry.counts =
      fmt::format("{} of {} objects found, {} wrong detections", found.right, found.right + found.missed, found.wrong);
  entry.record = &record;
  // Into a list that is sorted and no longer than `most`.
  const auto keep = [&](std::vector<Entry>& list, std::size_t most, const auto& before) {
    const auto at = std::upper_bound(list.begin(), list.end(), entry, before);
    if (static_cast<std::size_t>(at - list.begin()) >= most) return;
    const auto placed = list.insert(at, entry);
    placed->detections = detections;
    if (list.size() > most) list.pop_back();
  };
  if (entry.quality < 1)
    keep(worst_, count_each_, [](const Entry& a, const Entry& b) { return a.quality < b.quality; });
  if (entry.quality > 0)
    keep(best_, 2 * count_each_, [](const Entry& a, const Entry& b) { return a.quality > b.quality; });
}

std::vector<ReportPicture> RankedGallery::pictures() const {
  std::vector<ReportPicture> pictures;
  const auto draw = [&](const Entry& entry, const char* which) {
    const std::string name = std::filesystem::path(entry.record->file_name).filename().string();
    try {
      pictures.push_back(draw_pair(*dataset_, *entry.record, entry.detections, score_threshold_,
                                   fmt::format("{}: {}: {} (annotated left, found right, score at least {})", which,
                                               name, entry.counts, score_threshold_)));
    } catch (const Error& error) {
      log_warning("report", "left out of the gallery: {}", error.what());
    }
  };
  for (const Entry& entry : worst_) draw(entry, "worst");
  std::size_t shown = 0;
  for (const Entry& entry : best_) {
    const bool among_worst =
        std::any_of(worst_.begin(), worst_.end(), [&](const Entry& other) { return other.place == entry.place; });
    if (among_worst || shown == count_each_) continue;
    draw(entry, "best");
    ++shown;
  }
  return pictures;
}

}  // namespace fastermask
