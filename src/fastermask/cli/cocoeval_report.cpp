#include "fastermask/cli/cocoeval_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <unordered_map>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/image_io.h"
#include "fastermask/kernels/resize.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/report/draw.h"
#include "fastermask/report/evaluation_page.h"

namespace fastermask::cli {
namespace {

constexpr std::size_t kWorstImages = 12;
constexpr int kWorstImageWidth = 1280;

Box corners_of(const std::array<double, 4>& xywh) {
  return {static_cast<float>(xywh[0]), static_cast<float>(xywh[1]), static_cast<float>(xywh[0] + xywh[2]),
          static_cast<float>(xywh[1] + xywh[3])};
}

Image draw_missed(const Image& picture, const ImageMistakes& mistakes, const CocoGroundTruth& truth, IouType type) {
  Boxes boxes;
  std::vector<int> classes;
  std::vector<Segmentation> masks;
  for (const GroundTruthAnnotation* annotation : mistakes.missed) {
    boxes.push_back(corners_of(annotation->xywh));
    classes.push_back(annotation->category);
    if (type == IouType::segm) masks.emplace_back(truth.mask(*annotation));
  }
  return draw_ground_truth(picture, boxes, classes, masks, {}, truth.category_names());
}

Image draw_wrong(const Image& picture, const ImageMistakes& mistakes, const CocoGroundTruth& truth, IouType type) {
  Detections wrong;
  wrong.image_size = {picture.height, picture.width};
  for (const DetectionRecord* record : mistakes.wrong) {
    const bool box_of_mask = !record->has_box && record->has_mask();
    wrong.boxes.push_back(corners_of(box_of_mask ? rle_to_xywh(record->mask) : record->xywh));
    wrong.scores.push_back(static_cast<float>(record->score));
    wrong.classes.push_back(record->category);
    if (type == IouType::segm) wrong.masks.push_back(record->mask);
  }
  return draw_detections(picture, wrong, truth.category_names());
}

// Images by how many mistakes they have, the most first; without any they are left out.
std::vector<std::size_t> worst_images(const std::vector<std::size_t>& mistakes) {
  std::vector<std::size_t> order(mistakes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return mistakes[a] > mistakes[b]; });
  order.resize(std::min(order.size(), kWorstImages));
  while (!order.empty() && mistakes[order.back()] == 0) order.pop_back();
  return order;
}

std::vector<ReportPicture> worst_pictures(const CocoevalReport& report, const CocoGroundTruth& truth,
                                          const std::vector<DetectionRecord>& records, const ErrorBreakdown& breakdown,
                                          const ErrorBreakdownOptions& options) {
  const Dataset dataset = load_dataset(report.ground_truth + ":" + report.image_folder);
  std::unordered_map<std::int64_t, const ImageRecord*> by_id;
  for (const ImageRecord& record : dataset.records) by_id[record.id] = &record;
  const auto by_image = group_by_image(truth, records, options.iou_type);
  std::vector<ReportPicture> pictures;
  for (const std::size_t image : worst_images(breakdown.mistakes)) {
    const ImageRecord& record = *by_id.at(truth.images()[image].id);
    const ImageMistakes mistakes = find_mistakes(truth, image, by_image[image], options);
    try {
      const Image picture = read_image(record.file_name);
      Image pair = montage({draw_missed(picture, mistakes, truth, options.iou_type),
                            draw_wrong(picture, mistakes, truth, options.iou_type)},
                           2);
      if (pair.width > kWorstImageWidth) {
        const int height = std::max(1, static_cast<int>(std::int64_t{pair.height} * kWorstImageWidth / pair.width));
        pair = resize_bilinear(pair, {height, kWorstImageWidth});
      }
      const std::string name = std::filesystem::path(record.file_name).filename().string();
      pictures.push_back({fmt::format("{}: {} objects missed (left), {} wrong detections (right)", name,
                                      mistakes.missed.size(), mistakes.wrong.size()),
                          encode_image(pair, ImageFileKind::jpeg, PixelFormat::bgr, 85)});
    } catch (const DataError& error) {
      log_warning("evaluation.report", "left out of the page: {}", error.what());
    }
  }
  return pictures;
}

}  // namespace

void write_cocoeval_report(const CocoevalReport& report, const CocoEvalResult& result, const CocoGroundTruth& truth,
                           const std::vector<DetectionRecord>& records, const ErrorBreakdown* breakdown,
                           const ErrorBreakdownOptions& options) {
  EvaluationPageInput input;
  input.title = fmt::format("{} of {} ({})", std::filesystem::path(report.detections).filename().string(),
                            std::filesystem::path(report.ground_truth).filename().string(),
                            iou_type_name(result.params.iou_type));
  input.summary_lines = report.summary_lines;
  input.error_lines = report.error_lines;
  if (breakdown != nullptr && !report.image_folder.empty()) {
    input.pictures = worst_pictures(report, truth, records, *breakdown, options);
  }
  write_file_atomic(report.path, make_evaluation_page(result, input));
}

}  // namespace fastermask::cli
