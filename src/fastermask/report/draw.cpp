#include "fastermask/report/draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fastermask/base/error.h"
#include "fastermask/data/class_list.h"
#include "fastermask/data/image_io.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/report/draw_label.h"
#include "fastermask/report/palette.h"

namespace fastermask {
namespace {

constexpr std::size_t kCocoPersonKeypoints = 17;
constexpr int kMontageGap = 4;

// One thing to draw, wherever it came from.
struct DrawnInstance {
  Box box;  // clipped to the picture
  DrawColour colour{};
  std::string label;
  Rle mask;  // 0 x 0: none
  const std::vector<Keypoint>* keypoints = nullptr;
};

void require_three_channels(const Image& image) {
  if (image.channels != 3) fail<DataError>("draw: a picture must have 3 channels, got {}", image.channels);
}

void require_length(const char* what, std::size_t length, std::size_t boxes) {
  if (length != boxes) fail<DataError>("draw: {} must be as many as boxes, {}, got {}", what, boxes, length);
}

void require_mask_size(const Rle& mask, const Image& image, std::size_t index) {
  if (mask.height == image.height && mask.width == image.width) return;
  fail<DataError>("draw: mask {} must be {} x {} like the picture, got {} x {}; paste it to the picture's size first",
                  index, image.height, image.width, mask.height, mask.width);
}

std::string class_label(int index, const std::vector<std::string>& names) {
  const bool named = index >= 0 && static_cast<std::size_t>(index) < names.size();
  return named ? names[static_cast<std::size_t>(index)] : fmt::format("class {}", index);
}

DrawColour instance_colour(int class_index, std::size_t instance, const std::vector<std::string>& names) {
  return palette_colour(names.size() < 2 ? static_cast<int>(instance) : class_index);
}

void draw_skeleton(DrawCanvas& canvas, const DrawnInstance& instance, const DrawOptions& options) {
  const std::vector<Keypoint>& points = *instance.keypoints;
  const auto shown = [&](int index) {
    if (index < 0 || static_cast<std::size_t>(index) >= points.size()) return false;
    const Keypoint& point = points[static_cast<std::size_t>(index)];
    return point.visibility > options.keypoint_threshold && std::abs(point.x) < 1e6f && std::abs(point.y) < 1e6f;
  };
  const bool person = options.skeleton.empty() && points.size() == kCocoPersonKeypoints;
  for (const auto& [from, to] : person ? coco_person_skeleton() : options.skeleton) {
    if (!shown(from) || !shown(to)) continue;
    canvas.bone(points[static_cast<std::size_t>(from)], points[static_cast<std::size_t>(to)], instance.colour);
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (shown(static_cast<int>(i))) canvas.joint(points[i], instance.colour);
  }
}

// `instances` come most important first: their labels get the best places.
Image draw_instances(const Image& bgr, const std::vector<DrawnInstance>& instances, const DrawOptions& options) {
  if (bgr.height <= 0 || bgr.width <= 0) return bgr;
  std::vector<std::size_t> by_area(instances.size());
  std::iota(by_area.begin(), by_area.end(), std::size_t{0});
  std::stable_sort(by_area.begin(), by_area.end(),
                   [&](std::size_t a, std::size_t b) { return instances[a].box.area() > instances[b].box.area(); });
  DrawCanvas canvas(bgr, options.scale);
  for (const std::size_t i : by_area) {
    const DrawnInstance& instance = instances[i];
    if (options.masks && instance.mask.height > 0) canvas.mask(instance.mask, instance.colour, options.mask_opacity);
    if (options.boxes) canvas.box(instance.box, instance.colour);
  }
  for (const DrawnInstance& instance : instances) {
    if (options.keypoints && instance.keypoints != nullptr) draw_skeleton(canvas, instance, options);
  }
  if (options.labels) {
    LabelPainter labels(canvas, options.scale);
    for (const DrawnInstance& instance : instances) labels.paint(instance.label, instance.box, instance.colour);
  }
  return canvas.image();
}

void copy_into(Image& target, const Image& source, int top, int left) {
  for (int y = 0; y < source.height; ++y) {
    std::copy_n(source.row(y), source.row_bytes(), target.row(top + y) + 3 * static_cast<std::ptrdiff_t>(left));
  }
}

}  // namespace

Image draw_detections(const Image& bgr, const Detections& detections, const std::vector<std::string>& class_names,
                      const DrawOptions& options) {
  require_three_channels(bgr);
  const std::size_t count = detections.size();
  require_length("classes", detections.classes.size(), count);
  if (!detections.scores.empty()) require_length("scores", detections.scores.size(), count);
  if (!detections.masks.empty()) require_length("masks", detections.masks.size(), count);
  if (!detections.keypoints.empty()) require_length("keypoints", detections.keypoints.size(), count);
  std::vector<DrawnInstance> instances;
  for (std::size_t d = 0; d < count; ++d) {
    if (!detections.scores.empty() && !(detections.scores[d] >= options.score_threshold)) continue;
    if (!detections.boxes[d].finite()) continue;
    DrawnInstance instance;
    instance.box = clip(detections.boxes[d], bgr.size());
    instance.colour = instance_colour(detections.classes[d], d, class_names);
    instance.label = class_label(detections.classes[d], class_names);
    if (!detections.scores.empty()) instance.label += fmt::format(" {:.0f}%", 100 * detections.scores[d]);
    if (options.masks && !detections.masks.empty()) {
      require_mask_size(detections.masks[d], bgr, d);
      instance.mask = detections.masks[d];
    }
    if (!detections.keypoints.empty()) instance.keypoints = &detections.keypoints[d];
    instances.push_back(std::move(instance));
  }
  return draw_instances(bgr, instances, options);
}

Image draw_ground_truth(const Image& bgr, const Boxes& boxes, const std::vector<int>& classes,
                        const std::vector<Segmentation>& masks, const std::vector<std::vector<Keypoint>>& keypoints,
                        const std::vector<std::string>& class_names, const DrawOptions& options) {
  if (!masks.empty()) require_length("masks", masks.size(), boxes.size());
  Detections shown;
  shown.image_size = bgr.size();
  shown.boxes = boxes;
  shown.classes = classes;
  shown.keypoints = keypoints;
  const std::int64_t pixels = static_cast<std::int64_t>(bgr.height) * bgr.width;
  for (std::size_t g = 0; g < masks.size() && options.masks; ++g) {
    if (const auto* polygons = std::get_if<Polygons>(&masks[g])) {
      shown.masks.push_back(polygons_to_rle(*polygons, bgr.height, bgr.width));
    } else if (const auto* rle = std::get_if<Rle>(&masks[g])) {
      shown.masks.push_back(*rle);
    } else {
      shown.masks.push_back({bgr.height, bgr.width, {static_cast<std::uint32_t>(pixels)}});  // nothing set
    }
  }
  return draw_detections(bgr, shown, class_names, options);
}

Image montage(const std::vector<Image>& images, int columns) {
  if (columns < 1) fail<DataError>("montage: columns must be at least 1, got {}", columns);
  if (images.empty()) return {};
  ImageSize cell;
  for (const Image& image : images) {
    require_three_channels(image);
    cell = {std::max(cell.height, image.height), std::max(cell.width, image.width)};
  }
  const int count = static_cast<int>(images.size());
  columns = std::min(columns, count);
  const int rows = (count + columns - 1) / columns;
  Image result(rows * (cell.height + kMontageGap) - kMontageGap, columns * (cell.width + kMontageGap) - kMontageGap);
  std::fill(result.pixels.begin(), result.pixels.end(), std::uint8_t{40});
  for (int i = 0; i < count; ++i) {
    const Image& image = images[static_cast<std::size_t>(i)];
    copy_into(result, image, i / columns * (cell.height + kMontageGap) + (cell.height - image.height) / 2,
              i % columns * (cell.width + kMontageGap) + (cell.width - image.width) / 2);
  }
  return result;
}

std::string encode_png(const Image& bgr) {
  require_three_channels(bgr);
  return encode_image(bgr, ImageFileKind::png);
}

}  // namespace fastermask
