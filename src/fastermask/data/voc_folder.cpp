#include "fastermask/data/voc_folder.h"

#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <unordered_map>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/data/image_io.h"

namespace fastermask {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kFilesNamed = 5;  // in one error

struct VocObject {
  std::string name;
  double box[4] = {};  // xmin, ymin, xmax, ymax as in the file
  bool difficult = false;
};

struct VocImage {
  std::string id;         // the line of the split
  std::string file_name;  // in JPEGImages/
  ImageSize size;
  std::vector<VocObject> objects;
};

std::vector<std::string> file_lines(const std::string& path) {
  std::vector<std::string> lines;
  const std::string text = read_file(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first != std::string::npos) lines.push_back(line.substr(first, line.find_last_not_of(" \t\r") + 1 - first));
    begin = end + 1;
  }
  return lines;
}

// Names of the files of a folder that end so, without that ending, sorted.
std::vector<std::string> file_stems(const std::string& folder, const std::string& ending) {
  std::vector<std::string> stems;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ending) stems.push_back(entry.path().stem().string());
  }
  std::sort(stems.begin(), stems.end());
  return stems;
}

pugi::xml_node open_voc_xml(pugi::xml_document& document, const std::string& path) {
  if (!is_file(path)) fail<DataError>("voc: {}: no such file", path);
  const pugi::xml_parse_result result = document.load_file(path.c_str());
  if (!result) fail<DataError>("voc: {}: broken XML at byte {}: {}", path, result.offset, result.description());
  const pugi::xml_node root = document.child("annotation");
  if (!root) fail<DataError>("voc: {}: has no <annotation>", path);
  return root;
}

double voc_number(const pugi::xml_node& node, const char* name, const std::string& where) {
  const std::string text = node.child(name).text().get();
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  while (end != nullptr && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')) ++end;
  if (text.empty() || *end != '\0' || !std::isfinite(value)) {
    fail<DataError>("{}: <{}> must be a number, got '{}'", where, name, text);
  }
  return value;
}

VocObject read_voc_object(const pugi::xml_node& node, const std::string& where) {
  VocObject object;
  object.name = node.child("name").text().get();
  if (object.name.empty()) fail<DataError>("{}: has no <name>", where);
  const pugi::xml_node box = node.child("bndbox");
  if (!box) fail<DataError>("{} ({}): has no <bndbox>", where, object.name);
  const char* const corners[] = {"xmin", "ymin", "xmax", "ymax"};
  for (int i = 0; i < 4; ++i) object.box[i] = voc_number(box, corners[i], where);
  object.difficult = node.child("difficult").text().as_int() != 0;
  return object;
}

// The picture of an id: detectron2 takes ID.jpg; other endings, and the name in the XML, are tried after it.
std::string find_voc_picture(const std::string& images, const std::string& id, const pugi::xml_node& root) {
  const std::string given = root.child("filename").text().get();
  for (const std::string& name : {id + ".jpg", id + ".jpeg", id + ".png", id + ".JPG", given}) {
    if (!name.empty() && is_file(join_path(images, name))) return name;
  }
  return id + ".jpg";
}

VocImage read_voc_image(const std::string& folder, const std::string& id) {
  const std::string path = join_path(folder, "Annotations/" + id + ".xml");
  const std::string images = join_path(folder, "JPEGImages");
  pugi::xml_document document;
  const pugi::xml_node root = open_voc_xml(document, path);
  VocImage image;
  image.id = id;
  image.file_name = find_voc_picture(images, id, root);
  image.size = {root.child("size").child("height").text().as_int(), root.child("size").child("width").text().as_int()};
  if (image.size.height < 1 || image.size.width < 1) image.size = read_image_size(join_path(images, image.file_name));
  int number = 0;
  for (const pugi::xml_node& object : root.children("object")) {
    image.objects.push_back(read_voc_object(object, fmt::format("voc: {}: object {}", path, ++number)));
  }
  return image;
}

// Calls read(i) for i below `count` in parallel; the first few DataErrors are thrown as one.
template <class Read>
void for_each_voc_file(std::size_t count, const Read& read) {
  std::mutex mutex;
  std::vector<std::string> errors;
  parallel_for(0, static_cast<std::int64_t>(count), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      try {
        read(static_cast<std::size_t>(i));
      } catch (const Error& error) {
        const std::lock_guard<std::mutex> lock(mutex);
        errors.emplace_back(error.what());
      }
    }
  });
  if (errors.empty()) return;
  std::sort(errors.begin(), errors.end());
  const std::size_t more = errors.size() - std::min(errors.size(), kFilesNamed);
  errors.resize(errors.size() - more);
  fail<DataError>("{}{}", join(errors, "\n"), more > 0 ? fmt::format("\n... and {} more", more) : "");
}

// Every class name of the folder's XML files.
std::vector<std::string> voc_names_in(const std::string& folder) {
  const std::vector<std::string> ids = file_stems(join_path(folder, "Annotations"), ".xml");
  std::mutex mutex;
  std::set<std::string> names;
  for_each_voc_file(ids.size(), [&](std::size_t i) {
    pugi::xml_document document;
    const pugi::xml_node root = open_voc_xml(document, join_path(folder, "Annotations/" + ids[i] + ".xml"));
    const std::lock_guard<std::mutex> lock(mutex);
    for (const pugi::xml_node& object : root.children("object")) names.insert(object.child("name").text().get());
  });
  names.erase("");
  if (names.empty()) fail<DataError>("voc: {}: the XML files name no class; put the classes in labels.txt", folder);
  return {names.begin(), names.end()};
}

std::vector<std::string> voc_split_ids(const std::string& folder, const std::string& split) {
  const std::string sets = join_path(folder, "ImageSets/Main");
  for (const char* part : {"JPEGImages", "Annotations", "ImageSets/Main"}) {
    if (is_folder(join_path(folder, part))) continue;
    fail<DataError>("voc: {}: is not a Pascal VOC folder: it has no {}", folder, part);
  }
  const std::string list = join_path(sets, split + ".txt");
  if (!is_file(list)) {
    const std::vector<std::string> there = file_stems(sets, ".txt");
    fail<DataError>("voc: {}: no such split{}; {} has {}", list, did_you_mean(split, there), sets, join(there, ", "));
  }
  std::vector<std::string> ids = file_lines(list);
  for (std::string& id : ids) id = id.substr(0, id.find_first_of(" \t"));  // "2008_000002 -1": lists of one class
  if (ids.empty()) fail<DataError>("voc: {}: names no image", list);
  std::set<std::string> seen;
  for (const std::string& id : ids) {
    if (!seen.insert(id).second) fail<DataError>("voc: {}: image {} is listed twice", list, id);
  }
  return ids;
}

// Whole numbers of at most 15 digits that differ as numbers do for ids; else places from 1.
std::vector<std::int64_t> voc_image_ids(const std::vector<std::string>& ids) {
  std::vector<std::int64_t> numbers;
  for (const std::string& id : ids) {
    const bool digits = id.size() <= 15 && id.find_first_not_of("0123456789") == std::string::npos;
    if (digits) numbers.push_back(std::strtoll(id.c_str(), nullptr, 10));
  }
  if (std::set<std::int64_t>(numbers.begin(), numbers.end()).size() == ids.size()) return numbers;
  numbers.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) numbers.push_back(static_cast<std::int64_t>(i) + 1);
  return numbers;
}

}  // namespace

const std::vector<std::string>& voc_class_names() {
  static const std::vector<std::string> names = {
      "aeroplane",   "bicycle", "bird",  "boat",      "bottle", "bus",         "car",   "cat",  "chair", "cow",
      "diningtable", "dog",     "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"};
  return names;
}

std::string voc_to_coco(const std::string& folder, const std::string& split,
                        const std::vector<std::string>& class_names) {
  const std::vector<std::string> ids = voc_split_ids(folder, split);
  std::vector<std::string> names = class_names;
  if (names.empty() && is_file(join_path(folder, "labels.txt"))) names = file_lines(join_path(folder, "labels.txt"));
  if (names.empty()) names = voc_names_in(folder);
  std::unordered_map<std::string, int> category;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!category.emplace(names[i], static_cast<int>(i) + 1).second) {
      fail<DataError>("voc: {}: class '{}' is listed twice", folder, names[i]);
    }
  }
  std::vector<VocImage> images(ids.size());
  for_each_voc_file(ids.size(), [&](std::size_t i) {
    images[i] = read_voc_image(folder, ids[i]);
    for (const VocObject& object : images[i].objects) {
      if (category.count(object.name) > 0) continue;
      fail<DataError>("voc: {}/Annotations/{}.xml: class '{}' is not among {}{}", folder, ids[i], object.name,
                      join(names, ", "), did_you_mean(object.name, names));
    }
  });
  const std::vector<std::int64_t> image_ids = voc_image_ids(ids);
  Json out = {{"info", {{"description", fmt::format("Pascal VOC folder {}, split {}", folder, split)}}},
              {"images", Json::array()},
              {"categories", Json::array()},
              {"annotations", Json::array()}};
  for (const std::string& name : names) out["categories"].push_back({{"id", category.at(name)}, {"name", name}});
  std::int64_t id = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const VocImage& image = images[i];
    out["images"].push_back({{"id", image_ids[i]},
                             {"file_name", image.file_name},
                             {"width", image.size.width},
                             {"height", image.size.height}});
    for (const VocObject& object : image.objects) {
      const double x = object.box[0] - 1;
      const double y = object.box[1] - 1;
      const double width = object.box[2] - x;
      const double height = object.box[3] - y;
      out["annotations"].push_back({{"id", ++id},
                                    {"image_id", image_ids[i]},
                                    {"category_id", category.at(object.name)},
                                    {"bbox", {x, y, width, height}},
                                    {"area", width * height},
                                    {"iscrowd", 0},
                                    {"difficult", object.difficult ? 1 : 0}});
    }
  }
  return out.dump(0, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fastermask
