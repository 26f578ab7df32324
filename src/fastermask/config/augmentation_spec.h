// The entries of INPUT.AUGMENTATIONS: what each augmentation is called and what it takes, after detectron2
// data/transforms/augmentation_impl.py (same names, same order of parameters, same defaults).
//
// As in config.h, each parameter is declared twice side by side and nowhere else: the member with its type and default,
// and one line in visit() with its name, the values it may have, and what it means. Parsing, errors and the tables of
// docs/config.md are made from that. required() is for those that must be given.
#pragma once

#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "fastermask/config/check.h"

namespace fastermask {

struct AugmentationSpec;

struct ResizeSpec {
  static constexpr const char* kName = "Resize";
  static constexpr const char* kDoc = "to a fixed size";
  std::vector<int> shape;

  template <class V>
  void visit(V& v) {
    v.required("shape", shape, at_least(1), "(height, width), or one number for both");
  }
};

struct ResizeShortestEdgeSpec {
  static constexpr const char* kName = "ResizeShortestEdge";
  static constexpr const char* kDoc = "the shorter edge to a random length, the longer one in proportion";
  std::vector<int> short_edge_length;
  int max_size = std::numeric_limits<int>::max();
  std::string sample_style = "range";

  template <class V>
  void visit(V& v) {
    v.required("short_edge_length", short_edge_length, at_least(1), "lengths in pixels");
    v("max_size", max_size, at_least(1), "the longer edge gets no longer than this");
    v("sample_style", sample_style, one_of({"range", "choice"}),
      "range: any whole number between the two lengths; choice: one of the lengths");
  }
};

struct ResizeScaleSpec {
  static constexpr const char* kName = "ResizeScale";
  static constexpr const char* kDoc =
      "by a random scale, relative to the largest size of the same shape that fits into the target: large-scale "
      "jitter, "
      "before FixedSizeCrop";
  double min_scale = 1;
  double max_scale = 1;
  int target_height = 0;
  int target_width = 0;

  template <class V>
  void visit(V& v) {
    v.required("min_scale", min_scale, above(0), "smallest scale");
    v.required("max_scale", max_scale, above(0), "largest scale");
    v.required("target_height", target_height, at_least(1), "pixels");
    v.required("target_width", target_width, at_least(1), "pixels");
  }
};

struct FixedSizeCropSpec {
  static constexpr const char* kName = "FixedSizeCrop";
  static constexpr const char* kDoc =
      "cuts a part of this size out at a random place; smaller pictures are padded to it on the right and below";
  std::vector<int> crop_size;
  bool pad = true;
  double pad_value = 128;

  template <class V>
  void visit(V& v) {
    v.required("crop_size", crop_size, at_least(1).length(2), "(height, width) in pixels");
    v("pad", pad, any(), "False: smaller pictures stay smaller");
    v("pad_value", pad_value, in_range(0, 255), "of the padding's pixels, before normalisation");
  }
};

struct RandomCropSpec {
  static constexpr const char* kName = "RandomCrop";
  static constexpr const char* kDoc = "cuts a random part out";
  std::string crop_type;
  std::vector<double> crop_size;

  template <class V>
  void visit(V& v) {
    v.required("crop_type", crop_type, one_of({"relative_range", "relative", "absolute", "absolute_range"}),
               "what crop_size means: shares of the picture (relative_range: at least that much), pixels, or (lowest, "
               "highest) pixels of each side");
    v.required("crop_size", crop_size, above(0).length(2), "(height, width) of the part");
  }
};

struct RandomFlipSpec {
  static constexpr const char* kName = "RandomFlip";
  static constexpr const char* kDoc = "mirrors left to right, or top to bottom";
  double prob = 0.5;
  bool horizontal = true;
  bool vertical = false;

  template <class V>
  void visit(V& v) {
    v("prob", prob, in_range(0, 1), "share of pictures that are mirrored");
    v("horizontal", horizontal, any(), "left to right");
    v("vertical", vertical, any(), "top to bottom (then horizontal must be False)");
  }
};

struct RandomRotationSpec {
  static constexpr const char* kName = "RandomRotation";
  static constexpr const char* kDoc = "turns by a random angle, anticlockwise; what comes in at the corners is black";
  std::vector<double> angle;
  bool expand = true;
  std::vector<std::vector<double>> center;
  std::string sample_style = "range";

  template <class V>
  void visit(V& v) {
    v.required("angle", angle, in_range(-360, 360), "degrees");
    v("expand", expand, any(), "the picture grows until all of it is visible");
    v("center", center, any().length(2),
      "of the turn, as shares (x, y) of the picture: [lowest, highest], or the choices; []: its centre");
    v("sample_style", sample_style, one_of({"range", "choice"}),
      "range: any angle between the two; choice: one of the angles");
  }
};

// Random blends: a weight of 1 leaves the picture as it is.
struct RandomIntensitySpec {
  double intensity_min = 1;
  double intensity_max = 1;

  template <class V>
  void visit(V& v) {
    v.required("intensity_min", intensity_min, at_least(0), "smallest factor; 1 changes nothing");
    v.required("intensity_max", intensity_max, at_least(0), "largest factor");
  }
};

struct RandomBrightnessSpec : RandomIntensitySpec {
  static constexpr const char* kName = "RandomBrightness";
  static constexpr const char* kDoc = "multiplies the pixels by a random factor";
};

struct RandomContrastSpec : RandomIntensitySpec {
  static constexpr const char* kName = "RandomContrast";
  static constexpr const char* kDoc = "moves the pixels away from the picture's mean by a random factor";
};

struct RandomSaturationSpec : RandomIntensitySpec {
  static constexpr const char* kName = "RandomSaturation";
  static constexpr const char* kDoc = "moves the pixels away from their gray by a random factor";
};

struct RandomLightingSpec {
  static constexpr const char* kName = "RandomLighting";
  static constexpr const char* kDoc = "adds a random colour along the principal colours of ImageNet (AlexNet's)";
  double scale = 0;

  template <class V>
  void visit(V& v) {
    v.required("scale", scale, at_least(0),
               "standard deviation of the principal colours' weights, for pixels from 0 to 255: 25.5 is AlexNet's 0.1");
  }
};

struct CopyPasteSpec {
  static constexpr const char* kName = "CopyPaste";
  static constexpr const char* kDoc =
      "pastes random instances of another picture, which goes through the entries before this one by itself; masks and "
      "boxes under them shrink (arXiv:2012.07177). Not in detectron2";
  double prob = 0.5;
  double instance_prob = 0.5;
  int max_instances = 100;
  int min_area = 1;

  template <class V>
  void visit(V& v) {
    v("prob", prob, in_range(0, 1), "share of pictures that get something");
    v("instance_prob", instance_prob, in_range(0, 1), "share of the other picture's instances taken; at least one");
    v("max_instances", max_instances, at_least(1), "at most as many");
    v("min_area", min_area, at_least(1), "instances of which fewer pixels stay visible are dropped");
  }
};

struct RandomApplySpec {
  static constexpr const char* kName = "RandomApply";
  static constexpr const char* kDoc = "applies another augmentation, or a list of them, now and then";
  std::vector<AugmentationSpec> augmentations;
  double prob = 0.5;

  template <class V>
  void visit(V& v) {
    v.required("tfm_or_aug", augmentations, any(), "such as RandomBrightness(0.5, 1.5)");
    v("prob", prob, in_range(0, 1), "share of pictures it is applied to");
  }
};

// One augmentation with its parameters.
struct AugmentationSpec {
  std::variant<ResizeSpec, ResizeShortestEdgeSpec, ResizeScaleSpec, FixedSizeCropSpec, RandomCropSpec, RandomFlipSpec,
               RandomRotationSpec, RandomBrightnessSpec, RandomContrastSpec, RandomSaturationSpec, RandomLightingSpec,
               CopyPasteSpec, RandomApplySpec>
      value;
};

// Reads entries such as "RandomFlip()", "ResizeShortestEdge(short_edge_length=[640, 800], sample_style=choice)" and
// "RandomCrop('relative', (0.8, 0.8))": calls as Python has them, words with or without quotes, a leading "T." allowed.
// Throws ConfigError naming the entry, the parameter and what is allowed; `where` ("file:line"), if any, goes to its
// end.
std::vector<AugmentationSpec> parse_augmentations(const std::vector<std::string>& entries,
                                                  const std::string& where = "");

// The augmentations and their parameters as Markdown tables, a part of docs/config.md.
std::string augmentation_reference_markdown();

}  // namespace fastermask
