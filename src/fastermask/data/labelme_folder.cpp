#include "fastermask/data/labelme_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/data/image_io.h"
#include "fastermask/data/json_shapes.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

bool is_ignored_label(const std::string& label) { return label == "__ignore__" || label == "_background_"; }

// The bytes of base64 text; what is no base64 is passed over.
std::string bytes_of_base64(const std::string& text) {
  static const std::string kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string::npos) continue;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

std::vector<std::string> labelme_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  if (!files.empty()) return files;
  if (is_folder(join_path(folder, "ImageSets")))
    fail<DataError>("labelme: {}: is a Pascal VOC folder; write {}@SPLIT, such as {}@trainval", folder, folder, folder);
  fail<DataError>("labelme: {}: holds no .json files of labelme", folder);
}

std::string find_labelme_picture(const std::string& file, const std::string& image_root, std::string named) {
  std::replace(named.begin(), named.end(), '\\', '/');  // written on Windows
  const fs::path path(named);
  std::vector<fs::path> places = {fs::path(file).parent_path() / path, fs::path(image_root) / path,
                                  fs::path(image_root) / path.filename()};
  for (const char* ending : {".jpg", ".jpeg", ".png", ".webp", ".JPG"})
    places.push_back(fs::path(image_root) / (fs::path(file).stem().string() + ending));
  for (const fs::path& place : places) {
    if (!named.empty() && is_file(place.string())) return place.string();
  }
  fail<DataError>("labelme: {}: its picture '{}' is neither there nor in {}", file, named, image_root);
}

using Points = std::vector<std::pair<double, double>>;

Points labelme_points(const ShapeJson& shape, const std::string& where) {
  Points points;
  for (const ShapeJson& point : shape_member(shape, "points")) {
    if (!point.is_array() || point.size() != 2) fail<DataError>("{}: a point must be [x, y]", where);
    points.emplace_back(shape_number(point[0], "x", where), shape_number(point[1], "y", where));
  }
  return points;
}

// A bitmap of a part of the picture, as PNG in base64; its first point is the upper left corner.
Rle labelme_mask(const ShapeJson& shape, const Points& points, ImageSize size, const std::string& where) {
  if (points.empty()) fail<DataError>("{}: a mask must have points", where);
  const Image part = decode_image(bytes_of_base64(shape_text(shape_member(shape, "mask"))), where, PixelFormat::gray);
  const int left = static_cast<int>(std::floor(points[0].first));
  const int top = static_cast<int>(std::floor(points[0].second));
  BitMask mask(size.height, size.width);
  for (int y = std::max(0, -top); y < part.height && top + y < size.height; ++y) {
    for (int x = std::max(0, -left); x < part.width && left + x < size.width; ++x) {
      if (part.row(y)[x] != 0) mask.row(top + y)[left + x] = 1;
    }
  }
  return rle_encode(mask);
}

// Adds what a shape covers; nothing for shapes without an area.
void add_labelme_shape(DrawnInstance& instance, const ShapeJson& shape, ImageSize size, const std::string& where) {
  const ShapeJson& type = shape_member(shape, "shape_type");
  const std::string kind = type.is_string() ? type.get<std::string>() : "polygon";  // old files have no types
  const Points points = labelme_points(shape, where);
  const bool two = points.size() >= 2;
  if (kind == "mask") {
    Rle mask = labelme_mask(shape, points, size, where);
    if (rle_area(mask) > 0) instance.masks.push_back(std::move(mask));
  } else if (kind == "circle" && two) {  // its centre, and a point on it
    const double radius = std::hypot(points[1].first - points[0].first, points[1].second - points[0].second);
    if (radius > 0) instance.outlines.push_back(ellipse_outline(points[0].first, points[0].second, radius, radius));
  } else if (kind == "rectangle" && two) {
    if (points[0].first != points[1].first && points[0].second != points[1].second)
      instance.boxes.push_back(box_outline(points[0].first, points[0].second, points[1].first, points[1].second));
  } else if (kind == "polygon" && points.size() >= 3) {
    Polygon polygon;
    for (const auto& [x, y] : points) polygon.insert(polygon.end(), {x, y});
    instance.outlines.push_back(std::move(polygon));
  }
}

// Reads one file; counts the shapes that were left out. The image of a COCO file, which may lie there since the last
// time, has no name.
DrawnImage read_labelme_file(const std::string& file, const std::string& image_root, std::size_t& left_out) {
  const std::string where = "labelme: " + file;
  const ShapeJson document = parse_shape_json(read_file(file), where);
  if (shape_member(document, "images").is_array() && shape_member(document, "annotations").is_array()) return {};
  if (!shape_member(document, "shapes").is_array())
    fail<DataError>("{}: is no file of labelme: it has no list of \"shapes\"", where);
  const std::string picture = find_labelme_picture(file, image_root, shape_text(shape_member(document, "imagePath")));
  DrawnImage image;
  image.file_name = fs::proximate(fs::absolute(picture), fs::absolute(image_root)).generic_string();
  image.size = read_image_size(picture);
  std::map<std::pair<std::string, std::string>, std::size_t> groups;  // label and group_id to place in instances
  std::size_t number = 0;
  for (const ShapeJson& shape : shape_member(document, "shapes")) {
    const std::string place = fmt::format("{}: shape {}", where, ++number);
    DrawnInstance part;
    part.label = shape_text(shape_member(shape, "label"));
    if (part.label.empty()) fail<DataError>("{}: has no label", place);
    if (!is_ignored_label(part.label)) add_labelme_shape(part, shape, image.size, place);
    if (part.empty()) {
      ++left_out;
      continue;
    }
    const ShapeJson& group = shape_member(shape, "group_id");
    if (!group.is_null()) {
      const auto [at, is_new] = groups.emplace(std::make_pair(part.label, group.dump()), image.instances.size());
      if (!is_new) {
        DrawnInstance& whole = image.instances[at->second];
        whole.outlines.insert(whole.outlines.end(), part.outlines.begin(), part.outlines.end());
        whole.boxes.insert(whole.boxes.end(), part.boxes.begin(), part.boxes.end());
        whole.masks.insert(whole.masks.end(), part.masks.begin(), part.masks.end());
        continue;
      }
    }
    image.instances.push_back(std::move(part));
  }
  return image;
}

std::vector<std::string> labels_of_folder(const std::string& folder) {
  const std::string list = join_path(folder, "labels.txt");
  std::vector<std::string> names;
  if (!is_file(list)) return names;
  for (const std::string& line : split(read_file(list), '\n')) {
    const std::string name(trim(line));
    if (!name.empty() && !is_ignored_label(name)) names.push_back(name);
  }
  return names;
}

}  // namespace

DrawnDataset labelme_to_coco(const std::string& folder, const std::string& image_root,
                             const std::vector<std::string>& class_names) {
  const std::vector<std::string> files = labelme_files(folder);
  const std::string root = image_root.empty() ? folder : image_root;
  if (!is_folder(root)) fail<DataError>("labelme: {}: no such image folder", root);
  std::vector<DrawnImage> images(files.size());
  std::size_t left_out = 0;
  for_each_shape_file(files.size(), [&](std::size_t i) { images[i] = read_labelme_file(files[i], root, left_out); });
  images.erase(std::remove_if(images.begin(), images.end(), [](const auto& image) { return image.file_name.empty(); }),
               images.end());
  const std::vector<std::string> listed = class_names.empty() ? labels_of_folder(folder) : class_names;
  DrawnDataset set = drawn_to_coco(images, drawn_class_names(images, listed, "labelme: " + folder),
                                   fmt::format("labelme folder {}", folder));
  set.image_root = root;
  set.left_out = left_out;
  return set;
}

}  // namespace fastermask
