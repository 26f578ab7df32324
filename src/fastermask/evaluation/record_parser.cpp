#include "fastermask/evaluation/record_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

namespace ej = evaluation_json;
namespace od = simdjson::ondemand;

template <class... Args>
[[noreturn]] void record_problem(fmt::format_string<Args...> format, Args&&... args) {
  throw ej::ValueProblem(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace

void RecordParser::parse(od::object object, DetectionRecord& record) {
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  bool has_image = false;
  bool has_category = false;
  bool has_score = false;
  segmentation_.kind = ej::SegmentationFields::Kind::none;
  keypoints_.clear();
  ej::for_each_member(object, [&](od::raw_json_string key, od::value value) {
    if (key.unsafe_is_equal("image_id")) {
      image_id = ej::read_integer(value, "image_id");
      has_image = true;
    } else if (key.unsafe_is_equal("category_id")) {
      category_id = ej::read_integer(value, "category_id");
      has_category = true;
    } else if (key.unsafe_is_equal("score")) {
      record.score = ej::read_number(value, "score");
      has_score = true;
    } else if (key.unsafe_is_equal("bbox")) {
      record.has_box = ej::read_box(value, record.xywh);
    } else if (key.unsafe_is_equal("segmentation")) {
      // Fields are read as they come: a mask before the box is read in case there is no box.
      if (type_ == IouType::segm || !record.has_box) ej::read_segmentation(value, segmentation_);
    } else if (key.unsafe_is_equal("keypoints")) {
      if (type_ == IouType::keypoints || !record.has_box) ej::read_numbers(value, "keypoints", keypoints_);
    }
  });
  if (!has_image) record_problem("has no image_id");
  if (!has_category) record_problem("has no category_id");
  if (!has_score) record_problem("has no score");
  place(image_id, category_id, record);
  take_mask(type_ == IouType::segm || (type_ == IouType::bbox && !record.has_box),
            truth_.images()[static_cast<std::size_t>(last_image_)], record);
  take_keypoints(type_ == IouType::keypoints, record);
  if (type_ == IouType::bbox && !record.has_box) record_problem("has no bbox");
}

void RecordParser::place(std::int64_t image_id, std::int64_t category_id, DetectionRecord& record) {
  if (last_image_ < 0 || image_id != last_image_id_) {
    last_image_ = truth_.find_image(image_id);
    last_image_id_ = image_id;
  }
  if (last_image_ < 0) {
    record_problem("image_id {} is not among the {} images of {}", image_id, truth_.images().size(), truth_.name());
  }
  record.image_id = image_id;
  record.category = truth_.find_category(category_id);
  if (record.category < 0) {
    record_problem("category_id {} is not among the {} categories of {}", category_id, truth_.category_ids().size(),
                   truth_.name());
  }
}

void RecordParser::take_mask(bool needed, const GroundTruthImage& image, DetectionRecord& record) {
  if (!needed) return;
  if (segmentation_.kind == ej::SegmentationFields::Kind::none) {
    if (type_ == IouType::segm) record_problem("has no segmentation; evaluate its boxes with --task bbox");
    return;
  }
  if (segmentation_.kind == ej::SegmentationFields::Kind::polygons) {
    if (image.height <= 0 || image.width <= 0) {
      record_problem("its image has no height and width in {}, which drawing polygons needs", truth_.name());
    }
    record.mask = ej::draw_polygons(segmentation_.polygons, image.height, image.width);
  } else {
    const bool fits = image.height <= 0 || (segmentation_.height == image.height && segmentation_.width == image.width);
    if (!fits) {
      record_problem("segmentation size is {} x {}, image {} is {} x {} (height x width)", segmentation_.height,
                     segmentation_.width, image.id, image.height, image.width);
    }
    ej::unpack_rle(segmentation_, record.mask);
  }
  if (type_ == IouType::bbox) {  // as pycocotools' loadRes: the box around the mask
    record.xywh = rle_to_xywh(record.mask);
    record.has_box = true;
  }
}

void RecordParser::take_keypoints(bool needed, DetectionRecord& record) {
  if (needed && keypoints_.empty()) record_problem("has no keypoints");
  if (keypoints_.size() % 3 != 0) {
    record_problem("keypoints must be (x, y, score) of each, got {} numbers", keypoints_.size());
  }
  if (needed) {
    record.keypoints = keypoints_;
  } else if (type_ == IouType::bbox && !record.has_box && !keypoints_.empty()) {  // loadRes again
    double x0 = keypoints_[0], x1 = keypoints_[0], y0 = keypoints_[1], y1 = keypoints_[1];
    for (std::size_t i = 3; i < keypoints_.size(); i += 3) {
      x0 = std::min(x0, keypoints_[i]);
      x1 = std::max(x1, keypoints_[i]);
      y0 = std::min(y0, keypoints_[i + 1]);
      y1 = std::max(y1, keypoints_[i + 1]);
    }
    record.xywh = {x0, y0, x1 - x0, y1 - y0};
    record.has_box = true;
  }
}

}  // namespace fastermask
