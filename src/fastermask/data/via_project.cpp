#include "fastermask/data/via_project.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "fastermask/base/file.h"
#include "fastermask/data/image_io.h"
#include "fastermask/data/json_shapes.h"

namespace fastermask {
namespace {

// The pictures: those of a project are a member of it, those of an export are the whole.
const ShapeJson& via_images(const ShapeJson& document) {
  const ShapeJson& of_project = shape_member(document, "_via_img_metadata");
  return of_project.is_null() ? document : of_project;
}

const ShapeJson& region_attributes(const ShapeJson& region) { return shape_member(region, "region_attributes"); }

// The attribute that names the class; "" when no region has any.
std::string class_attribute(const ShapeJson& images, const std::string& asked, const std::string& where) {
  std::set<std::string> found;
  for (const ShapeJson& image : images) {
    for (const ShapeJson& region : shape_member(image, "regions")) {
      if (!region_attributes(region).is_object()) continue;
      for (const auto& [name, value] : region_attributes(region).items()) found.insert(name);
    }
  }
  const std::vector<std::string> names(found.begin(), found.end());
  if (!asked.empty()) {
    if (found.count(asked) > 0) return asked;
    fail<DataError>("{}: no region has the attribute '{}'{}; they have: {}", where, asked, did_you_mean(asked, names),
                    join(names, ", "));
  }
  if (names.size() > 1) {
    fail<DataError>("{}: its regions have several attributes ({}); say with --attribute which one is the class", where,
                    join(names, ", "));
  }
  return names.empty() ? "" : names.front();
}

// A text, or of a list of boxes to tick, the one that is ticked; "" for none.
std::string attribute_value(const ShapeJson& value, const std::string& where) {
  if (!value.is_object()) return std::string(trim(shape_text(value)));
  std::string ticked;
  for (const auto& [name, is_ticked] : value.items()) {
    if (is_ticked != true) continue;
    if (!ticked.empty()) fail<DataError>("{}: is both '{}' and '{}'; a region has one class", where, ticked, name);
    ticked = name;
  }
  return ticked;
}

void add_via_shape(DrawnInstance& instance, const ShapeJson& shape, const std::string& where) {
  const auto number = [&](const char* name) { return shape_number(shape_member(shape, name), name, where); };
  const std::string kind = shape_text(shape_member(shape, "name"));
  if (kind == "rect") {
    const double x = number("x"), y = number("y"), width = number("width"), height = number("height");
    if (width > 0 && height > 0) instance.boxes.push_back(box_outline(x, y, x + width, y + height));
  } else if (kind == "circle") {
    const double radius = number("r");
    if (radius > 0) instance.outlines.push_back(ellipse_outline(number("cx"), number("cy"), radius, radius));
  } else if (kind == "ellipse") {
    const double rx = number("rx"), ry = number("ry");
    const double angle = shape_member(shape, "theta").is_null() ? 0 : number("theta");
    if (rx > 0 && ry > 0) instance.outlines.push_back(ellipse_outline(number("cx"), number("cy"), rx, ry, angle));
  } else if (kind == "polygon") {
    const ShapeJson& xs = shape_member(shape, "all_points_x");
    const ShapeJson& ys = shape_member(shape, "all_points_y");
    if (!xs.is_array() || !ys.is_array() || xs.size() != ys.size())
      fail<DataError>("{}: all_points_x and all_points_y must be lists of one length", where);
    Polygon polygon;
    for (std::size_t i = 0; i < xs.size(); ++i)
      polygon.insert(polygon.end(), {shape_number(xs[i], "x", where), shape_number(ys[i], "y", where)});
    if (xs.size() >= 3) instance.outlines.push_back(std::move(polygon));
  }
}

struct ViaReading {
  std::string where;
  std::string image_root;
  std::string attribute;
  std::string only_class;  // where regions have no attributes
};

DrawnImage read_via_image(const ShapeJson& entry, const ViaReading& reading, std::size_t& left_out) {
  DrawnImage image;
  image.file_name = shape_text(shape_member(entry, "filename"));
  if (image.file_name.empty()) fail<DataError>("{}: a picture has no filename", reading.where);
  const std::string path = join_path(reading.image_root, image.file_name);
  if (!is_file(path))
    fail<DataError>("{}: no such picture: {}; give the folder of the pictures after a ':'", reading.where, path);
  image.size = read_image_size(path);
  std::size_t number = 0;
  for (const ShapeJson& region : shape_member(entry, "regions")) {  // an object in version 1, a list in version 2
    const std::string where = fmt::format("{}: {}: region {}", reading.where, image.file_name, ++number);
    DrawnInstance instance;
    instance.label = reading.attribute.empty()
                         ? reading.only_class
                         : attribute_value(shape_member(region_attributes(region), reading.attribute.c_str()), where);
    if (!instance.label.empty()) add_via_shape(instance, shape_member(region, "shape_attributes"), where);
    if (instance.empty()) {
      ++left_out;
    } else {
      image.instances.push_back(std::move(instance));
    }
  }
  return image;
}

}  // namespace

bool looks_like_via(std::string_view text) {
  const std::string_view head = text.substr(0, 1 << 16);
  return head.find("\"_via_") != std::string_view::npos || head.find("\"file_attributes\"") != std::string_view::npos;
}

DrawnDataset via_to_coco(const std::string& file, const std::string& image_root,
                         const std::vector<std::string>& class_names, const std::string& attribute) {
  ViaReading reading;
  reading.where = "via: " + file;
  const std::string folder = std::filesystem::path(file).parent_path().string();
  reading.image_root = !image_root.empty() ? image_root : folder.empty() ? "." : folder;
  const ShapeJson document = parse_shape_json(read_file(file), reading.where);
  const ShapeJson& entries = via_images(document);
  if (!entries.is_object() || entries.empty()) fail<DataError>("{}: holds no pictures of VIA", reading.where);
  reading.attribute = class_attribute(entries, attribute, reading.where);
  if (reading.attribute.empty()) {
    if (class_names.size() != 1)
      fail<DataError>("{}: its regions have no attributes; say with --classes NAME what they all are", reading.where);
    reading.only_class = class_names[0];
  }
  std::vector<const ShapeJson*> list;
  for (const ShapeJson& entry : entries) list.push_back(&entry);
  std::vector<DrawnImage> images(list.size());
  std::size_t left_out = 0;
  for_each_shape_file(list.size(), [&](std::size_t i) { images[i] = read_via_image(*list[i], reading, left_out); });
  DrawnDataset set =
      drawn_to_coco(images, drawn_class_names(images, class_names, reading.where), fmt::format("VIA file {}", file));
  set.image_root = reading.image_root;
  set.left_out = left_out;
  return set;
}

}  // namespace fastermask
