// Proposals, detections and keypoints of the reference's whole models, from its recorded head outputs.
#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "fastermask/detection/anchors.h"
#include "fastermask/detection/postprocess.h"
#include "fastermask/detection/proposals.h"
#include "fastermask/detection/roi_targets.h"
#include "parity/detection/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

constexpr double kBoxTolerance = 0.01;     // pixels
constexpr double kScoreTolerance = 1e-4;

bool is_c4(const std::string& model) { return model.find("c4") != std::string::npos; }

std::vector<ImageSize> image_sizes(const NamedArrays& arrays) {
  const std::vector<int> values = golden::integers(arrays, "image_sizes");
  std::vector<ImageSize> sizes;
  for (std::size_t i = 0; i < values.size(); i += 2) sizes.push_back({values[i], values[i + 1]});
  return sizes;
}

AnchorGenerator anchor_generator(const std::string& model) {
  const std::vector<double> ratios{0.5, 1.0, 2.0};
  return is_c4(model) ? AnchorGenerator({{32, 64, 128, 256, 512}}, {ratios}, {16})
                      : AnchorGenerator({{32}, {64}, {128}, {256}, {512}}, {ratios}, {4, 8, 16, 32, 64});
}

std::vector<Proposals> run_proposals(const std::string& model, const NamedArrays& arrays) {
  const std::vector<std::string> names =
      is_c4(model) ? std::vector<std::string>{"res4"} : std::vector<std::string>{"p2", "p3", "p4", "p5", "p6"};
  std::vector<std::vector<float>> memory;
  std::vector<RpnLevel> levels;
  std::vector<ImageSize> grids;
  for (const std::string& name : names) {
    const NDArray& logits = golden::array(arrays, "rpn.logits." + name);
    memory.push_back(golden::channels_last(logits));
    memory.push_back(golden::channels_last(golden::array(arrays, "rpn.deltas." + name)));
    const auto size = [&logits](std::size_t axis) { return static_cast<int>(logits.shape.at(axis)); };
    levels.push_back({memory[memory.size() - 2].data(), memory.back().data(), size(0), size(2), size(3), size(1)});
    grids.push_back({size(2), size(3)});
  }
  ProposalParams params;
  params.pre_nms_topk = is_c4(model) ? 6000 : 1000;
  params.post_nms_topk = is_c4(model) ? 300 : 1000;
  return find_top_rpn_proposals(levels, anchor_generator(model).grid_anchors(grids).boxes, image_sizes(arrays), params);
}

// Where `box` with `score` is among the golden ones: its own row, or one with nearly the same score.
std::ptrdiff_t find_row(const Box& box, float score, std::size_t row, const Boxes& boxes,
                        const std::vector<float>& scores) {
  const auto fits = [&](std::size_t i) {
    return golden::difference(box, boxes[i]) <= kBoxTolerance && std::abs(score - scores[i]) <= kScoreTolerance;
  };
  if (row < boxes.size() && fits(row)) return static_cast<std::ptrdiff_t>(row);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    if (fits(i)) return static_cast<std::ptrdiff_t>(i);
  }
  return -1;
}

// Compares as sets: near-tied rows may be swapped. Reports the worst errors.
void expect_same_boxes(const std::string& what, const Boxes& boxes, const std::vector<float>& scores,
                       const Boxes& wanted_boxes, const std::vector<float>& wanted_scores) {
  ASSERT_EQ(boxes.size(), wanted_boxes.size()) << what;
  double worst_box = 0;
  double worst_score = 0;
  int moved = 0;
  std::vector<bool> found(wanted_boxes.size(), false);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const std::ptrdiff_t row = find_row(boxes[i], scores[i], i, wanted_boxes, wanted_scores);
    ASSERT_GE(row, 0) << what << ": row " << i << " is not in the reference";
    const std::size_t at = static_cast<std::size_t>(row);
    found[at] = true;
    moved += at == i ? 0 : 1;
    worst_box = std::max(worst_box, golden::difference(boxes[i], wanted_boxes[at]));
    worst_score = std::max(worst_score, std::abs(static_cast<double>(scores[i]) - wanted_scores[at]));
  }
  EXPECT_TRUE(std::all_of(found.begin(), found.end(), [](bool f) { return f; })) << what;
  EXPECT_LE(moved, static_cast<int>(boxes.size() / 100)) << what;
  golden::report(what + ", boxes (px)", worst_box);
  golden::report(what + ", scores", worst_score);
  golden::report(what + ", rows moved", moved);
}

class DetectionModels : public testing::TestWithParam<std::string> {};

TEST_P(DetectionModels, ProposalsEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/models/" + GetParam() + "/infer.npz");
  const std::vector<Proposals> proposals = run_proposals(GetParam(), arrays);
  for (std::size_t image = 0; image < proposals.size(); ++image) {
    const std::string prefix = "proposals." + std::to_string(image);
    expect_same_boxes(GetParam() + " " + prefix, proposals[image].boxes, proposals[image].logits,
                      golden::boxes(arrays, prefix + ".boxes"), golden::floats(arrays, prefix + ".logits"));
  }
}

// The rows of image `image` of a [rows of all images, columns] array.
std::vector<float> rows_of(const NamedArrays& arrays, const std::string& name, std::size_t first, std::size_t count) {
  const NDArray& all = golden::array(arrays, name);
  const std::vector<float> values = all.to_floats();
  const std::size_t columns = static_cast<std::size_t>(all.shape.at(1));
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first * columns);
  return {begin, begin + static_cast<std::ptrdiff_t>(count * columns)};
}

Detections detect_cascade(const NamedArrays& arrays, std::size_t first, const Boxes& proposals, const ImageSize& size,
                          const DetectionParams& params) {
  const std::array<BoxCoder, 3> coders{{{10, 10, 5, 5}, {20, 20, 10, 10}, {30, 30, 15, 15}}};
  std::vector<std::vector<float>> stage_scores;
  Boxes boxes = proposals;
  for (std::size_t stage = 0; stage < 3; ++stage) {
    const std::string suffix = ".stage" + std::to_string(stage);
    stage_scores.push_back(softmax_rows(rows_of(arrays, "box.cls_logits" + suffix, first, boxes.size()), 6));
    const std::vector<float> deltas = rows_of(arrays, "box.deltas" + suffix, first, boxes.size());
    boxes = stage < 2 ? next_stage_boxes(coders[stage], deltas, boxes, size, false)
                      : decode_boxes(coders[stage], deltas, boxes);
  }
  return fast_rcnn_inference(average_scores(stage_scores), boxes, 5, size, params);
}

TEST_P(DetectionModels, DetectionsEqualTheReferenceInOrderAndNumber) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/models/" + GetParam() + "/infer.npz");
  DetectionParams params;
  params.score_thresh = 0.3;
  params.topk = 50;
  const std::vector<ImageSize> sizes = image_sizes(arrays);
  const int num_classes = GetParam() == "keypoint_fpn" ? 1 : 5;
  std::size_t first = 0;
  for (std::size_t image = 0; image < sizes.size(); ++image) {
    const std::string number = std::to_string(image);
    const Boxes proposals = golden::boxes(arrays, "proposals." + number + ".boxes");
    const Detections detections =
        GetParam() == "cascade_fpn"
            ? detect_cascade(arrays, first, proposals, sizes[image], params)
            : fast_rcnn_inference(rows_of(arrays, "box.cls_logits", first, proposals.size()),
                                  rows_of(arrays, "box.deltas", first, proposals.size()), proposals, {10, 10, 5, 5},
                                  num_classes, sizes[image], params);
    first += proposals.size();
    EXPECT_EQ(detections.classes, golden::integers(arrays, "det." + number + ".classes")) << GetParam();
    expect_same_boxes(GetParam() + " det." + number, detections.boxes, detections.scores,
                      golden::boxes(arrays, "det." + number + ".boxes"),
                      golden::floats(arrays, "det." + number + ".scores"));
  }
}

double worst_scaled_box(const NamedArrays& arrays, const nlohmann::json& images) {
  const std::vector<ImageSize> sizes = image_sizes(arrays);
  EXPECT_EQ(images.size(), sizes.size());
  double worst = 0;
  for (std::size_t image = 0; image < sizes.size(); ++image) {
    const std::string prefix = "det." + std::to_string(image);
    Detections detections;
    detections.image_size = sizes[image];
    detections.boxes = golden::boxes(arrays, prefix + ".boxes");
    detections.scores = golden::floats(arrays, prefix + ".scores");
    detections.classes = golden::integers(arrays, prefix + ".classes");
    const nlohmann::json& wanted = images.at(image);
    const Detections scaled = scale_detections(detections, {wanted.at("height"), wanted.at("width")});
    if (scaled.size() != wanted.at("boxes").size()) return 1e9;
    for (std::size_t i = 0; i < scaled.size(); ++i) {
      const std::array<float, 4> box = wanted.at("boxes")[i];
      worst = std::max(worst, golden::difference(scaled.boxes[i], {box[0], box[1], box[2], box[3]}));
    }
  }
  return worst;
}

TEST_P(DetectionModels, ScaledDetectionsEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string model_folder = folder + "/golden/models/" + GetParam() + "/";
  double worst = 0;
  for (const std::string suffix : {"", "_single"}) {
    std::ifstream stream(model_folder + "postprocessed" + suffix + ".json");
    const NamedArrays arrays = load_npz(model_folder + "infer" + suffix + ".npz");
    worst = std::max(worst, worst_scaled_box(arrays, nlohmann::json::parse(stream)));
  }
  golden::report(GetParam() + " scaled boxes (px)", worst);
  EXPECT_LE(worst, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Golden, DetectionModels,
                         testing::Values("mask_fpn", "mask_c4", "cascade_fpn", "keypoint_fpn", "faster_c4"),
                         [](const testing::TestParamInfo<std::string>& parameter) { return parameter.param; });

TEST(DetectionParity, KeypointsOfHeatMapsEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/models/keypoint_fpn/infer.npz");
  double worst_position = 0;
  double worst_score = 0;
  for (const std::string image : {"0", "1"}) {
    const NDArray& maps = golden::array(arrays, "det." + image + ".kp_heatmaps_first5");
    Boxes boxes = golden::boxes(arrays, "det." + image + ".boxes");
    boxes.resize(static_cast<std::size_t>(maps.shape.at(0)));
    const auto keypoints = decode_keypoints(golden::channels_last(maps), boxes, 56, 17);
    const std::vector<float> wanted = golden::floats(arrays, "det." + image + ".keypoints");
    for (std::size_t i = 0; i < boxes.size() * 17; ++i) {
      const Keypoint& got = keypoints[i / 17][i % 17];
      worst_position = std::max<double>({worst_position, std::abs(got.x - wanted[3 * i]),
                                         std::abs(got.y - wanted[3 * i + 1])});
      worst_score = std::max<double>(worst_score, std::abs(got.visibility - wanted[3 * i + 2]));
    }
  }
  golden::report("keypoint positions (px)", worst_position);
  golden::report("keypoint scores", worst_score);
  EXPECT_LE(worst_position, 0.01);
  EXPECT_LE(worst_score, 1e-4);
}

}  // namespace
}  // namespace fastermask
