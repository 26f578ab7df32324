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
    const Image picture = read_image(record.file_name);
    DrawOptions options;
    options.score_threshold = score_threshold_;
    options.skeleton = dataset_->skeleton;
    const Image found = draw_detections(picture, detections, dataset_->class_names, options);
    const Image pair = fit_width(montage({draw_annotations(picture, *dataset_, record), found}, 2), kMaxWidth);
    const auto shown = std::count_if(detections.scores.begin(), detections.scores.end(),
                                     [&](float score) { return score >= score_threshold_; });
    pictures_.push_back({fmt::format("{}: {} annotated (left), {} found with a score of at least {} (right)",
                                     std::filesystem::path(record.file_name).filename().string(),
                                     record.annotation_count, shown, score_threshold_),
                         encode_image(pair, ImageFileKind::jpeg, PixelFormat::bgr, kJpegQuality)});
  } catch (const Error& error) {
    log_warning("report", "left out of the gallery: {}", error.what());
  }
}

}  // namespace fastermask
