// Whole detectors of torchvision and mmdetection in detectron2's names.
#include <algorithm>
#include <utility>
#include <vector>

#include "fastermask/base/text.h"
#include "fastermask/weights/rename_text.h"
#include "fastermask/weights/renaming.h"

namespace fastermask {
namespace {

// The parts of a name between dots, read from the front.
class NameParts {
 public:
  explicit NameParts(const std::string& name) : parts_(split(name, '.')) {}

  // Drops the next parts when they are `words` ("a.b"); else changes nothing.
  bool skip(std::string_view words) {
    const std::vector<std::string> wanted = split(words, '.');
    if (parts_.size() - next_ < wanted.size()) return false;
    if (!std::equal(wanted.begin(), wanted.end(), parts_.begin() + static_cast<std::ptrdiff_t>(next_))) return false;
    next_ += wanted.size();
    return true;
  }

  // Drops the next part when it is a number of up to 3 digits; -1 when it is none.
  int skip_number() {
    if (next_ == parts_.size()) return -1;
    const std::string& part = parts_[next_];
    if (part.empty() || part.size() > 3 || part.find_first_not_of("0123456789") != std::string::npos) return -1;
    ++next_;
    return std::stoi(part);
  }

  std::size_t left() const { return parts_.size() - next_; }

  std::string rest() const { return join({parts_.begin() + static_cast<std::ptrdiff_t>(next_), parts_.end()}, "."); }

 private:
  std::vector<std::string> parts_;
  std::size_t next_ = 0;
};

// mmdetection keeps a deformable convolution's offsets inside it, detectron2 beside it.
std::string plain_resnet_name(const std::string& prefix, std::string name) {
  if (prefix == "backbone." && !starts_with(name, "layer")) name = "stem." + name;
  if (const std::size_t place = name.find(".conv2.conv_offset."); place != std::string::npos) {
    name.replace(place, 19, ".conv2_offset.");
  }
  replace_inside(name, kTorchvisionResnet);
  return prefix + name;
}

std::string resnet_name(const std::string& rest) {
  return "backbone.bottom_up." + plain_resnet_name("backbone.", rest).substr(9);
}

// What follows a torchvision layer's name: "0.weight" and "0.0.weight" are a convolution's, "1.bias" its norm's.
std::string torchvision_layer_suffix(NameParts parts) {
  int last = 0;
  for (int number = parts.skip_number(); number >= 0; number = parts.skip_number()) last = number;
  return (last == 1 ? "norm." : "") + parts.rest();
}

std::string torchvision_fpn_name(NameParts parts) {
  const char* kind = nullptr;
  if (parts.skip("inner_blocks")) kind = "lateral";
  if (kind == nullptr && parts.skip("layer_blocks")) kind = "output";
  const int level = parts.skip_number();
  if (kind == nullptr || level < 0) return "";
  return fmt::format("backbone.fpn_{}{}.{}", kind, level + 2, torchvision_layer_suffix(parts));
}

// Which forms of a head the file has: torchvision's v2 models add layers whose numbers shift the names.
struct TorchvisionForm {
  bool several_rpn_convs = false;
  int box_head_fc = -1;  // the number of v2's linear layer in box_head, behind its convolutions
};

std::string torchvision_rpn_name(NameParts parts, const TorchvisionForm& form) {
  const std::string head = "proposal_generator.rpn_head.";
  if (parts.skip("cls_logits")) return head + "objectness_logits." + parts.rest();
  if (parts.skip("bbox_pred")) return head + "anchor_deltas." + parts.rest();
  if (!parts.skip("conv")) return "";
  if (parts.left() == 1) return head + "conv." + parts.rest();
  const int number = parts.skip_number();
  const std::string conv = form.several_rpn_convs ? fmt::format("conv.conv{}.", number) : "conv.";
  return head + conv + torchvision_layer_suffix(parts);
}

std::string torchvision_box_name(NameParts parts, const TorchvisionForm& form) {
  const std::string head = "roi_heads.box_head.";
  if (parts.skip("fc6")) return head + "fc1." + parts.rest();
  if (parts.skip("fc7")) return head + "fc2." + parts.rest();
  const int number = parts.skip_number();
  if (number < 0) return "";
  if (number == form.box_head_fc) return head + "fc1." + parts.rest();
  return head + fmt::format("conv{}.", number + 1) + torchvision_layer_suffix(parts);
}

std::string torchvision_mask_name(NameParts parts) {
  const int number = parts.skip_number();
  if (number < 0) return "roi_heads.mask_head." + parts.rest();  // mask_fcn1.weight, as in detectron2
  return fmt::format("roi_heads.mask_head.mask_fcn{}.{}", number + 1, torchvision_layer_suffix(parts));
}

std::string rename_torchvision_detection(const std::string& name, const TorchvisionForm& form) {
  NameParts parts(name);
  if (parts.skip("backbone.body")) return resnet_name(parts.rest());
  if (parts.skip("backbone.fpn")) return torchvision_fpn_name(parts);
  if (parts.skip("rpn.head")) return torchvision_rpn_name(parts, form);
  if (!parts.skip("roi_heads")) return "";
  if (parts.skip("box_head")) return torchvision_box_name(parts, form);
  if (parts.skip("box_predictor")) return "roi_heads.box_predictor." + parts.rest();
  if (parts.skip("mask_head")) return torchvision_mask_name(parts);
  if (parts.skip("mask_predictor.conv5_mask")) return "roi_heads.mask_head.deconv." + parts.rest();
  if (parts.skip("mask_predictor.mask_fcn_logits")) return "roi_heads.mask_head.predictor." + parts.rest();
  if (parts.skip("keypoint_predictor.kps_score_lowres")) return "roi_heads.keypoint_head.score_lowres." + parts.rest();
  if (parts.skip("keypoint_head")) {  // convolutions and relus take turns
    const int number = parts.skip_number();
    return number < 0 ? "" : fmt::format("roi_heads.keypoint_head.conv_fcn{}.{}", number / 2 + 1, parts.rest());
  }
  return "";
}

TorchvisionForm torchvision_form(const NamedArrays& arrays) {
  TorchvisionForm form;
  form.several_rpn_convs = arrays.count("rpn.head.conv.1.0.weight") != 0;
  for (int i = 0; i < 16; ++i) {
    const auto found = arrays.find(fmt::format("roi_heads.box_head.{}.weight", i));
    if (found != arrays.end() && found->second.shape.size() == 2) form.box_head_fc = i;
  }
  return form;
}

std::string mmdetection_fpn_name(NameParts parts) {
  const char* kind = nullptr;
  if (parts.skip("lateral_convs")) kind = "lateral";
  if (kind == nullptr && parts.skip("fpn_convs")) kind = "output";
  const int level = parts.skip_number();
  if (kind == nullptr || level < 0) return "";
  const bool conv = parts.skip("conv");
  if (!conv && !parts.skip("bn") && !parts.skip("gn")) return "";
  return fmt::format("backbone.fpn_{}{}.{}{}", kind, level + 2, conv ? "" : "norm.", parts.rest());
}

// "shared_convs.0.conv.weight" -> "conv1.weight", "....bn.weight" -> "conv1.norm.weight".
std::string mmdetection_conv_name(NameParts parts, const std::string& layer) {
  const int number = parts.skip_number();
  if (number < 0) return "";
  const bool conv = parts.skip("conv");
  if (!conv && !parts.skip("bn") && !parts.skip("gn")) return "";
  return fmt::format("{}{}.{}{}", layer, number + 1, conv ? "" : "norm.", parts.rest());
}

std::string mmdetection_box_name(NameParts parts) {
  const int stage = parts.skip_number();  // of a cascade
  const std::string place = stage < 0 ? "." : fmt::format(".{}.", stage);
  const std::string head = "roi_heads.box_head" + place;
  const std::string predictor = "roi_heads.box_predictor" + place;
  if (parts.skip("fc_cls")) return predictor + "cls_score." + parts.rest();
  if (parts.skip("fc_reg")) return predictor + "bbox_pred." + parts.rest();
  if (parts.skip("shared_convs")) return mmdetection_conv_name(parts, head + "conv");
  if (!parts.skip("shared_fcs")) return "";
  const int number = parts.skip_number();
  return number < 0 ? "" : fmt::format("{}fc{}.{}", head, number + 1, parts.rest());
}

// A cascade of mmdetection has a mask head a stage, detectron2 one: the last.
std::string mmdetection_mask_name(NameParts parts, int last_stage) {
  const int stage = parts.skip_number();
  const std::string head =
      stage == last_stage ? "roi_heads.mask_head." : fmt::format("roi_heads.mask_head.stage{}.", stage);
  if (parts.skip("convs")) return mmdetection_conv_name(parts, head + "mask_fcn");
  if (parts.skip("upsample")) return head + "deconv." + parts.rest();
  if (parts.skip("conv_logits")) return head + "predictor." + parts.rest();
  return "";
}

// What a whole mmdetection model is like.
struct MmdetectionForm {
  bool pyramid = true;  // has an FPN; else features come from res4 (C4) or a dilated res5 (DC5)
  int last_mask_stage = -1;
};

std::string rename_mmdetection(const std::string& name, const MmdetectionForm& form) {
  NameParts parts(name);
  if (parts.skip("backbone"))
    return form.pyramid ? resnet_name(parts.rest()) : plain_resnet_name("backbone.", parts.rest());
  if (parts.skip("roi_head.shared_head.layer4")) return plain_resnet_name("roi_heads.res5.", parts.rest());
  if (parts.skip("neck")) return mmdetection_fpn_name(parts);
  if (parts.skip("rpn_head.rpn_conv")) return "proposal_generator.rpn_head.conv." + parts.rest();
  if (parts.skip("rpn_head.rpn_cls")) return "proposal_generator.rpn_head.objectness_logits." + parts.rest();
  if (parts.skip("rpn_head.rpn_reg")) return "proposal_generator.rpn_head.anchor_deltas." + parts.rest();
  if (parts.skip("roi_head.bbox_head")) return mmdetection_box_name(parts);
  if (parts.skip("roi_head.mask_head")) return mmdetection_mask_name(parts, form.last_mask_stage);
  return "";
}

int last_mmdetection_mask_stage(const NamedArrays& arrays) {
  int last = -1;
  while (arrays.count(fmt::format("roi_head.mask_head.{}.conv_logits.weight", last + 1)) != 0) ++last;
  return last;
}

constexpr std::int64_t kSizes = 5;
constexpr std::int64_t kRatios = 3;

// mmdetection counts a cell's anchors by ratio, then size; detectron2 by size, then ratio. The rows of an RPN
// convolution of 15 anchors, one or four an anchor, in detectron2's order.
NDArray with_sizes_before_ratios(const NDArray& array) {
  const std::int64_t anchors = kSizes * kRatios;
  if (array.shape.empty() || array.shape[0] % anchors != 0) return array;
  NDArray result = array;
  const std::size_t block = array.bytes.size() / static_cast<std::size_t>(anchors);
  for (std::int64_t ratio = 0; ratio < kRatios; ++ratio) {
    for (std::int64_t size = 0; size < kSizes; ++size) {
      const auto source = array.bytes.begin() + static_cast<std::ptrdiff_t>(block) * (ratio * kSizes + size);
      std::copy(source, source + static_cast<std::ptrdiff_t>(block),
                result.bytes.begin() + static_cast<std::ptrdiff_t>(block) * (size * kRatios + ratio));
    }
  }
  return result;
}

}  // namespace

NamedArrays convert_torchvision_detection(NamedArrays arrays) {
  const TorchvisionForm form = torchvision_form(arrays);
  NamedArrays result;
  for (auto& [old_name, array] : arrays) {
    std::string name = rename_torchvision_detection(old_name, form);
    if (name.empty()) name = old_name;
    if (starts_with(name, "roi_heads.box_predictor.bbox_pred.")) {
      array = without_first_rows(array, 4);
    } else if (starts_with(name, "roi_heads.mask_head.predictor.")) {
      array = without_first_rows(array, 1);
    } else if (starts_with(name, "roi_heads.box_predictor.cls_score.")) {
      array = with_first_row_last(array);
    }
    add_renamed(result, old_name, name, std::move(array));
  }
  return result;
}

NamedArrays convert_mmdetection(NamedArrays arrays) {
  MmdetectionForm form;
  form.last_mask_stage = last_mmdetection_mask_stage(arrays);
  const bool has_neck =
      std::any_of(arrays.begin(), arrays.end(), [](const auto& item) { return starts_with(item.first, "neck."); });
  // Only C4 and DC5 models have anchors of several sizes in one place.
  const auto objectness = arrays.find("rpn_head.rpn_cls.weight");
  form.pyramid = has_neck || objectness == arrays.end() || objectness->second.shape.empty() ||
                 objectness->second.shape[0] != kSizes * kRatios;
  NamedArrays result;
  for (auto& [old_name, array] : arrays) {
    const std::string name = rename_mmdetection(old_name, form);
    if (!form.pyramid && (starts_with(old_name, "rpn_head.rpn_cls.") || starts_with(old_name, "rpn_head.rpn_reg."))) {
      array = with_sizes_before_ratios(array);
    }
    add_renamed(result, old_name, name.empty() ? old_name : name, std::move(array));
  }
  return result;
}

}  // namespace fastermask
