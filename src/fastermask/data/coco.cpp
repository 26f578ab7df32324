#include "fastermask/data/coco.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/data/annotation_index.h"
#include "fastermask/data/coco_fields.h"
#include "fastermask/data/json_scan.h"

namespace fastermask {
namespace {

constexpr const char* kCocoModule = "data.datasets.coco";
constexpr std::size_t kBlock = 4096;  // annotations parsed between two steps of the scanner

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
    if (sections_.count("annotations") > 0) read_annotations(scanner);  // COCO's test sets have none
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

  // One element of "annotations", parsed.
  struct ParsedAnnotation {
    std::string_view element;
    std::size_t readable = 0;
    std::size_t number = 0;
    coco::AnnotationFields fields;
    std::string problem;  // "": none
  };

  // Finding the elements and taking them is done in file order; between, blocks of them are parsed in parallel.
  void read_annotations(json::Scanner& scanner) {
    dataset_.table.reserve_for_text(sections_.at("annotations").size());
    std::vector<ParsedAnnotation> block(kBlock);
    std::size_t filled = 0;
    for_each_in(scanner, "annotations", [&](std::string_view element, std::size_t readable, std::size_t number) {
      ParsedAnnotation& place = block[filled++];
      place.element = element;
      place.readable = readable;
      place.number = number;
      if (filled == kBlock) take_block(block, std::exchange(filled, 0));
    });
    take_block(block, filled);
    check_unique_ids();
  }

  void take_block(std::vector<ParsedAnnotation>& block, std::size_t count) {
    parallel_for(0, static_cast<std::int64_t>(count), kBlock / 16, [&block](std::int64_t begin, std::int64_t end) {
      coco::ObjectParser parser;
      for (std::int64_t i = begin; i < end; ++i) {
        ParsedAnnotation& parsed = block[static_cast<std::size_t>(i)];
        parsed.problem.clear();
        try {
          parser.annotation(parsed.element, parsed.readable, parsed.fields);
        } catch (const coco::FieldProblem& problem) {
          parsed.problem = problem.what();
        }
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      ParsedAnnotation& parsed = block[i];
      try {
        if (!parsed.problem.empty()) throw coco::FieldProblem(parsed.problem);
        take_annotation(parsed.fields);
      } catch (const coco::FieldProblem& problem) {
        const auto image = parser_.find_integer(parsed.element, parsed.readable, "image_id");
        fail<DataError>("{}: {}{}: {}", where_,
                        name_of(parsed.element, parsed.readable, parsed.number, "annotation", "annotations"),
                        image ? fmt::format(" (image {})", *image) : "", problem.what());
      }
    }
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
    warn("{} keypoints have no names in \"categories\": flipping an image will not swap left and right",
         keypoint_count_);
  }

  void check_unique_ids() {
    if (path_.find("minival") != std::string::npos) return;  // the popular valminusminival files repeat ids
    std::sort(ids_.begin(), ids_.end());
    const auto twice = std::adjacent_find(ids_.begin(), ids_.end());
    if (twice != ids_.end()) fail<DataError>("{}: annotation {}: the id is used twice", where_, *twice);
    ids_ = {};
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
    dataset_.table.arrange(std::move(order));
    dataset_.table.shrink_to_fit();
  }

  void log_findings() {
    if (without_polygons_ > 0) {
      warn(
          "Filtered out {} instances without valid segmentation: a polygon needs at least 6 numbers and an even count; "
          "'fastermask data check' lists them",
          without_polygons_);
    }
    if (dropped_polygons_ > without_polygons_) {
      warn("Dropped {} polygons with fewer than 6 numbers or an odd count of them", dropped_polygons_);
    }
    if (without_image_ > 0) {
      warn("Left out {} annotations of images that {} does not list", without_image_, path_);
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
  std::vector<std::uint32_t> row_image_;  // [row] index of its image
  std::vector<std::int64_t> ids_;         // of all annotations of the file
  std::size_t keypoint_count_ = 0;
  std::int64_t without_image_ = 0;
  std::int64_t without_polygons_ = 0;
  std::int64_t dropped_polygons_ = 0;
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
