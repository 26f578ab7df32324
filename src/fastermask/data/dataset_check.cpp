#include "fastermask/data/dataset_check.h"

#include <map>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/data/annotation_check.h"
#include "fastermask/data/image_check.h"
#include "fastermask/data/json_scan.h"

namespace fastermask {
namespace {

// Checks the sections of one file and keeps what a repaired file would hold.
class DatasetChecker {
 public:
  DatasetChecker(const DatasetLocation& location, const CheckOptions& options, const std::vector<CheckReport>& earlier)
      : location_(location), options_(options), earlier_(earlier) {}

  CheckReport check() {
    report_.name = location_.name;
    try {
      const MappedFile file(location_.annotation_file);
      check_file(file.view());
    } catch (const Error& error) {
      DataProblem problem;
      problem.kind = ProblemKind::broken_json;
      problem.file = location_.annotation_file;
      problem.message = error.what();
      report_.problems.push_back(std::move(problem));
      report_.repaired_json.clear();
    }
    return std::move(report_);
  }

 private:
  void check_file(std::string_view text) {
    json::Scanner scanner(text, "coco: " + location_.annotation_file);
    const auto members = scanner.members();
    for (const char* section : {"categories", "images", "annotations"}) {
      for (const auto& [key, value] : members) {
        if (key != section) continue;
        if (value.front() != '[') fail<DataError>("coco: {}: \"{}\" must be a list", location_.annotation_file, key);
        scanner.enter_array(value);
        std::string_view element;
        while (scanner.next_element(element)) elements_[key].push_back(element);
      }
      if (elements_[section].empty() && std::string(section) != "annotations") {
        fail<DataError>("coco: {}: \"{}\" is missing or empty", location_.annotation_file, section);
      }
    }
    const CategoryTable categories = check_categories(location_, elements_["categories"], text, report_);
    ImageTable images = check_images({location_, options_, earlier_}, elements_["images"], text, report_);
    repaired_["images"] = repaired_images(elements_["images"], images, report_.repair);
    repaired_["annotations"] =
        check_annotations(location_, options_, elements_["annotations"], text, categories, images, report_);
    if (options_.repair) write_repaired(members);
  }

  void write_repaired(const std::vector<std::pair<std::string, std::string_view>>& members) {
    std::string& out = report_.repaired_json;
    out = "{";
    for (const auto& [key, value] : members) {
      if (out.size() > 1) out += ",";
      out += "\n\"" + key + "\": ";
      const auto repaired = repaired_.find(key);
      if (repaired == repaired_.end()) {
        out += value;
        continue;
      }
      out += "[";
      const char* separator = "\n";
      for (const std::string& element : repaired->second) {
        out += separator + element;
        separator = ",\n";
      }
      out += "\n]";
    }
    out += "\n}\n";
  }

  const DatasetLocation& location_;
  const CheckOptions& options_;
  const std::vector<CheckReport>& earlier_;
  CheckReport report_;
  std::map<std::string, std::vector<std::string_view>> elements_;  // by section
  std::map<std::string, std::vector<std::string>> repaired_;       // by section
};

}  // namespace

const char* problem_name(ProblemKind kind) {
  static const char* const names[] = {"broken_json",
                                      "malformed_image",
                                      "malformed_annotation",
                                      "malformed_category",
                                      "duplicate_image_id",
                                      "duplicate_annotation_id",
                                      "duplicate_category_id",
                                      "missing_image",
                                      "unreadable_image",
                                      "size_mismatch",
                                      "exif_rotated",
                                      "repeated_image",
                                      "image_in_two_sets",
                                      "unknown_image",
                                      "unknown_category",
                                      "empty_box",
                                      "box_outside",
                                      "short_polygon",
                                      "polygon_outside",
                                      "crossing_polygon",
                                      "bad_rle",
                                      "bad_mask_file"};
  return names[static_cast<int>(kind)];
}

bool is_error(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::repeated_image:
    case ProblemKind::image_in_two_sets:
    case ProblemKind::box_outside:
    case ProblemKind::polygon_outside:
    case ProblemKind::crossing_polygon: return false;
    default: return true;
  }
}

CheckReport check_dataset(const DatasetLocation& location, const CheckOptions& options,
                          const std::vector<CheckReport>& earlier) {
  return DatasetChecker(location, options, earlier).check();
}

}  // namespace fastermask
