// Other projects' parameter names turned into detectron2's, with the edits of tensors that go with them.
#pragma once

#include <string>

#include "fastermask/structures/ndarray.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {

// One Caffe2 / Detectron1 / MSRA blob name in detectron2's words: "res2_0_branch2a_bn_gamma" ->
// "res2.0.conv1.norm.weight". The result is a suffix of the model's name (no "backbone."): match_weights() finds the
// whole one. detectron2 checkpoint/c2_model_loading.py convert_basic_c2_names, convert_c2_detectron_names.
std::string rename_caffe2(const std::string& name);

// All blobs renamed, *_momentum dropped, and tensors edited: bbox_pred loses its first 4 rows and the mask predictor
// its first (background), cls_score's first row becomes the last. Throws WeightsError when two blobs get one name.
NamedArrays convert_caffe2(NamedArrays blobs);

// torchvision's ImageNet ResNet / ResNeXt: "layer1.0.downsample.1.weight" -> "res2.0.shortcut.norm.weight". Suffixes
// too.
std::string rename_torchvision_imagenet(const std::string& name);
NamedArrays convert_torchvision_imagenet(NamedArrays arrays);

// torchvision's fasterrcnn / maskrcnn / keypointrcnn_resnet50_fpn to the full names of detectron2's FPN models. In the
// heads, torchvision's background class 0 becomes the last one, and class-wise boxes and masks lose the background's.
// Note that the box decoding of both is the same, but torchvision's pictures are RGB in 0..1.
NamedArrays convert_torchvision_detection(NamedArrays arrays);

// mmdetection's Faster / Mask / Cascade R-CNN with FPN (2.x and 3.x): full names. Its class order has the background
// last, as detectron2's.
NamedArrays convert_mmdetection(NamedArrays arrays);

// Whose names these are, by telling examples; detectron2's when no other fits.
WeightNames recognise_names(const NamedArrays& arrays);

}  // namespace fastermask
