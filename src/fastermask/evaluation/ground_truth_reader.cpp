// Reading COCO JSON into a CocoGroundTruth.
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "fastermask/base/error.h"
#include "fastermask/data/json_scan.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/json_values.h"
#include "fastermask/evaluation/text_input.h"

namespace fastermask {
namespace {

namespace ej = evaluation_json;
namespace od = simdjson::ondemand;

template <class... Args>
[[noreturn]] void truth_problem(fmt::format_string<Args...> format, Args&&... args) {
  throw ej::ValueProblem(fmt::format(format, std::forward<Args>(args)...));
}

// Which of a record's required fields have been seen.
class RequiredFields {
 public:
  void seen(const char* name) { seen_.push_back(name); }
  void demand(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      if (std::find(seen_.begin(), seen_.end(), name) == seen_.end()) truth_problem("has no {}", name);
    }
  }

 private:
  std::vector<const char*> seen_;  // the very literals demanded
};

constexpr const char* kIdField = "id";
constexpr const char* kNameField = "name";
constexpr const char* kImageIdField = "image_id";
constexpr const char* kCategoryIdField = "category_id";

}  // namespace

class GroundTruthReader {
 public:
  GroundTruthReader(std::string_view json, const std::string& name, const GroundTruthParts& parts)
      : where_("ground truth: " + name), parts_(parts), text_(json) {
    truth_.name_ = name;
    text_.append(simdjson::SIMDJSON_PADDING, ' ');
  }

  CocoGroundTruth read() {
    json::Scanner scanner(text_, where_);
    for (auto& [key, value] : scanner.members()) sections_[key] = value;
    read_categories(scanner);
    read_images(scanner);
    read_annotations(scanner);
    arrange();
    return std::move(truth_);
  }

 private:
  // Calls visit(object) for each element of a section. What goes wrong is told with the element's id, or its number.
  template <class Visit>
  void for_each_object(json::Scanner& scanner, const char* section, const char* what, const Visit& visit) {
    const auto found = sections_.find(section);
    if (found == sections_.end())
      fail<DataError>("{}: the file has no \"{}\"; is it a COCO annotation file?", where_, section);
    if (found->second.empty() || found->second.front() != '[')
      fail<DataError>("{}: \"{}\" must be a list", where_, section);
    scanner.enter_array(found->second);
    std::string_view element;
    for (std::size_t number = 0; scanner.next_element(element); ++number) {
      try {
        od::document document;
        if (const auto code = open(element).get(document)) ej::throw_broken(code);
        od::object object;
        if (document.get_object().get(object) != simdjson::SUCCESS) truth_problem("must be an object");
        visit(object);
      } catch (const ej::ValueProblem& problem) {
        fail<DataError>("{}: {}: {}", where_, element_name(what, number, element), problem.what());
      } catch (const ej::BrokenJson& problem) {
        fail<DataError>("{}: {}: broken JSON: {}", where_, element_name(what, number, element), problem.what());
      }
    }
  }

  simdjson::simdjson_result<od::document> open(std::string_view element) {
    return parser_.iterate(element.data(), element.size(),
                           static_cast<std::size_t>(text_.data() + text_.size() - element.data()));
  }

  // "annotation 17" by its id; "annotation number 0" by its place where the id cannot be read.
  std::string element_name(const char* what, std::size_t number, std::string_view element) {
    od::document document;
    od::object object;
    if (open(element).get(document) == simdjson::SUCCESS && document.get_object().get(object) == simdjson::SUCCESS) {
      for (auto field : object) {
        std::string_view key;
        std::int64_t id = 0;
        if (field.error() != simdjson::SUCCESS || field.unescaped_key().get(key) != simdjson::SUCCESS) break;
        if (key == "id" && field.value().get_int64().get(id) == simdjson::SUCCESS)
          return fmt::format("{} {}", what, id);
      }
    }
    return fmt::format("{} number {}", what, number);
  }

  struct CategoryFields {
    std::int64_t id = 0;
    std::string name;
    char frequency = 0;
  };

  void read_categories(json::Scanner& scanner) {
    std::vector<CategoryFields> categories;
    for_each_object(scanner, "categories", "category", [&](od::object object) {
      CategoryFields category;
      RequiredFields fields;
      ej::for_each_member(object, [&](od::raw_json_string key, od::value value) {
        if (key.unsafe_is_equal(kIdField)) {
          category.id = ej::read_integer(value, kIdField);
          fields.seen(kIdField);
        } else if (key.unsafe_is_equal(kNameField)) {
          category.name = ej::read_text(value, kNameField);
        } else if (key.unsafe_is_equal("frequency")) {
          category.frequency = read_frequency(value);
        }
      });
      fields.demand({kIdField});
      if (category.name.empty()) category.name = fmt::format("{}", category.id);
      if (!truth_.category_index_.emplace(category.id, 0).second) truth_problem("the id is used twice");
      categories.push_back(std::move(category));
    });
    std::stable_sort(categories.begin(), categories.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (auto& [id, name, frequency] : categories) {
      truth_.category_index_[id] = static_cast<int>(truth_.category_ids_.size());
      truth_.category_ids_.push_back(id);
      truth_.category_names_.push_back(std::move(name));
      truth_.category_frequencies_.push_back(frequency);
    }
  }

  void read_images(json::Scanner& scanner) {
    for_each_object(scanner, "images", "image", [&](od::object object) {
      GroundTruthImage image;
      RequiredFields fields;
      ej::for_each_member(object, [&](od::raw_json_string key, od::value value) {
        if (key.unsafe_is_equal(kIdField)) {
          image.id = ej::read_integer(value, kIdField);
          fields.seen(kIdField);
        } else if (key.unsafe_is_equal("height")) {
          image.height = read_extent(value, "height");
        } else if (key.unsafe_is_equal("width")) {
          image.width = read_extent(value, "width");
        } else if (key.unsafe_is_equal("neg_category_ids")) {
          read_category_list(value, "neg_category_ids", image.absent_categories);
          truth_.federated_ = true;
        } else if (key.unsafe_is_equal("not_exhaustive_category_ids")) {
          read_category_list(value, "not_exhaustive_category_ids", image.incomplete_categories);
        }
      });
      fields.demand({kIdField});
      if (!truth_.image_index_.emplace(image.id, 0).second) truth_problem("the id is used twice");
      truth_.images_.push_back(std::move(image));
    });
    std::sort(truth_.images_.begin(), truth_.images_.end(),
              [](const GroundTruthImage& a, const GroundTruthImage& b) { return a.id < b.id; });
    for (std::size_t i = 0; i < truth_.images_.size(); ++i)
      truth_.image_index_[truth_.images_[i].id] = static_cast<int>(i);
  }

  static char read_frequency(od::value value) {
    const std::string text = ej::read_text(value, "frequency");
    if (text != "r" && text != "c" && text != "f") truth_problem("frequency must be r, c or f, got '{}'", text);
    return text.front();
  }

  void read_category_list(od::value value, const char* name, std::vector<int>& categories) {
    ej::read_numbers(value, name, numbers_);
    categories.clear();
    for (const double id : numbers_) {
      const bool whole = std::abs(id) < 9e15 && id == std::floor(id);
      const int category = whole ? truth_.find_category(static_cast<std::int64_t>(id)) : -1;
      if (category < 0) {
        truth_problem("{}: {} is not among the {} categories of the file", name, id, truth_.category_ids_.size());
      }
      categories.push_back(category);
    }
    std::sort(categories.begin(), categories.end());
  }

  static int read_extent(od::value value, const char* name) {
    const std::int64_t extent = ej::read_integer(value, name);
    if (extent < 1 || extent > 65535) truth_problem("{} must be from 1 to 65535, got {}", name, extent);
    return static_cast<int>(extent);
  }

  void read_annotations(json::Scanner& scanner) {
    if (sections_.find("annotations") == sections_.end()) return;  // COCO's test sets
    for_each_object(scanner, "annotations", "annotation", [&](od::object object) { read_annotation(object); });
    check_unique_ids();
  }

  void read_annotation(od::object object) {
    GroundTruthAnnotation annotation;
    RequiredFields fields;
    std::int64_t image_id = 0;
    std::int64_t category_id = 0;
    bool has_box = false;
    double area = std::numeric_limits<double>::quiet_NaN();
    int num_keypoints = -1;
    segmentation_.kind = ej::SegmentationFields::Kind::none;
    numbers_.clear();
    ej::for_each_member(object, [&](od::raw_json_string key, od::value value) {
      if (key.unsafe_is_equal(kIdField)) {
        annotation.id = ej::read_integer(value, kIdField);
        fields.seen(kIdField);
      } else if (key.unsafe_is_equal(kImageIdField)) {
        image_id = ej::read_integer(value, kImageIdField);
        fields.seen(kImageIdField);
      } else if (key.unsafe_is_equal(kCategoryIdField)) {
        category_id = ej::read_integer(value, kCategoryIdField);
        fields.seen(kCategoryIdField);
      } else if (key.unsafe_is_equal("bbox")) {
        has_box = ej::read_box(value, annotation.xywh);
      } else if (key.unsafe_is_equal("area")) {
        area = ej::read_number(value, "area");
      } else if (key.unsafe_is_equal("iscrowd")) {
        annotation.crowd = ej::read_flag(value, "iscrowd");
      } else if (key.unsafe_is_equal("ignore") || key.unsafe_is_equal("difficult")) {
        annotation.ignore = ej::read_flag(value, "ignore") || annotation.ignore;
      } else if (key.unsafe_is_equal("num_keypoints")) {
        num_keypoints = static_cast<int>(std::min<std::int64_t>(ej::read_integer(value, "num_keypoints"), 1 << 20));
      } else if (parts_.keypoints && key.unsafe_is_equal("keypoints")) {
        ej::read_numbers(value, "keypoints", numbers_);
      } else if (parts_.segmentations && key.unsafe_is_equal("segmentation")) {
        ej::read_segmentation(value, segmentation_);
      }
    });
    fields.demand({kIdField, kImageIdField, kCategoryIdField});
    if (!has_box) truth_problem("has no bbox");
    place(annotation, image_id, category_id);
    annotation.area = area == area ? area : annotation.xywh[2] * annotation.xywh[3];
    take_keypoints(annotation, num_keypoints);
    if (parts_.segmentations) take_segmentation(annotation);
    truth_.annotations_.push_back(annotation);
  }

  void place(GroundTruthAnnotation& annotation, std::int64_t image_id, std::int64_t category_id) const {
    const int image = truth_.find_image(image_id);
    if (image < 0) truth_problem("image_id {} is not among the {} images of the file", image_id, truth_.images_.size());
    const int category = truth_.find_category(category_id);
    if (category < 0) {
      truth_problem("category_id {} is not among the {} categories of the file", category_id,
                    truth_.category_ids_.size());
    }
    annotation.image = static_cast<std::uint32_t>(image);
    annotation.category = category;
  }

  void take_keypoints(GroundTruthAnnotation& annotation, int num_keypoints) {
    if (numbers_.size() % 3 != 0) {
      truth_problem("keypoints must be (x, y, visibility) of each, got {} numbers", numbers_.size());
    }
    int visible = 0;
    for (std::size_t i = 2; i < numbers_.size(); i += 3) visible += numbers_[i] > 0;
    annotation.num_keypoints = num_keypoints >= 0 ? num_keypoints : visible;
    annotation.keypoints_begin = static_cast<std::uint32_t>(truth_.keypoints_.size());
    annotation.keypoint_count = static_cast<std::uint32_t>(numbers_.size() / 3);
    truth_.keypoints_.insert(truth_.keypoints_.end(), numbers_.begin(), numbers_.end());
  }

  void take_segmentation(GroundTruthAnnotation& annotation) {
    const GroundTruthImage& image = truth_.images_[annotation.image];
    Segmentation segmentation;
    if (segmentation_.kind == ej::SegmentationFields::Kind::polygons) {
      segmentation = segmentation_.polygons;
    } else if (segmentation_.kind != ej::SegmentationFields::Kind::none) {
      Rle rle;
      ej::unpack_rle(segmentation_, rle);
      if (image.height > 0 && (rle.height != image.height || rle.width != image.width)) {
        truth_problem("segmentation size is {} x {}, its image is {} x {} (height x width)", rle.height, rle.width,
                      image.height, image.width);
      }
      segmentation = std::move(rle);
    }
    annotation.table_row = static_cast<std::uint32_t>(truth_.table_.size());
    truth_.table_.add(AnnotationRow(), segmentation, {});
  }

  void check_unique_ids() const {
    if (truth_.name_.find("minival") != std::string::npos) return;  // the popular valminusminival files repeat ids
    std::vector<std::int64_t> ids;
    ids.reserve(truth_.annotations_.size());
    for (const GroundTruthAnnotation& annotation : truth_.annotations_) ids.push_back(annotation.id);
    std::sort(ids.begin(), ids.end());
    const auto twice = std::adjacent_find(ids.begin(), ids.end());
    if (twice != ids.end()) fail<DataError>("{}: annotation {}: the id is used twice", where_, *twice);
  }

  // Annotations by image, then category, then place in the file.
  void arrange() {
    std::stable_sort(truth_.annotations_.begin(), truth_.annotations_.end(),
                     [](const GroundTruthAnnotation& a, const GroundTruthAnnotation& b) {
                       return a.image != b.image ? a.image < b.image : a.category < b.category;
                     });
    truth_.annotations_.shrink_to_fit();
    truth_.table_.shrink_to_fit();
    for (const GroundTruthAnnotation& annotation : truth_.annotations_) {
      ++truth_.images_[annotation.image].annotation_count;
    }
    std::uint32_t begin = 0;
    for (GroundTruthImage& image : truth_.images_) {
      image.first_annotation = begin;
      begin += image.annotation_count;
    }
  }

  std::string where_;
  GroundTruthParts parts_;
  std::string text_;
  CocoGroundTruth truth_;
  std::map<std::string, std::string_view> sections_;
  od::parser parser_;
  ej::SegmentationFields segmentation_;
  std::vector<double> numbers_;
};

CocoGroundTruth CocoGroundTruth::parse(std::string_view json, const std::string& name, const GroundTruthParts& parts) {
  return GroundTruthReader(json, name, parts).read();
}

CocoGroundTruth CocoGroundTruth::read(const std::string& path, const GroundTruthParts& parts) {
  return GroundTruthReader(TextInput(path, "ground truth: " + path).read_all(), path, parts).read();
}

}  // namespace fastermask
