#include "fastermask/data/coco.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/coco_fields.h"
#include "fastermask/data/json_scan.h"

namespace fastermask {
namespace {

constexpr const char* kCocoModule = "data.datasets.coco";

// Reads one COCO file into a Dataset.
class CocoReader {
 public:
  CocoReader(std::string annotation_file, std::string image_root, const CocoOptions& options)
      : path_(std::move(annotation_file)), where_("coco: " + path_), options_(options) {
    dataset_.name = options.name.empty() ? path_ : options.name;
    dataset_.annotation_file = path_;
    dataset_.image_root = std::move(image_root);
  }

  Dataset read() {
    const MappedFile file = open_file();
    text_ = file.view();
    json::Scanner scanner(text_, where_);
    for (const auto& [key, value] : scanner.members()) sections_[key] = value;
    read_categories(scanner);
    read_images(scanner);
    if (sections_.count("annotations") > 0) read_annotations(scanner);  // COCO's test sets have none
    name_keypoints();
    arrange_by_image();
    log_findings();
    return std::move(dataset_);
  }

 private:
  MappedFile open_file() const {
    if (!path_exists(path_)) fail<DataError>("{}: no such file", where_);
    if (!is_file(path_)) fail<DataError>("{}: not a file", where_);
    try {
      return MappedFile(path_);
    } catch (const Error& error) {
      throw DataError(std::string("coco: ") + error.what());
    }
  }

  // Calls visit(element, bytes readable from its beginning, its number) for the objects of a section.
  template <class Visit>
  void for_each_in(json::Scanner& scanner, const std::string& section, Visit visit) {
    const auto found = sections_.find(section);
    if (found == sections_.end()) {
      fail<DataError>("{}: has no \"{}\"; a COCO file is an object with \"images\", \"annotations\" and \"categories\"",
                      where_, section);
    }
    if (found->second.front() != '[') fail<DataError>("{}: \"{}\" must be a list", where_, section);
    scanner.enter_array(found->second);
    std::string_view element;
    for (std::size_t number = 0; scanner.next_element(element); ++number) {
      const std::size_t readable = static_cast<std::size_t>(text_.data() + text_.size() - element.data());
      visit(element, readable, number);
    }
  }

  // "annotation 17" by its id, or "annotations[3]" when it has none.
  std::string name_of(std::string_view element, std::size_t readable, std::size_t number, const char* singular,
                      const char* section) {
    const auto id = parser_.find_integer(element, readable, "id");
    return id ? fmt::format("{} {}", singular, *id) : fmt::format("{}[{}]", section, number);
  }

  void read_categories(json::Scanner& scanner) {
    std::map<std::int64_t, coco::CategoryFields> by_id;
    for_each_in(scanner, "categories", [&](std::string_view element, std::size_t readable, std::size_t number) {
      try {
        coco::CategoryFields fields = parser_.category(element, readable);
        const std::int64_t id = fields.id;
        if (!by_id.emplace(id, std::move(fields)).second) throw coco::FieldProblem("the id is used twice");
      } catch (const coco::FieldProblem& problem) {
        fail<DataError>("{}: {}: {}", where_, name_of(element, readable, number, "category", "categories"),
                        problem.what());
      }
    });
    if (by_id.empty()) fail<DataError>("{}: \"categories\" is empty", where_);
    for (const auto& [id, fields] : by_id) {
      category_index_[id] = static_cast<int>(dataset_.category_ids.size());
      dataset_.category_ids.push_back(id);
      dataset_.class_names.push_back(fields.name);
      if (options_.keypoints && dataset_.keypoint_names.empty() && !fields.keypoints.empty()) take_keypoints(fields);
    }
    const std::int64_t last = static_cast<std::int64_t>(dataset_.category_ids.size());
    const bool plain = dataset_.category_ids.front() == 1 && dataset_.category_ids.back() == last;
    if (!plain && dataset_.name.find("coco") == std::string::npos) {
      log_warning(kCocoModule,
                  "Category ids in annotations are not in [1, #categories]! We'll apply a mapping for you.");
    }
  }

  // Keypoint names, and as flip map every pair left_x / right_x.
  void take_keypoints(const coco::CategoryFields& fields) {
    dataset_.keypoint_names = fields.keypoints;
    const int count = static_cast<int>(fields.keypoints.size());
    for (const auto& [a, b] : fields.skeleton) {
      if (a >= 0 && b >= 0 && a < count && b < count) dataset_.skeleton.emplace_back(a, b);
    }
    for (const std::string& keypoint : fields.keypoints) {
      const std::size_t at = keypoint.find("left");
      if (at == std::string::npos) continue;
      std::string mirrored = keypoint;
      mirrored.replace(at, 4, "right");
      const auto& names = dataset_.keypoint_names;
      if (std::find(names.begin(), names.end(), mirrored) != names.end()) {
        dataset_.keypoint_flip_map.emplace_back(keypoint, mirrored);
      }
    }
  }

  void read_images(json::Scanner& scanner) {
    for_each_in(scanner, "images", [&](std::string_view element, std::size_t readable, std::size_t number) {
      try {
        const coco::ImageFields fields = parser_.image(element, readable);
        ImageRecord record;
        record.id = fields.id;
        record.file_name = join_path(dataset_.image_root, fields.file_name);
        record.height = fields.height;
        record.width = fields.width;
        dataset_.records.push_back(std::move(record));
      } catch (const coco::FieldProblem& problem) {
        fail<DataError>("{}: {}: {}", where_, name_of(element, readable, number, "image", "images"), problem.what());
      }
    });
    if (dataset_.records.empty()) fail<DataError>("{}: \"images\" is empty", where_);
    std::sort(dataset_.records.begin(), dataset_.records.end(),
              [](const ImageRecord& a, const ImageRecord& b) { return a.id < b.id; });
    image_index_.reserve(dataset_.records.size());
    for (std::size_t i = 0; i < dataset_.records.size(); ++i) {
      const std::int64_t id = dataset_.records[i].id;
      if (!image_index_.emplace(id, static_cast<std::uint32_t>(i)).second) {
        fail<DataError>("{}: image {}: the id is used twice", where_, id);
      }
    }
  }

  void read_annotations(json::Scanner& scanner) {
    coco::AnnotationFields fields;
    for_each_in(scanner, "annotations", [&](std::string_view element, std::size_t readable, std::size_t number) {
      try {
        parser_.annotation(element, readable, fields);
        take_annotation(fields);
      } catch (const coco::FieldProblem& problem) {
        const auto image = parser_.find_integer(element, readable, "image_id");
        fail<DataError>("{}: {}{}: {}", where_, name_of(element, readable, number, "annotation", "annotations"),
                        image ? fmt::format(" (image {})", *image) : "", problem.what());
      }
    });
    check_unique_ids();
  }

  void take_annotation(coco::AnnotationFields& fields) {
    ids_.push_back(fields.id);
    const auto category = category_index_.find(fields.category_id);
    if (category == category_index_.end()) {
      throw coco::FieldProblem(fmt::format("category_id {} is not among the {} categories of the file",
                                           fields.category_id, dataset_.category_ids.size()));
    }
    const auto image = image_index_.find(fields.image_id);
    if (image == image_index_.end()) {
      ++without_image_;
      return;
    }
    dropped_polygons_ += fields.dropped_polygons;
    if (fields.lost_polygons) {
      ++without_polygons_;
      return;
    }
    const ImageRecord& record = dataset_.records[image->second];
    const Rle* rle = std::get_if<Rle>(&fields.segmentation);
    if (rle != nullptr && (rle->height != record.height || rle->width != record.width)) {
      throw coco::FieldProblem(fmt::format("segmentation size is {}x{}, the image is {}x{} (height x width)",
                                           rle->height, rle->width, record.height, record.width));
    }
    add_row(fields, image->second);
  }

  void add_row(coco::AnnotationFields& fields, std::uint32_t image) {
    AnnotationRow row;
    row.id = fields.id;
    row.xywh = fields.bbox_xywh;
    row.area = fields.area.value_or(row.xywh[2] * row.xywh[3]);
    row.category = category_index_.at(fields.category_id);
    row.crowd = fields.crowd;
    if (!options_.keypoints) fields.keypoints.clear();
    for (Keypoint& keypoint : fields.keypoints) {
      keypoint.x += 0.5f;
      keypoint.y += 0.5f;
    }
    check_keypoint_count(fields.keypoints.size());
    dataset_.table.add(row, fields.segmentation, fields.keypoints);
    row_image_.push_back(image);
  }

  void check_keypoint_count(std::size_t count) {
    if (count == 0) return;
    if (keypoint_count_ == 0)
      keypoint_count_ = dataset_.keypoint_names.empty() ? count : dataset_.keypoint_names.size();
    if (count != keypoint_count_) {
      throw coco::FieldProblem(fmt::format(
          "keypoints must be {} (as the category or the annotations before have), got {}", keypoint_count_, count));
    }
    if (count > 1000) throw coco::FieldProblem(fmt::format("{} keypoints are more than the limit of 1000", count));
  }

  // Files that leave out the names: 17 keypoints are COCO's person; others get numbers, and a flip swaps none of them.
  void name_keypoints() {
    if (keypoint_count_ == 0 || !dataset_.keypoint_names.empty()) return;
    if (keypoint_count_ == 17) {
      set_coco_person_keypoints(dataset_);
      return;
    }
    for (std::size_t i = 0; i < keypoint_count_; ++i) dataset_.keypoint_names.push_back(fmt::format("keypoint_{}", i));
    log_warning(kCocoModule,
                "{} keypoints have no names in \"categories\": flipping an image will not swap left and right",
                keypoint_count_);
  }

  void check_unique_ids() {
    if (path_.find("minival") != std::string::npos) return;  // the popular valminusminival files repeat ids
    std::sort(ids_.begin(), ids_.end());
    const auto twice = std::adjacent_find(ids_.begin(), ids_.end());
    if (twice != ids_.end()) fail<DataError>("{}: annotation {}: the id is used twice", where_, *twice);
  }

  // Rows in the order of the images; within an image, in the order of the file.
  void arrange_by_image() {
    std::vector<std::uint32_t> order(row_image_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return row_image_[a] < row_image_[b]; });
    for (const std::uint32_t image : row_image_) ++dataset_.records[image].annotation_count;
    std::uint32_t begin = 0;
    for (ImageRecord& record : dataset_.records) {
      record.first_annotation = begin;
      begin += record.annotation_count;
    }
    dataset_.table.arrange(order);
    dataset_.table.shrink_to_fit();
  }

  void log_findings() const {
    if (without_polygons_ > 0) {
      log_warning(
          kCocoModule,
          "Filtered out {} instances without valid segmentation: a polygon needs at least 6 numbers and an even "
          "count; 'fastermask data check' lists them",
          without_polygons_);
    }
    if (dropped_polygons_ > without_polygons_) {
      log_warning(kCocoModule, "Dropped {} polygons with fewer than 6 numbers or an odd count of them",
                  dropped_polygons_);
    }
    if (without_image_ > 0) {
      log_warning(kCocoModule, "Left out {} annotations of images that {} does not list", without_image_, path_);
    }
    log_info(kCocoModule, "Loaded {} images in COCO format from {}", dataset_.records.size(), path_);
  }

  std::string path_;
  std::string where_;
  CocoOptions options_;
  Dataset dataset_;
  std::string_view text_;
  std::map<std::string, std::string_view> sections_;
  coco::ObjectParser parser_;
  std::unordered_map<std::int64_t, int> category_index_;
  std::unordered_map<std::int64_t, std::uint32_t> image_index_;
  std::vector<std::uint32_t> row_image_;  // [row] index of its image
  std::vector<std::int64_t> ids_;         // of all annotations of the file
  std::size_t keypoint_count_ = 0;
  std::int64_t without_image_ = 0;
  std::int64_t without_polygons_ = 0;
  std::int64_t dropped_polygons_ = 0;
};

}  // namespace

Dataset load_coco(const std::string& annotation_file, const std::string& image_root, const CocoOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Dataset dataset = CocoReader(annotation_file, image_root, options).read();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (seconds.count() > 1) log_info(kCocoModule, "Loading {} takes {:.2f} seconds.", annotation_file, seconds.count());
  return dataset;
}

}  // namespace fastermask
