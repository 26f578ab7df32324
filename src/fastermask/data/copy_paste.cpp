#include "fastermask/data/copy_paste.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/data/pasting_mapper.h"
#include "fastermask/data/polygon_clip.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

// The mask cut to the part of its picture that `frame` has too; monostate when nothing is left.
Segmentation cut_to_frame(const Segmentation& mask, ImageSize size, ImageSize frame) {
  const ImageSize both{std::min(size.height, frame.height), std::min(size.width, frame.width)};
  if (const auto* rle = std::get_if<Rle>(&mask)) {
    Rle cut = rle_pad(rle_crop(*rle, 0, 0, both.height, both.width), 0, 0, frame.height, frame.width);
    if (rle_area(cut) == 0) return {};
    return cut;
  }
  Polygons parts;
  if (const auto* polygons = std::get_if<Polygons>(&mask)) {
    for (const Polygon& polygon : *polygons) {
      for (Polygon& part : clip_polygon(polygon, both.width, both.height)) parts.push_back(std::move(part));
    }
  }
  if (parts.empty()) return {};
  return parts;
}

Rle pixels_of(const Segmentation& mask, ImageSize frame) {
  if (const auto* rle = std::get_if<Rle>(&mask)) return *rle;
  return polygons_to_rle(std::get<Polygons>(mask), frame.height, frame.width);
}

// Random ones of `count` instances, at least one and at most spec.max_instances, in rising order.
std::vector<std::size_t> choose_pasted(const CopyPasteSpec& spec, std::size_t count, Random& random) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < count; ++i) {
    if (random.bernoulli(spec.instance_prob)) chosen.push_back(i);
  }
  if (chosen.empty() && count > 0) {
    chosen.push_back(static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(count))));
  }
  if (chosen.size() <= static_cast<std::size_t>(spec.max_instances)) return chosen;
  std::vector<std::size_t> fewer;
  for (const std::int64_t place : random.sample(static_cast<std::int64_t>(chosen.size()), spec.max_instances)) {
    fewer.push_back(chosen[static_cast<std::size_t>(place)]);
  }
  std::sort(fewer.begin(), fewer.end());
  return fewer;
}

void copy_pixels(const Rle& mask, const Image& from, Image& to) {
  const std::size_t height = static_cast<std::size_t>(mask.height);
  const std::size_t channels = static_cast<std::size_t>(to.channels);
  for_each_run(mask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t position = begin; position < end; ++position) {
      const int y = static_cast<int>(position % height);
      const std::size_t at = position / height * channels;
      std::copy(from.row(y) + at, from.row(y) + at + channels, to.row(y) + at);
    }
  });
}

bool pixel_is_set(const BitMask& mask, const Keypoint& keypoint) {
  const int x = static_cast<int>(keypoint.x);
  const int y = static_cast<int>(keypoint.y);
  return keypoint.x >= 0 && keypoint.y >= 0 && x < mask.width && y < mask.height && mask.row(y)[x] != 0;
}

bool boxes_touch(const Box& a, const Box& b) { return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2; }

// Takes the pixels of `cover` from one instance. False when it is to be dropped.
bool uncover(const CopyPasteSpec& spec, const Rle& cover, const Box& cover_box, Segmentation& mask, Box& box) {
  const ImageSize frame{cover.height, cover.width};
  if (std::holds_alternative<std::monostate>(mask)) {
    const std::array<double, 4> xywh = {box.x1, box.y1, box.width(), box.height()};
    const Rle pixels = box_to_rle(xywh, frame.height, frame.width);
    return rle_area(pixels) == 0 || rle_area(rle_subtract(pixels, cover)) > 0;
  }
  if (!boxes_touch(box_of_mask(mask), cover_box)) return true;
  const Rle pixels = pixels_of(mask, frame);
  Rle visible = rle_subtract(pixels, cover);
  const std::uint64_t area = rle_area(visible);
  if (area == rle_area(pixels)) return true;
  if (area < static_cast<std::uint64_t>(spec.min_area)) return false;
  mask = std::move(visible);
  box = box_of_mask(mask);
  return true;
}

// What is left of the instances under `cover`.
GroundTruth uncovered(const CopyPasteSpec& spec, const Rle& cover, GroundTruth truth) {
  const Box cover_box = box_of_mask(cover);
  const BitMask covered = truth.keypoints.empty() ? BitMask() : rle_decode(cover);
  GroundTruth left;
  for (std::size_t g = 0; g < truth.size(); ++g) {
    if (!uncover(spec, cover, cover_box, truth.masks[g], truth.boxes[g])) continue;
    left.boxes.push_back(truth.boxes[g]);
    left.classes.push_back(truth.classes[g]);
    left.masks.push_back(std::move(truth.masks[g]));
    if (truth.keypoints.empty()) continue;
    for (Keypoint& keypoint : truth.keypoints[g]) {
      if (keypoint.visibility > 1 && pixel_is_set(covered, keypoint)) keypoint.visibility = 1;
    }
    left.keypoints.push_back(std::move(truth.keypoints[g]));
  }
  return left;
}

// Keypoints beyond the frame are hidden, as the mapper does it.
std::vector<Keypoint> keypoints_in_frame(std::vector<Keypoint> keypoints, ImageSize frame) {
  for (Keypoint& keypoint : keypoints) {
    const bool inside = keypoint.x <= static_cast<float>(frame.width) && keypoint.y <= static_cast<float>(frame.height);
    if (!inside) keypoint = Keypoint();
  }
  return keypoints;
}

}  // namespace

void paste_instances(const CopyPasteSpec& spec, PasteSource source, Random& random, Image& image, GroundTruth& truth) {
  FASTERMASK_CHECK(source.image.channels == image.channels, "copy-paste: pictures of {} and {} channels",
                   source.image.channels, image.channels);
  FASTERMASK_CHECK(source.truth.masks.size() == source.truth.size() && truth.masks.size() == truth.size(),
                   "copy-paste: the ground truth must have masks");
  const ImageSize frame = image.size();
  std::vector<std::size_t> instances;  // of the source, those that reach into the frame
  std::vector<Segmentation> masks;     // theirs, in the frame
  for (std::size_t g = 0; g < source.truth.size(); ++g) {
    Segmentation cut = cut_to_frame(source.truth.masks[g], source.image.size(), frame);
    if (std::holds_alternative<std::monostate>(cut)) continue;
    instances.push_back(g);
    masks.push_back(std::move(cut));
  }
  std::vector<std::size_t> pasted;
  std::vector<Rle> pixels;
  for (const std::size_t i : choose_pasted(spec, instances.size(), random)) {
    Rle rle = pixels_of(masks[i], frame);
    if (rle_area(rle) < static_cast<std::uint64_t>(spec.min_area)) continue;
    pasted.push_back(i);
    pixels.push_back(std::move(rle));
  }
  if (pasted.empty()) return;
  const Rle cover = rle_merge(pixels);
  copy_pixels(cover, source.image, image);
  truth = uncovered(spec, cover, std::move(truth));
  for (const std::size_t i : pasted) {
    const std::size_t g = instances[i];
    truth.boxes.push_back(box_of_mask(masks[i]));
    truth.classes.push_back(source.truth.classes[g]);
    truth.masks.push_back(std::move(masks[i]));
    if (!source.truth.keypoints.empty()) {
      truth.keypoints.push_back(keypoints_in_frame(std::move(source.truth.keypoints[g]), frame));
    }
  }
}

}  // namespace fastermask
