// Caffe2's and torchvision's ImageNet names; which project's names a file has.
#include "fastermask/weights/renaming.h"

#include <array>
#include <cstring>
#include <utility>

#include "fastermask/base/text.h"
#include "fastermask/weights/rename_text.h"

namespace fastermask {
namespace {

// Endings of Caffe2 names, after '_' became '.', in the order in which they are tried.
constexpr Rename kCaffe2Endings[] = {
    {".b", ".bias"},
    {".w", ".weight"},
};

constexpr Rename kCaffe2NormEndings[] = {
    {"bn.s", "norm.weight"},        {"bn.bias", "norm.bias"},
    {"bn.rm", "norm.running_mean"}, {"bn.running.mean", "norm.running_mean"},
    {"bn.riv", "norm.running_var"}, {"bn.running.var", "norm.running_var"},
    {"bn.gamma", "norm.weight"},    {"bn.beta", "norm.bias"},
    {"gn.s", "norm.weight"},        {"gn.bias", "norm.bias"},
};

constexpr Rename kCaffe2Blocks[] = {
    {".branch1.", ".shortcut."},
    {".branch2a.", ".conv1."},
    {".branch2b.", ".conv2."},
    {".branch2c.", ".conv3."},
};

constexpr Rename kCaffe2Beginnings[] = {
    {"conv.rpn.fpn2.", "proposal_generator.rpn_head.conv."},
    {"conv.rpn.", "proposal_generator.rpn_head.conv."},
    {"rpn.bbox.pred.fpn2.", "proposal_generator.rpn_head.anchor_deltas."},
    {"rpn.bbox.pred.", "proposal_generator.rpn_head.anchor_deltas."},
    {"rpn.cls.logits.fpn2.", "proposal_generator.rpn_head.objectness_logits."},
    {"rpn.cls.logits.", "proposal_generator.rpn_head.objectness_logits."},
    {"bbox.pred.", "bbox_pred."},
    {"cls.score.", "cls_score."},
    {"fc6.", "box_head.fc1."},
    {"fc7.", "box_head.fc2."},
    {"head.conv", "box_head.conv"},
    {".[mask].fcn", "mask_head.mask_fcn"},
    {".mask.fcn", "mask_head.mask_fcn"},
    {"mask.fcn.logits.", "mask_head.predictor."},
    {"conv5.mask.", "mask_head.deconv."},
    {"conv.fcn", "roi_heads.keypoint_head.conv_fcn"},
    {"kps.score.lowres.", "roi_heads.keypoint_head.score_lowres."},
    {"kps.score.", "roi_heads.keypoint_head.score."},
};

// "fpn.inner.res4.22.sum.lateral.weight" -> "fpn_lateral4.weight", "fpn.res2.2.sum.norm.bias" ->
// "fpn_output2.norm.bias".
std::string rename_caffe2_fpn(const std::string& name) {
  const bool inner = starts_with(name, "fpn.inner.res");
  const std::size_t stage = std::strlen(inner ? "fpn.inner.res" : "fpn.res");
  if ((!inner && !starts_with(name, "fpn.res")) || name.size() <= stage) return name;
  const std::string norm = name.find(".norm.") == std::string::npos ? "" : ".norm";
  return fmt::format("fpn_{}{}{}{}", inner ? "lateral" : "output", name[stage], norm, name.substr(name.rfind('.')));
}

bool any_name(const NamedArrays& arrays, bool (*fits)(const std::string& name)) {
  for (const auto& [name, array] : arrays) {
    if (fits(name)) return true;
  }
  return false;
}

}  // namespace

std::string rename_caffe2(const std::string& name) {
  if (name == "pred_w" || name == "pred_b") return name == "pred_w" ? "linear.weight" : "linear.bias";
  std::string result = name;
  for (char& c : result) {
    if (c == '_') c = '.';
  }
  replace_ending(result, kCaffe2Endings);
  replace_ending(result, kCaffe2NormEndings);
  replace_beginning(result, "res.conv1.norm.", "conv1.norm.");
  replace_beginning(result, "conv1.", "stem.conv1.");
  replace_inside(result, kCaffe2Blocks);
  replace_beginning(result, kCaffe2Beginnings);
  return rename_caffe2_fpn(result);
}

NDArray without_first_rows(const NDArray& array, std::int64_t count) {
  if (array.shape.empty() || array.shape[0] < count) return array;
  Shape shape = array.shape;
  shape[0] -= count;
  NDArray result(array.dtype, shape);
  if (!result.bytes.empty()) {
    std::memcpy(result.bytes.data(), array.bytes.data() + (array.bytes.size() - result.bytes.size()),
                result.bytes.size());
  }
  return result;
}

NDArray with_first_row_last(const NDArray& array) {
  if (array.shape.empty() || array.shape[0] < 2) return array;
  NDArray result = array;
  const std::size_t row = array.bytes.size() / static_cast<std::size_t>(array.shape[0]);
  if (row == 0) return result;
  std::memcpy(result.bytes.data(), array.bytes.data() + row, array.bytes.size() - row);
  std::memcpy(result.bytes.data() + (array.bytes.size() - row), array.bytes.data(), row);
  return result;
}

void add_renamed(NamedArrays& arrays, const std::string& old_name, const std::string& new_name, NDArray array) {
  if (!arrays.emplace(new_name, std::move(array)).second) {
    fail<WeightsError>("weights: '{}' and another array are both named '{}' in detectron2's words", old_name, new_name);
  }
}

NamedArrays convert_caffe2(NamedArrays blobs) {
  NamedArrays result;
  for (auto& [old_name, array] : blobs) {
    if (ends_with(old_name, "_momentum")) continue;
    const std::string name = rename_caffe2(old_name);
    if (starts_with(name, "bbox_pred.")) {
      add_renamed(result, old_name, name, without_first_rows(array, 4));
    } else if (starts_with(name, "mask_head.predictor.")) {
      add_renamed(result, old_name, name, without_first_rows(array, 1));
    } else if (starts_with(name, "cls_score.")) {
      add_renamed(result, old_name, name, with_first_row_last(array));
    } else {
      add_renamed(result, old_name, name, std::move(array));
    }
  }
  return result;
}

std::string rename_torchvision_imagenet(const std::string& name) {
  std::string result = name.find("layer") == std::string::npos ? "stem." + name : name;
  replace_inside(result, kTorchvisionResnet);
  return result;
}

NamedArrays convert_torchvision_imagenet(NamedArrays arrays) {
  NamedArrays result;
  for (auto& [name, array] : arrays) add_renamed(result, name, rename_torchvision_imagenet(name), std::move(array));
  return result;
}

WeightNames recognise_names(const NamedArrays& arrays) {
  const auto has = [&arrays](const char* name) { return arrays.count(name) != 0; };
  if (has("backbone.body.conv1.weight") || has("rpn.head.cls_logits.weight")) return WeightNames::torchvision_detection;
  if (has("conv1.weight") && has("layer1.0.conv1.weight")) return WeightNames::torchvision_imagenet;
  if (has("neck.lateral_convs.0.conv.weight") || has("rpn_head.rpn_conv.weight") ||
      any_name(arrays, [](const std::string& name) { return starts_with(name, "roi_head."); })) {
    return WeightNames::mmdetection;
  }
  if (has("conv1_w") || has("res2_0_branch2a_w")) return WeightNames::caffe2;
  return WeightNames::detectron2;
}

}  // namespace fastermask
