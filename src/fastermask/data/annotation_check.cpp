#include "fastermask/data/annotation_check.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/data/coco_fields.h"
#include "fastermask/data/image_codecs.h"
#include "fastermask/data/mask_files.h"
#include "fastermask/data/polygon_check.h"
#include "fastermask/data/polygon_clip.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kTolerance = 1;  // pixels over the edge that annotation tools produce by rounding
constexpr double kEmptySide = 1e-5;

bool outside_by(const Box& box, ImageSize size, double margin) {
  return box.x1 < -margin || box.y1 < -margin || box.x2 > size.width + margin || box.y2 > size.height + margin;
}

// A point of the stored picture in the upright one; `size` is the stored size.
std::pair<double, double> upright_point(int orientation, ImageSize size, double x, double y) {
  switch (orientation) {
    case 5: return {y, x};
    case 6: return {size.height - y, x};
    case 7: return {size.height - y, size.width - x};
    default: return {y, size.width - x};
  }
}

Rle upright_rle(int orientation, const Rle& rle) {
  const BitMask mask = rle_decode(rle);
  Image image(mask.height, mask.width, 1);
  image.pixels.assign(mask.pixels.begin(), mask.pixels.end());
  const Image turned = codec::orient(std::move(image), orientation);
  BitMask out(turned.height, turned.width);
  out.pixels.assign(turned.pixels.begin(), turned.pixels.end());
  return rle_encode(out);
}

// Checks one annotation after another.
class AnnotationChecker {
 public:
  AnnotationChecker(const DatasetLocation& location, const CheckOptions& options, std::string_view text,
                    const CategoryTable& categories, const ImageTable& images, CheckReport& report)
      : location_(location),
        options_(options),
        text_(text),
        categories_(categories),
        images_(images),
        report_(report),
        masks_(location) {
    for (const ImageFinding& image : images.images) {
      if (image.removed) removed_images_.insert(image.id);
    }
  }

  // Adds the repaired element, if there is one, to `out`.
  void check(std::string_view element, std::size_t number, std::vector<std::string>& out) {
    const std::size_t readable = static_cast<std::size_t>(text_.data() + text_.size() - element.data());
    removed_ = false;
    edits_ = Json();
    mask_.reset();
    image_ = nullptr;
    id_ = parser_.find_integer(element, readable, "id").value_or(-1);
    image_id_ = parser_.find_integer(element, readable, "image_id").value_or(-1);
    try {
      try {
        parser_.annotation(element, readable, fields_);
      } catch (const coco::MaskFileFound&) {
        const std::string with_mask = put_mask_in(element);
        parser_.annotation(with_mask, with_mask.size(), fields_);
      }
      check_fields();
    } catch (const coco::FieldProblem& problem) {
      const bool mask = starts_with(problem.what(), "segmentation");
      add(mask ? ProblemKind::bad_rle : ProblemKind::malformed_annotation,
          fmt::format("annotations[{}]: {}", number, problem.what()), "remove the annotation");
      removed_ = true;
    } catch (const BadMaskFile& problem) {
      remove(ProblemKind::bad_mask_file, problem.what());
    }
    RepairSummary& summary = report_.repair;
    if (!removed_ && image_ != nullptr && image_->left_out) {
      removed_ = true;
      summary.removed_with_image.push_back(id_);
    }
    if (removed_) {
      ++summary.annotations_removed;
      return;
    }
    ++summary.annotations_kept;
    if (edits_.empty()) {
      out.emplace_back(element);
      return;
    }
    ++summary.annotations_changed;
    Json repaired = Json::parse(element);
    repaired.update(edits_);
    out.push_back(repaired.dump());
  }

  void set_next_id(std::int64_t id) { next_id_ = id; }

 private:
  class BadMaskFile : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
  };

  // The annotation with RLE in place of the name of its PNG; without a mask when its image is not listed.
  std::string put_mask_in(std::string_view element) {
    Json annotation = Json::parse(element, nullptr, false);
    if (annotation.is_discarded()) throw coco::FieldProblem("is broken JSON");
    const auto image = images_.index_of.find(image_id_);
    const std::string segmentation = annotation["segmentation"].dump();
    annotation["segmentation"] = nullptr;
    if (image == images_.index_of.end() || images_.images[image->second].removed) return annotation.dump();
    image_ = &images_.images[image->second];
    try {
      const Rle mask = masks_.read(segmentation, frame());
      annotation["segmentation"] = {{"size", {mask.height, mask.width}}, {"counts", rle_to_string(mask)}};
    } catch (const DataError& error) {
      throw BadMaskFile(error.what());
    }
    return annotation.dump();
  }

  void add(ProblemKind kind, std::string message, std::string repair) {
    DataProblem problem;
    problem.kind = kind;
    problem.file = image_ == nullptr ? location_.annotation_file : image_->file;
    problem.image_id = image_id_;
    problem.annotation_id = id_;
    problem.message = std::move(message);
    problem.repair = std::move(repair);
    report_.problems.push_back(std::move(problem));
  }

  void remove(ProblemKind kind, std::string message) {
    add(kind, std::move(message), "remove the annotation");
    removed_ = true;
  }

  void check_fields() {
    const auto image = images_.index_of.find(fields_.image_id);
    const bool listed = image != images_.index_of.end();
    if (listed ? images_.images[image->second].removed : removed_images_.count(fields_.image_id) > 0) {
      removed_ = true;  // reported with its image
      report_.repair.removed_with_image.push_back(fields_.id);
      return;
    }
    if (!listed) {
      remove(ProblemKind::unknown_image, fmt::format("image_id {} is not among the images", image_id_));
      return;
    }
    image_ = &images_.images[image->second];
    if (categories_.count(fields_.category_id) == 0) {
      remove(ProblemKind::unknown_category,
             fmt::format("category_id {} is not among the categories", fields_.category_id));
      return;
    }
    if (!ids_.insert(fields_.id).second) {
      add(ProblemKind::duplicate_annotation_id, "the id is used twice", fmt::format("give it the id {}", next_id_));
      edits_["id"] = next_id_++;
    }
    check_segmentation();
    if (!removed_) check_box();
    if (!removed_ && image_->turned != 0) turn_upright();
  }

  // The frame that the coordinates are in.
  ImageSize frame() const { return image_->turned != 0 ? image_->json_size : image_->true_size; }

  void check_segmentation() {
    if (const Rle* rle = std::get_if<Rle>(&fields_.segmentation)) {
      const ImageSize size = frame();
      if (rle->height != size.height || rle->width != size.width) {
        remove(ProblemKind::bad_rle, fmt::format("the RLE is {}x{} (width x height), the picture {}x{}", rle->width,
                                                 rle->height, size.width, size.height));
      }
      return;
    }
    if (fields_.dropped_polygons > 0) {
      const std::string message =
          fmt::format("{} of its polygons have fewer than 6 numbers or an odd count", fields_.dropped_polygons);
      if (fields_.lost_polygons) {
        remove(ProblemKind::short_polygon, message + "; none is left");
        return;
      }
      add(ProblemKind::short_polygon, message, "remove these polygons");
    }
    auto* polygons = std::get_if<Polygons>(&fields_.segmentation);
    if (polygons == nullptr) return;
    check_polygons(*polygons);
    if (removed_) return;
    if (mask_) {
      fields_.segmentation = *mask_;
    } else if (fields_.dropped_polygons > 0 || clipped_) {
      edits_["segmentation"] = *polygons;
    }
  }

  void check_polygons(Polygons& polygons) {
    clipped_ = false;
    const ImageSize size = frame();
    const auto crossing = std::count_if(polygons.begin(), polygons.end(), crosses_itself);
    if (crossing > 0) {
      add(ProblemKind::crossing_polygon, fmt::format("{} of its polygons cross themselves", crossing),
          "write its mask as RLE, of the very pixels that COCO's tools fill");
    }
    const bool outside = outside_by(polygons_bounding_box(polygons), size, kTolerance);
    Polygons inside;
    if (outside) {
      for (const Polygon& polygon : polygons) {
        for (Polygon& part : clip_polygon(polygon, size.width, size.height)) inside.push_back(std::move(part));
      }
      if (inside.empty()) {
        remove(ProblemKind::polygon_outside, "its polygons lie wholly outside the picture");
        return;
      }
      add(ProblemKind::polygon_outside, "its polygons reach over the edge of the picture", "cut them at the edge");
    }
    if (options_.errors_only || (crossing == 0 && !outside)) return;
    const Rle mask = polygons_to_rle(polygons, size.height, size.width);
    if (fields_.area && rle_area(mask) > 0) edits_["area"] = rle_area(mask);
    if (crossing == 0 || rle_area(mask) == 0) {
      if (outside) polygons = std::move(inside);
      clipped_ = outside;
      return;
    }
    edits_["segmentation"] = {{"size", {mask.height, mask.width}}, {"counts", rle_to_string(mask)}};
    mask_ = mask;
  }

  void check_box() {
    const auto& xywh = fields_.bbox_xywh;
    const ImageSize size = frame();
    const Box box = {static_cast<float>(xywh[0]), static_cast<float>(xywh[1]), static_cast<float>(xywh[0] + xywh[2]),
                     static_cast<float>(xywh[1] + xywh[3])};
    const Box inside = clip(box, size);
    const std::string numbers = fmt::format("bbox ({:g}, {:g}, {:g}, {:g})", xywh[0], xywh[1], xywh[2], xywh[3]);
    if (!(xywh[2] > kEmptySide && xywh[3] > kEmptySide && inside.width() > kEmptySide &&
          inside.height() > kEmptySide)) {
      const std::optional<Box> around = box_of_mask();
      if (!around) {
        remove(ProblemKind::empty_box,
               fmt::format("{} is empty or outside the picture of {}x{}", numbers, size.width, size.height));
        return;
      }
      add(ProblemKind::empty_box, numbers + " is empty or outside the picture", "take the box of its mask");
      set_box(*around);
      return;
    }
    if (!outside_by(box, size, kTolerance)) return;
    add(ProblemKind::box_outside,
        fmt::format("{} reaches over the edge of the picture of {}x{}", numbers, size.width, size.height),
        "cut it at the edge");
    if (!options_.errors_only) set_box(inside);
  }

  // The box of the annotation's mask inside the picture; nothing when it has no mask or an empty one.
  std::optional<Box> box_of_mask() const {
    Box box;
    if (const auto* polygons = std::get_if<Polygons>(&fields_.segmentation)) {
      box = clip(polygons_bounding_box(*polygons), frame());
    } else if (const Rle* rle = std::get_if<Rle>(&fields_.segmentation)) {
      const auto xywh = rle_to_xywh(*rle);
      box = {static_cast<float>(xywh[0]), static_cast<float>(xywh[1]), static_cast<float>(xywh[0] + xywh[2]),
             static_cast<float>(xywh[1] + xywh[3])};
    }
    if (box.width() > kEmptySide && box.height() > kEmptySide) return box;
    return std::nullopt;
  }

  void set_box(const Box& box) {
    fields_.bbox_xywh = {box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1};
    edits_["bbox"] = fields_.bbox_xywh;
  }

  void turn_upright() {
    const ImageSize size = image_->json_size;
    const auto& xywh = fields_.bbox_xywh;
    auto [x1, y1] = upright_point(image_->turned, size, xywh[0], xywh[1]);
    auto [x2, y2] = upright_point(image_->turned, size, xywh[0] + xywh[2], xywh[1] + xywh[3]);
    if (x1 > x2) std::swap(x1, x2);
    if (y1 > y2) std::swap(y1, y2);
    edits_["bbox"] = {x1, y1, x2 - x1, y2 - y1};
    if (auto* polygons = std::get_if<Polygons>(&fields_.segmentation)) {
      for (Polygon& polygon : *polygons) {
        for (std::size_t i = 0; i + 1 < polygon.size(); i += 2) {
          std::tie(polygon[i], polygon[i + 1]) = upright_point(image_->turned, size, polygon[i], polygon[i + 1]);
        }
      }
      edits_["segmentation"] = *polygons;
    } else if (const Rle* rle = std::get_if<Rle>(&fields_.segmentation)) {
      const Rle turned = upright_rle(image_->turned, *rle);
      edits_["segmentation"] = {{"size", {turned.height, turned.width}}, {"counts", rle_to_string(turned)}};
    }
    if (fields_.keypoints.empty()) return;
    Json keypoints = Json::array();
    for (const Keypoint& keypoint : fields_.keypoints) {
      const auto [x, y] = upright_point(image_->turned, size, keypoint.x + 0.5, keypoint.y + 0.5);
      const bool labelled = keypoint.visibility > 0;
      for (const double value : {labelled ? x - 0.5 : 0, labelled ? y - 0.5 : 0, double{keypoint.visibility}}) {
        keypoints.push_back(value);
      }
    }
    edits_["keypoints"] = keypoints;
  }

  const DatasetLocation& location_;
  const CheckOptions& options_;
  std::string_view text_;
  const CategoryTable& categories_;
  const ImageTable& images_;
  CheckReport& report_;
  MaskFileReader masks_;
  coco::ObjectParser parser_;
  coco::AnnotationFields fields_;
  const ImageFinding* image_ = nullptr;
  std::int64_t id_ = -1;
  std::int64_t image_id_ = -1;
  std::int64_t next_id_ = 1;
  std::unordered_set<std::int64_t> ids_;
  std::unordered_set<std::int64_t> removed_images_;
  Json edits_;
  std::optional<Rle> mask_;  // of crossing polygons: what takes their place
  bool removed_ = false;
  bool clipped_ = false;
};

}  // namespace

CategoryTable check_categories(const DatasetLocation& location, const std::vector<std::string_view>& elements,
                               std::string_view text, CheckReport& report) {
  CategoryTable ids;
  coco::ObjectParser parser;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::size_t readable = static_cast<std::size_t>(text.data() + text.size() - elements[i].data());
    DataProblem problem;
    problem.file = location.annotation_file;
    try {
      if (ids.insert(parser.category(elements[i], readable).id).second) continue;
      problem.kind = ProblemKind::duplicate_category_id;
      problem.message = fmt::format("categories[{}]: the id is used twice", i);
    } catch (const coco::FieldProblem& error) {
      problem.kind = ProblemKind::malformed_category;
      problem.message = fmt::format("categories[{}]: {}", i, error.what());
    }
    report.problems.push_back(std::move(problem));
  }
  return ids;
}

std::vector<std::string> check_annotations(const DatasetLocation& location, const CheckOptions& options,
                                           const std::vector<std::string_view>& elements, std::string_view text,
                                           const CategoryTable& categories, const ImageTable& images,
                                           CheckReport& report) {
  report.annotations = static_cast<std::int64_t>(elements.size());
  AnnotationChecker checker(location, options, text, categories, images, report);
  coco::ObjectParser parser;
  std::int64_t largest_id = 0;
  for (const std::string_view element : elements) {
    const std::size_t readable = static_cast<std::size_t>(text.data() + text.size() - element.data());
    largest_id = std::max(largest_id, parser.find_integer(element, readable, "id").value_or(0));
  }
  checker.set_next_id(largest_id + 1);
  std::vector<std::string> repaired;
  for (std::size_t i = 0; i < elements.size(); ++i) checker.check(elements[i], i, repaired);
  return repaired;
}

}  // namespace fastermask
