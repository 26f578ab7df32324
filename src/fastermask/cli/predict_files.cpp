#include "fastermask/cli/predict_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/data/image_io.h"
#include "fastermask/data/mask_outline.h"
#include "fastermask/kernels/rle.h"

namespace fastermask::cli {
namespace {

// A field of RFC 4180: in quotes when it needs them.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// A class name as part of a file name.
std::string file_word(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '/' || c == ' ' || static_cast<unsigned char>(c) < 32; }, '_');
  return text;
}

nlohmann::ordered_json labelme_shape(const std::string& label, const char* kind, std::size_t group) {
  return {{"label", label},
          {"points", nlohmann::ordered_json::array()},
          {"group_id", group},
          {"shape_type", kind},
          {"flags", nlohmann::ordered_json::object()}};
}

}  // namespace

PredictFiles::PredictFiles(PredictFileOptions options, const ClassList& classes)
    : options_(std::move(options)),
      classes_(classes),
      table_("file_name,category_id,category,score,x,y,width,height,area,frame\n") {}

const std::string& PredictFiles::class_name(const Detections& detections, std::size_t index) const {
  return classes_.names[static_cast<std::size_t>(detections.classes[index])];
}

void PredictFiles::add(const PictureSource& source, const Image& image, const Detections& detections) {
  const std::string stem = std::filesystem::path(source.name).stem().string();
  if (!options_.csv.empty()) add_lines(source, detections);
  if (!options_.labelme.empty()) write_labelme(source, stem, detections, image);
  if (!options_.crops.empty()) write_crops(stem, image, detections);
  if (!options_.masks.empty()) write_masks(stem, detections, image.size());
}

void PredictFiles::add_lines(const PictureSource& source, const Detections& detections) {
  const std::string frame = source.frame < 0 ? "" : std::to_string(source.frame);
  for (std::size_t d = 0; d < detections.size(); ++d) {
    const Box& box = detections.boxes[d];
    const double area = detections.masks.empty() ? static_cast<double>(box.width()) * box.height()
                                                 : static_cast<double>(rle_area(detections.masks[d]));
    table_ += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", csv_field(source.file),
                          classes_.category_ids[static_cast<std::size_t>(detections.classes[d])],
                          csv_field(class_name(detections, d)), detections.scores[d], box.x1, box.y1, box.width(),
                          box.height(), area, frame);
  }
}

void PredictFiles::write_labelme(const PictureSource& source, const std::string& stem, const Detections& detections,
                                 const Image& image) {
  namespace fs = std::filesystem;
  // labelme looks for the picture from where the annotation is. A frame is in no file yet.
  std::string picture = fs::proximate(fs::absolute(source.file), fs::absolute(options_.labelme)).string();
  if (source.frame >= 0) {
    picture = stem + ".jpg";
    write_image(join_path(options_.labelme, picture), image);
  }
  nlohmann::ordered_json shapes = nlohmann::ordered_json::array();
  for (std::size_t d = 0; d < detections.size(); ++d) {
    const std::string& label = class_name(detections, d);
    if (detections.masks.empty()) {
      const Box& box = detections.boxes[d];
      nlohmann::ordered_json shape = labelme_shape(label, "rectangle", d + 1);
      shape["points"].push_back({box.x1, box.y1});
      shape["points"].push_back({box.x2, box.y2});
      shapes.push_back(std::move(shape));
      continue;
    }
    for (const Polygon& polygon : mask_outlines(rle_decode(detections.masks[d]))) {
      nlohmann::ordered_json shape = labelme_shape(label, "polygon", d + 1);
      for (std::size_t i = 0; i + 1 < polygon.size(); i += 2) shape["points"].push_back({polygon[i], polygon[i + 1]});
      shapes.push_back(std::move(shape));
    }
  }
  const nlohmann::ordered_json document = {{"version", "5.0.0"},          {"flags", nlohmann::ordered_json::object()},
                                           {"shapes", std::move(shapes)}, {"imagePath", picture},
                                           {"imageData", nullptr},        {"imageHeight", image.height},
                                           {"imageWidth", image.width}};
  write_file_atomic(join_path(options_.labelme, stem + ".json"),
                    document.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void PredictFiles::write_crops(const std::string& stem, const Image& image, const Detections& detections) {
  for (std::size_t d = 0; d < detections.size(); ++d) {
    const Box& box = detections.boxes[d];
    const int x1 = std::clamp(static_cast<int>(std::floor(box.x1)), 0, image.width - 1);
    const int y1 = std::clamp(static_cast<int>(std::floor(box.y1)), 0, image.height - 1);
    const int x2 = std::clamp(static_cast<int>(std::ceil(box.x2)), x1 + 1, image.width);
    const int y2 = std::clamp(static_cast<int>(std::ceil(box.y2)), y1 + 1, image.height);
    Image crop(y2 - y1, x2 - x1, image.channels);
    for (int y = y1; y < y2; ++y) std::copy_n(image.row(y) + x1 * image.channels, crop.row_bytes(), crop.row(y - y1));
    const std::string name = fmt::format("{}-{}-{}.jpg", stem, d + 1, file_word(class_name(detections, d)));
    write_image(join_path(options_.crops, name), crop);
  }
}

// The best instance is on top where several overlap.
void PredictFiles::write_masks(const std::string& stem, const Detections& detections, ImageSize size) {
  Image numbers(size.height, size.width, 1);
  for (std::size_t d = std::min<std::size_t>(detections.masks.size(), 255); d-- > 0;) {
    const BitMask mask = rle_decode(detections.masks[d]);
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
      if (mask.pixels[i] != 0) numbers.pixels[i] = static_cast<std::uint8_t>(d + 1);
    }
  }
  write_image(join_path(options_.masks, stem + ".png"), numbers);
}

void PredictFiles::finish() const {
  if (!options_.csv.empty()) write_file_atomic(options_.csv, table_);
}

}  // namespace fastermask::cli
