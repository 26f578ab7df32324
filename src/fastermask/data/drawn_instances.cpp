#include "fastermask/data/drawn_instances.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using DrawnJson = nlohmann::ordered_json;

constexpr double kPi = 3.14159265358979323846;

Polygons all_polygons(const DrawnInstance& instance) {
  Polygons polygons = instance.outlines;
  polygons.insert(polygons.end(), instance.boxes.begin(), instance.boxes.end());
  return polygons;
}

// The smallest box around polygons: x, y, width, height.
std::array<double, 4> xywh_around(const Polygons& polygons) {
  double low[2] = {HUGE_VAL, HUGE_VAL};
  double high[2] = {-HUGE_VAL, -HUGE_VAL};
  for (const Polygon& polygon : polygons) {
    for (std::size_t i = 0; i < polygon.size(); ++i) {
      low[i % 2] = std::min(low[i % 2], polygon[i]);
      high[i % 2] = std::max(high[i % 2], polygon[i]);
    }
  }
  return {low[0], low[1], high[0] - low[0], high[1] - low[1]};
}

// Fills in bbox, area and segmentation.
void describe_shape(DrawnJson& annotation, const DrawnInstance& instance, ImageSize size, bool with_masks) {
  const Polygons polygons = all_polygons(instance);
  if (!instance.masks.empty()) {
    std::vector<Rle> parts = instance.masks;
    if (!polygons.empty()) parts.push_back(polygons_to_rle(polygons, size.height, size.width));
    const Rle mask = rle_merge(parts);
    annotation["bbox"] = rle_to_xywh(mask);
    annotation["area"] = rle_area(mask);
    annotation["segmentation"] = {{"size", {mask.height, mask.width}}, {"counts", rle_to_string(mask)}};
    return;
  }
  const std::array<double, 4> box = xywh_around(polygons);
  annotation["bbox"] = box;
  if (!with_masks) {
    annotation["area"] = box[2] * box[3];
    return;
  }
  annotation["area"] = rle_area(polygons_to_rle(polygons, size.height, size.width));
  annotation["segmentation"] = polygons;
}

}  // namespace

Polygon ellipse_outline(double x, double y, double radius_x, double radius_y, double angle) {
  const double radius = std::max(std::abs(radius_x), std::abs(radius_y));
  const int points = 4 * static_cast<int>(std::clamp(std::ceil(kPi * std::sqrt(2 * radius) / 2), 4.0, 90.0));
  Polygon polygon;
  for (int i = 0; i < points; ++i) {
    const double along = radius_x * std::cos(2 * kPi * i / points);
    const double across = radius_y * std::sin(2 * kPi * i / points);
    polygon.push_back(x + along * std::cos(angle) - across * std::sin(angle));
    polygon.push_back(y + along * std::sin(angle) + across * std::cos(angle));
  }
  return polygon;
}

Polygon box_outline(double x1, double y1, double x2, double y2) {
  if (x1 > x2) std::swap(x1, x2);
  if (y1 > y2) std::swap(y1, y2);
  return {x1, y1, x2, y1, x2, y2, x1, y2};
}

std::vector<std::string> drawn_class_names(const std::vector<DrawnImage>& images,
                                           const std::vector<std::string>& class_names, const std::string& where) {
  std::set<std::string> found;
  for (const DrawnImage& image : images) {
    for (const DrawnInstance& instance : image.instances) {
      const bool listed = std::count(class_names.begin(), class_names.end(), instance.label) > 0;
      if (!class_names.empty() && !listed) {
        fail<DataError>("{}: {}: class '{}' is not among {}{}", where, image.file_name, instance.label,
                        join(class_names, ", "), did_you_mean(instance.label, class_names));
      }
      found.insert(instance.label);
    }
  }
  const std::set<std::string> given(class_names.begin(), class_names.end());
  if (given.size() != class_names.size())
    fail<DataError>("{}: a class is listed twice in {}", where, join(class_names, ", "));
  if (!class_names.empty()) return class_names;
  if (found.empty()) fail<DataError>("{}: holds no instance; name the classes with --classes", where);
  return {found.begin(), found.end()};
}

DrawnDataset drawn_to_coco(const std::vector<DrawnImage>& images, const std::vector<std::string>& class_names,
                           const std::string& description) {
  DrawnDataset set;
  set.images = images.size();
  bool with_masks = false;
  for (const DrawnImage& image : images) {
    for (const DrawnInstance& instance : image.instances) {
      with_masks = with_masks || !instance.outlines.empty() || !instance.masks.empty();
    }
  }
  DrawnJson out = {{"info", {{"description", description}}},
                   {"images", DrawnJson::array()},
                   {"categories", DrawnJson::array()},
                   {"annotations", DrawnJson::array()}};
  for (std::size_t i = 0; i < class_names.size(); ++i)
    out["categories"].push_back({{"id", i + 1}, {"name", class_names[i]}});
  for (std::size_t i = 0; i < images.size(); ++i) {
    const DrawnImage& image = images[i];
    out["images"].push_back(
        {{"id", i + 1}, {"file_name", image.file_name}, {"width", image.size.width}, {"height", image.size.height}});
    for (const DrawnInstance& instance : image.instances) {
      const auto place = std::find(class_names.begin(), class_names.end(), instance.label) - class_names.begin();
      DrawnJson annotation = {{"id", ++set.instances}, {"image_id", i + 1}, {"category_id", place + 1}};
      describe_shape(annotation, instance, image.size, with_masks);
      annotation["iscrowd"] = 0;
      if (with_masks && instance.outlines.empty() && instance.masks.empty()) ++set.boxes_as_masks;
      out["annotations"].push_back(std::move(annotation));
    }
  }
  set.json = out.dump(0, ' ', false, DrawnJson::error_handler_t::replace) + "\n";
  return set;
}

}  // namespace fastermask
