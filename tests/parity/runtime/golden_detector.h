// Whole-model inference of the reference's small models, by any executor: from its recorded input to detections in the
// original picture.
#pragma once

#include "fastermask/runtime/detector.h"

#include <cmath>
#include <limits>

#include "fastermask/kernels/rle.h"
#include "parity/runtime/golden_model.h"

namespace fastermask::golden_detector {

using golden_model::WorstErrors;

inline const ImageSize kOriginalSizes[] = {{427, 640}, {600, 512}};  // of rocket.jpg and grace_hopper.jpg

inline Boxes boxes_of(const NDArray& array) {
  const std::vector<float> values = array.to_floats();
  Boxes boxes;
  for (std::size_t i = 0; i + 3 < values.size(); i += 4) {
    boxes.push_back({values[i], values[i + 1], values[i + 2], values[i + 3]});
  }
  return boxes;
}

inline double box_difference(const Box& a, const Box& b) {
  return std::max({std::abs(a.x1 - b.x1), std::abs(a.y1 - b.y1), std::abs(a.x2 - b.x2), std::abs(a.y2 - b.y2)});
}

// The reference's recorded input as a batch.
inline Batch recorded_batch(const NamedArrays& golden) {
  const NDArray& images = golden.at("image_tensor");
  const std::vector<float> planes = images.to_floats();
  const auto channels = static_cast<std::size_t>(images.shape[1]);
  const auto pixels = static_cast<std::size_t>(images.shape[2] * images.shape[3]);
  Batch batch;
  batch.height = static_cast<int>(images.shape[2]);
  batch.width = static_cast<int>(images.shape[3]);
  batch.images.resize(planes.size());
  for (std::size_t i = 0; i < planes.size(); ++i) {
    const std::size_t plane = i / pixels, image = plane / channels;
    batch.images[(image * pixels + i % pixels) * channels + plane % channels] = planes[i];
  }
  const std::vector<std::int64_t> sizes = golden.at("image_sizes").to_integers();
  for (std::size_t i = 0; i < sizes.size(); i += 2) {
    batch.image_sizes.push_back({static_cast<int>(sizes[i]), static_cast<int>(sizes[i + 1])});
  }
  return batch;
}

// Rows with a box, a score and (of detections) a class.
struct Rows {
  Boxes boxes;
  std::vector<float> scores;
  std::vector<std::int64_t> classes;  // empty: not compared
};

constexpr std::size_t kReplaced = std::numeric_limits<std::size_t>::max();

// [row of `got`] -> the row of `golden` that is the same box: its own, or the nearest, since near-equal scores may swap
// rows; kReplaced when there is none, since an overlap within rounding of the NMS threshold may keep another box.
// Records the boxes' and scores' errors, and how many rows moved or were replaced.
inline std::vector<std::size_t> match_rows(const std::string& what, const Rows& got, const Rows& golden, WorstErrors& worst) {
  EXPECT_EQ(got.boxes.size(), golden.boxes.size()) << what;
  std::vector<std::size_t> rows;
  double moved = 0, replaced = 0;
  for (std::size_t i = 0; i < got.boxes.size(); ++i) {
    const auto distance = [&](std::size_t row) {
      if (!got.classes.empty() && got.classes[i] != golden.classes[row]) return 1e9;
      return box_difference(got.boxes[i], golden.boxes[row]) + std::abs(got.scores[i] - golden.scores[row]);
    };
    std::size_t best = std::min(i, golden.boxes.size() - 1);
    if (distance(best) > 0.02) {
      for (std::size_t row = 0; row < golden.boxes.size(); ++row) {
        if (distance(row) < distance(best)) best = row;
      }
    }
    if (distance(best) > 0.02) {
      ++replaced;
      rows.push_back(kReplaced);
      continue;
    }
    moved += best != i;
    worst.add(what + " boxes px", box_difference(got.boxes[i], golden.boxes[best]), "row " + std::to_string(i));
    worst.add(what + " scores", std::abs(got.scores[i] - golden.scores[best]), "row " + std::to_string(i));
    if (!got.classes.empty()) {
      EXPECT_EQ(got.classes[i], golden.classes[best]) << what << " row " << i;
    }
    rows.push_back(best);
  }
  worst.add(what + " rows replaced", replaced, std::to_string(got.boxes.size()) + " rows");
  worst.add(what + " rows moved", moved, std::to_string(got.boxes.size()) + " rows");
  return rows;
}

// Largest difference over the largest value.
inline void compare_whole(const std::string& quantity, const std::string& name, const NDArray& got, const NDArray& golden,
                   WorstErrors& worst) {
  ASSERT_EQ(got.shape, golden.shape) << name;
  const std::vector<float> values = got.to_floats(), expected = golden.to_floats();
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    largest = std::max<double>(largest, std::abs(expected[i]));
    difference = std::max<double>(difference, std::abs(values[i] - expected[i]));
  }
  worst.add(quantity, difference / largest, name);
}

// Rows of two arrays, the first `count` from `got_start` on against the matched ones from `golden_start` on.
struct RowRange {
  std::size_t got_start = 0;
  std::size_t golden_start = 0;
};
inline void compare_rows(const std::string& quantity, const std::string& name, const NDArray& got, const NDArray& golden,
                  const std::vector<std::size_t>& rows, const RowRange& start, WorstErrors& worst) {
  const std::vector<float> values = got.to_floats(), expected = golden.to_floats();
  const auto columns = static_cast<std::size_t>(element_count(got.shape) / got.shape[0]);
  ASSERT_EQ(columns, static_cast<std::size_t>(element_count(golden.shape) / golden.shape[0])) << name;
  const auto limit = static_cast<std::size_t>(golden.shape[0]);
  double largest = 1e-9;
  for (const float value : expected) largest = std::max<double>(largest, std::abs(value));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == kReplaced || start.golden_start + rows[i] >= limit) continue;  // only the first rows were recorded
    const float* a = values.data() + (start.got_start + i) * columns;
    const float* b = expected.data() + (start.golden_start + rows[i]) * columns;
    double difference = 0;
    for (std::size_t c = 0; c < columns; ++c) difference = std::max<double>(difference, std::abs(a[c] - b[c]));
    worst.add(quantity, difference / largest, name + " row " + std::to_string(i));
  }
}

inline std::string suffix_of(std::size_t image) { return image == 0 ? "" : "." + std::to_string(image); }

inline void compare_dense(const NamedArrays& dump, const NamedArrays& golden, WorstErrors& worst) {
  for (const auto& [name, array] : golden) {
    if (name.rfind("feat.", 0) == 0) compare_whole("features", name, dump.at(name.substr(5)), array, worst);
    if (name.rfind("rpn.", 0) == 0) compare_whole("RPN outputs", name, dump.at(name), array, worst);
  }
}

// Proposals, and the box head's outputs for them.
inline void compare_proposals(const NamedArrays& dump, const NamedArrays& golden, std::size_t num_images, WorstErrors& worst) {
  std::size_t start = 0;
  for (std::size_t image = 0; image < num_images; ++image) {
    const std::string prefix = "proposals." + std::to_string(image);
    const Rows got{boxes_of(dump.at("proposals.boxes" + suffix_of(image))),
                   dump.at("proposals.logits" + suffix_of(image)).to_floats(),
                   {}};
    const Rows expected{boxes_of(golden.at(prefix + ".boxes")), golden.at(prefix + ".logits").to_floats(), {}};
    const std::vector<std::size_t> rows = match_rows("proposal", got, expected, worst);
    for (const std::string stage : {"", ".stage0", ".stage1", ".stage2"}) {
      if (golden.count("box.cls_logits" + stage) == 0) continue;
      compare_rows("class logits", stage, dump.at("box.logits" + stage), golden.at("box.cls_logits" + stage), rows,
                   {start, start}, worst);
      compare_rows("box deltas", stage, dump.at("box.deltas" + stage), golden.at("box.deltas" + stage), rows,
                   {start, start}, worst);
    }
    start += got.boxes.size();
  }
}

// Keypoints by their distance and score. The largest value of a map may be one of two that are nearly equal, far apart.
inline void compare_keypoints(const NDArray& got, const NDArray& golden, const std::vector<std::size_t>& rows,
                       std::size_t start, WorstErrors& worst) {
  const std::vector<float> values = got.to_floats(), expected = golden.to_floats();
  const auto columns = static_cast<std::size_t>(got.shape[1] * got.shape[2]);
  double jumped = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == kReplaced) continue;
    for (std::size_t c = 0; c < columns; c += 3) {
      const float* a = values.data() + (start + i) * columns + c;
      const float* b = expected.data() + rows[i] * columns + c;
      const std::string where = "row " + std::to_string(i) + " point " + std::to_string(c / 3);
      const double distance = std::hypot(a[0] - b[0], a[1] - b[1]);
      jumped += distance > 0.1;
      if (distance <= 0.1) worst.add("keypoints px", distance, where);
      worst.add("keypoint scores", std::abs(a[2] - b[2]), where);
    }
  }
  worst.add("keypoints that jumped", jumped, std::to_string(rows.size() * columns / 3) + " points");
}

inline void compare_detections(const NamedArrays& dump, const NamedArrays& golden, std::size_t num_images,
                        WorstErrors& worst) {
  std::size_t start = 0;
  for (std::size_t image = 0; image < num_images; ++image) {
    const std::string prefix = "det." + std::to_string(image);
    const std::string suffix = suffix_of(image);
    const Rows got{boxes_of(dump.at("detections.boxes" + suffix)), dump.at("detections.scores" + suffix).to_floats(),
                   dump.at("detections.classes" + suffix).to_integers()};
    const Rows expected{boxes_of(golden.at(prefix + ".boxes")), golden.at(prefix + ".scores").to_floats(),
                        golden.at(prefix + ".classes").to_integers()};
    const std::vector<std::size_t> rows = match_rows("detection", got, expected, worst);
    if (golden.count(prefix + ".masks28") > 0) {
      compare_rows("soft masks", prefix, dump.at("mask.soft"), golden.at(prefix + ".masks28"), rows, {start, 0}, worst);
    }
    if (golden.count(prefix + ".kp_heatmaps_first5") > 0) {
      compare_rows("heat maps", prefix, dump.at("keypoint.logits"), golden.at(prefix + ".kp_heatmaps_first5"), rows,
                   {start, 0}, worst);
      compare_keypoints(dump.at("keypoints"), golden.at(prefix + ".keypoints"), rows, start, worst);
    }
    start += got.boxes.size();
  }
}

// Pixels at which two masks differ, and of the larger.
struct MaskDifference {
  double pixels = 0;
  double area = 0;
};
inline MaskDifference mask_difference(const Rle& got, const Rle& expected) {
  const std::vector<Rle> both = {got, expected};
  const double overlap = static_cast<double>(rle_area(rle_merge(both, true)));
  return {static_cast<double>(rle_area(rle_merge(both))) - overlap,
          static_cast<double>(std::max(rle_area(got), rle_area(expected)))};
}

inline void compare_final(const Detections& got, const nlohmann::json& golden, WorstErrors& worst) {
  Rows expected;
  for (const auto& box : golden.at("boxes")) expected.boxes.push_back({box.at(0), box.at(1), box.at(2), box.at(3)});
  expected.scores = golden.at("scores").get<std::vector<float>>();
  expected.classes = golden.at("classes").get<std::vector<std::int64_t>>();
  const Rows rows_got{got.boxes, got.scores, {got.classes.begin(), got.classes.end()}};
  const std::vector<std::size_t> rows = match_rows("final", rows_got, expected, worst);
  EXPECT_EQ(got.masks.empty(), golden.count("masks_rle") == 0);
  MaskDifference sum;
  for (std::size_t i = 0; i < got.masks.size(); ++i) {
    if (rows[i] == kReplaced) continue;
    const nlohmann::json& mask = golden.at("masks_rle").at(rows[i]);
    const Rle reference =
        rle_from_string(mask.at("counts").get<std::string>(), mask.at("size").at(0), mask.at("size").at(1));
    const MaskDifference difference = mask_difference(got.masks[i], reference);
    worst.add("final masks, one, pixels", difference.pixels, "row " + std::to_string(i));
    sum.pixels += difference.pixels;
    sum.area += difference.area;
  }
  if (!got.masks.empty())
    worst.add("final masks, all, share", sum.pixels / sum.area, std::to_string(sum.area) + " pixels");
  if (golden.count("keypoints") == 0) return;
  double jumped = 0;
  for (std::size_t i = 0; i < got.keypoints.size(); ++i) {
    if (rows[i] == kReplaced) continue;
    for (std::size_t k = 0; k < got.keypoints[i].size(); ++k) {
      const nlohmann::json& point = golden.at("keypoints").at(rows[i]).at(k);
      const double distance = std::hypot(got.keypoints[i][k].x - point.at(0).get<float>(),
                                         got.keypoints[i][k].y - point.at(1).get<float>());
      jumped += distance > 0.1;
      if (distance <= 0.1) worst.add("final keypoints px", distance, "row " + std::to_string(i));
    }
  }
  worst.add("final keypoints jumped", jumped, std::to_string(got.keypoints.size()) + " rows");
}

// What may differ between executors: sums in another order, or Winograd's convolutions.
struct Tolerance {
  double dense = 1e-5;   // of the largest value
  double scores = 1e-4;  // and logits, soft masks
  double pixels = 0.01;
};

inline void expect_within(const std::string& model, const WorstErrors& worst, bool dense, const Tolerance& tolerance) {
  if (dense) {
    worst.expect_below("features", tolerance.dense);
    worst.expect_below("RPN outputs", tolerance.dense);
    worst.expect_below("class logits", tolerance.scores);
    worst.expect_below("box deltas", tolerance.scores);
  }
  for (const std::string rows : {"proposal", "detection", "final"}) {
    worst.expect_below(rows + " boxes px", tolerance.pixels);
    worst.expect_below(rows + " scores", tolerance.scores);
    worst.expect_below(rows + " rows replaced", rows == "proposal" ? 2 : 0);
    worst.expect_below(rows + " rows moved", 20);
  }
  if (model.find("keypoint") == 0) {
    worst.expect_below("heat maps", tolerance.scores);
    worst.expect_below("keypoints px", 0.01);
    worst.expect_below("keypoint scores", 1e-5);
    worst.expect_below("keypoints that jumped", 8);
    worst.expect_below("final keypoints px", 0.02);
  } else if (model != "faster_c4") {
    worst.expect_below("soft masks", tolerance.scores);
    worst.expect_below("final masks, one, pixels", 5);
    worst.expect_below("final masks, all, share", 1e-3);
  }
}

// Runs a golden model's recorded input (suffix "": two pictures as one batch, "_single": one) and compares everything.
template <class MakeDetector>
void expect_like_reference(const std::string& reference, const std::string& model, const std::string& suffix,
                           const MakeDetector& make_detector, const Tolerance& tolerance = {}) {
  const std::string folder = golden_model::folder_of(reference, model);
  const NamedArrays golden = load_npz(folder + "/infer" + suffix + ".npz");
  const Batch batch = recorded_batch(golden);
  const auto detector = make_detector(golden_model::model_config(folder));
  NamedArrays dump;
  const std::vector<Detections> detections = detector->detect(batch, &dump);
  WorstErrors worst(model + suffix);
  const std::size_t num_images = batch.image_sizes.size();
  if (suffix.empty()) compare_dense(dump, golden, worst);
  compare_proposals(dump, golden, num_images, worst);
  compare_detections(dump, golden, num_images, worst);
  const nlohmann::json final_detections = golden_model::read_json(folder + "/postprocessed" + suffix + ".json");
  ASSERT_EQ(final_detections.size(), detections.size());
  for (std::size_t i = 0; i < detections.size(); ++i) {
    compare_final(to_original_image(detections[i], kOriginalSizes[i]), final_detections[i], worst);
  }
  worst.print();
  expect_within(model, worst, suffix.empty(), tolerance);
}

}  // namespace fastermask::golden_detector
