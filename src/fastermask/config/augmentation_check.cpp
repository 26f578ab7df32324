#include "fastermask/config/augmentation_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// One overload an augmentation; those without rules of this kind take the general one.
struct AugmentationRules {
  const std::string& entry;
  const std::string& where;
  bool nested;

  template <class T>
  void require(bool fits, const T&, const std::string& what) const {
    if (!fits) fail<ConfigError>("config: {}: {}{}{}", entry, T::kName, what, where);
  }

  template <class T>
  void operator()(const T& spec) const {
    if constexpr (std::is_base_of_v<RandomIntensitySpec, T>) {
      require(spec.intensity_min <= spec.intensity_max, spec,
              fmt::format(".intensity_min must be at most intensity_max, got {} and {}", spec.intensity_min,
                          spec.intensity_max));
    }
  }

  void operator()(const ResizeSpec& spec) const {
    require(spec.shape.size() == 1 || spec.shape.size() == 2, spec,
            fmt::format(".shape must be (height, width) or one number, got {} numbers", spec.shape.size()));
  }

  void operator()(const ResizeShortestEdgeSpec& spec) const {
    const std::vector<int>& lengths = spec.short_edge_length;
    require(!lengths.empty(), spec, ".short_edge_length must name at least one length");
    if (spec.sample_style == "choice") return;
    require(lengths.size() == 1 || (lengths.size() == 2 && lengths[0] <= lengths[1]), spec,
            fmt::format(".short_edge_length must be (lowest, highest) where sample_style is range, got [{}]; "
                        "sample_style=choice takes any list",
                        fmt::join(lengths, ", ")));
  }

  void operator()(const ResizeScaleSpec& spec) const {
    require(spec.min_scale <= spec.max_scale, spec,
            fmt::format(".min_scale must be at most max_scale, got {} and {}", spec.min_scale, spec.max_scale));
  }

  void operator()(const RandomCropSpec& spec) const {
    const double height = spec.crop_size[0];
    const double width = spec.crop_size[1];
    if (spec.crop_type == "relative" || spec.crop_type == "relative_range") {
      require(height <= 1 && width <= 1, spec,
              fmt::format(".crop_size must be shares in (0, 1] where crop_type is {}, got ({}, {})", spec.crop_type,
                          height, width));
      return;
    }
    require(height >= 1 && width >= 1, spec,
            fmt::format(".crop_size must be at least one pixel where crop_type is {}, got ({}, {})", spec.crop_type,
                        height, width));
    require(spec.crop_type == "absolute" || height <= width, spec,
            fmt::format(".crop_size must be (lowest, highest) in pixels where crop_type is absolute_range, got ({}, "
                        "{})",
                        height, width));
  }

  void operator()(const RandomFlipSpec& spec) const {
    require(spec.horizontal != spec.vertical, spec,
            spec.horizontal ? " must have either horizontal or vertical, got both; use two RandomFlip entries"
                            : " must have horizontal or vertical, got neither");
  }

  void operator()(const RandomRotationSpec& spec) const {
    require(!spec.angle.empty(), spec, ".angle must name at least one angle");
    if (spec.sample_style == "choice") return;
    require(spec.angle.size() == 1 || (spec.angle.size() == 2 && spec.angle[0] <= spec.angle[1]), spec,
            fmt::format(".angle must be (lowest, highest) where sample_style is range, got [{}]",
                        fmt::join(spec.angle, ", ")));
    require(spec.center.size() <= 2, spec,
            fmt::format(".center must be [lowest, highest] where sample_style is range, got {} points",
                        spec.center.size()));
  }

  void operator()(const CopyPasteSpec& spec) const {
    require(!nested, spec, " cannot be inside RandomApply; it has a prob of its own");
  }
};

}  // namespace

void check_augmentation(const AugmentationSpec& spec, const std::string& entry, const std::string& where, bool nested) {
  std::visit(AugmentationRules{entry, where, nested}, spec.value);
}

}  // namespace fastermask
