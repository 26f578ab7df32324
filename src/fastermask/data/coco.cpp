#include "fastermask/data/coco.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <unordered_map>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/annotation_index.h"
#include "fastermask/data/coco_annotations.h"
#include "fastermask/data/coco_fields.h"
#include "fastermask/data/json_scan.h"

namespace fastermask {
namespace {

constexpr const char* kCocoModule = "data.datasets.coco";

// Reads one COCO file into a Dataset.
class CocoReader {
 public:
  CocoReader(std::string annotation_file, const CocoOptions& options)
      : path_(std::move(annotation_file)), where_("coco: " + path_), options_(options) {}

  IndexedAnnotations read() {
    const MappedFile file = open_file();
    text_ = file.view();
    json::Scanner scanner(text_, where_);
    // What lies behind is read again from the disk cache where needed: the file need not be in memory as a whole.
    scanner.on_passed([&file](std::size_t begin, std::size_t end) { file.forget(begin, end); });
    for (const auto& [key, value] : scanner.members()) sections_[key] = value;
    read_categories(scanner);
    read_images(scanner);
    read_annotations(scanner);
    name_keypoints();
    arrange_by_image();
    log_findings();
    return {std::move(dataset_), std::move(warnings_)};
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

  void read_categories(json::Scanner& scanner) {
    std::map<std::int64_t, coco::CategoryFields> by_id;
    for_each_in(scanner, "categories", [&](std::string_view element, std::size_t readable, std::size_t number) {
      try {
        coco::CategoryFields fields = parser_.category(element, readable);
        const std::int64_t id = fields.id;
        if (!by_id.emplace(id, std::move(fields)).second) throw coco::FieldProblem("the id is used twice");
      } catch (const coco::FieldProblem& problem) {
        fail<DataError>("{}: {}: {}", where_, coco::name_of_object(element, readable, number, "category", "categories"),
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
        record.file_name = fields.file_name;  // the folder comes later: indices go without it
        record.height = fields.height;
        record.width = fields.width;
        dataset_.records.push_back(std::move(record));
      } catch (const coco::FieldProblem& problem) {
        fail<DataError>("{}: {}: {}", where_, coco::name_of_object(element, readable, number, "image", "images"),
                        problem.what());
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
    const auto section = sections_.find("annotations");
    if (section == sections_.end()) return;  // COCO's test sets have none
    if (section->second.front() != '[') fail<DataError>("{}: \"annotations\" must be a list", where_);
    coco::AnnotationContext context;
    context.where = where_;
    context.text = text_;
    context.images = &dataset_.records;
    context.image_index = &image_index_;
    context.category_index = &category_index_;
    context.keypoints = options_.keypoints;
    context.keypoint_names = dataset_.keypoint_names.size();
    read_ = coco::read_annotations(scanner, section->second, context);
    check_unique_ids();
  }

  // Files that leave out the names: 17 keypoints are COCO's person; others get numbers, and a flip swaps none of them.
  void name_keypoints() {
    const std::size_t count = read_.keypoint_count;
    if (count == 0 || !dataset_.keypoint_names.empty()) return;
    if (count == 17) {
      set_coco_person_keypoints(dataset_);
      return;
    }
    for (std::size_t i = 0; i < count; ++i) dataset_.keypoint_names.push_back(fmt::format("keypoint_{}", i));
    warn("{} keypoints have no names in \"categories\": flipping an image will not swap left and right", count);
  }

  void check_unique_ids() {
    std::vector<std::int64_t> ids = std::move(read_.ids);
    if (path_.find("minival") != std::string::npos) return;  // the popular valminusminival files repeat ids
    if (!std::is_sorted(ids.begin(), ids.end())) std::sort(ids.begin(), ids.end());
    const auto twice = std::adjacent_find(ids.begin(), ids.end());
    if (twice != ids.end()) fail<DataError>("{}: annotation {}: the id is used twice", where_, *twice);
  }

  // Rows in the order of the images; within an image, in the order of the file.
  void arrange_by_image() {
    for (const std::uint32_t image : read_.row_image) ++dataset_.records[image].annotation_count;
    std::vector<std::uint32_t> next;  // [image] where its next row goes
    next.reserve(dataset_.records.size());
    std::uint32_t begin = 0;
    for (ImageRecord& record : dataset_.records) {
      record.first_annotation = begin;
      next.push_back(begin);
      begin += record.annotation_count;
    }
    std::vector<std::uint32_t> order(read_.row_image.size());
    for (std::uint32_t row = 0; row < order.size(); ++row) order[next[read_.row_image[row]]++] = row;
    dataset_.table = std::move(read_.table);
    dataset_.table.arrange(std::move(order));
    dataset_.table.shrink_to_fit();
  }

  void log_findings() {
    if (read_.without_polygons > 0) {
      warn(
          "Filtered out {} instances without valid segmentation: a polygon needs at least 6 numbers and an even count; "
          "'fastermask data check' lists them",
          read_.without_polygons);
    }
    if (read_.dropped_polygons > read_.without_polygons) {
      warn("Dropped {} polygons with fewer than 6 numbers or an odd count of them", read_.dropped_polygons);
    }
    if (read_.without_image > 0) {
      warn("Left out {} annotations of images that {} does not list", read_.without_image, path_);
    }
  }

  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    warnings_.push_back(fmt::format(format, std::forward<Args>(args)...));
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
  coco::Annotations read_;
  std::vector<std::string> warnings_;  // logged when all is read, and again when the index is read instead
};

std::int64_t coco_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The index of a file, where it is large enough and has one.
bool take_index(const std::vector<std::string>& paths, const std::string& annotation_file, IndexedAnnotations& taken) {
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
    if (!load_annotation_index(path, annotation_file, taken)) return false;
    log_info(kCocoModule, "Read the index {} of {}", path, annotation_file);
    return true;
  });
}

// Leaves an index in the first place that can be written; a run does not fail for want of one.
void leave_index(const std::vector<std::string>& paths, const std::string& annotation_file,
                 const IndexedAnnotations& annotations, std::int64_t read_since_ns) {
  for (const std::string& path : paths) {
    try {
      save_annotation_index(path, annotation_file, annotations, read_since_ns);
      log_info(kCocoModule, "Wrote the index {}: the next start will not parse {}", path, annotation_file);
      return;
    } catch (const Error&) {
      continue;  // a folder that is not ours to write, or a full disk
    }
  }
}

}  // namespace

Dataset load_coco(const std::string& annotation_file, const std::string& image_root, const CocoOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t read_since_ns = coco_clock_ns();
  std::vector<std::string> index_paths;
  if (options.index_from_bytes > 0 && options.keypoints && is_file(annotation_file) &&
      file_size(annotation_file) >= options.index_from_bytes) {
    index_paths = annotation_index_paths(annotation_file);
  }
  IndexedAnnotations read;
  if (!take_index(index_paths, annotation_file, read)) {
    read = CocoReader(annotation_file, options).read();
    leave_index(index_paths, annotation_file, read, read_since_ns);
  }
  Dataset& dataset = read.dataset;
  dataset.name = options.name.empty() ? annotation_file : options.name;
  dataset.annotation_file = annotation_file;
  dataset.image_root = image_root;
  for (ImageRecord& record : dataset.records) record.file_name = join_path(image_root, record.file_name);

  const auto last = static_cast<std::int64_t>(dataset.category_ids.size());
  const bool plain = dataset.category_ids.front() == 1 && dataset.category_ids.back() == last;
  if (!plain && dataset.name.find("coco") == std::string::npos) {
    log_warning(kCocoModule, "Category ids in annotations are not in [1, #categories]! We'll apply a mapping for you.");
  }
  for (const std::string& warning : read.warnings) log_warning(kCocoModule, "{}", warning);
  log_info(kCocoModule, "Loaded {} images in COCO format from {}", dataset.records.size(), annotation_file);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (seconds.count() > 1) log_info(kCocoModule, "Loading {} takes {:.2f} seconds.", annotation_file, seconds.count());
  return std::move(dataset);
}

}  // namespace fastermask
