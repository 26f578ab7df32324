// Choosing transforms by the entries of INPUT.AUGMENTATIONS: the random draws of detectron2
// data/transforms/augmentation_impl.py, from our own generator.
#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/data/augmentation.h"
#include "fastermask/data/random_crop.h"
#include "fastermask/kernels/resize.h"

namespace fastermask {
namespace {

// Principal colours of ImageNet (R, G, B) and their weights: AlexNet's, as detectron2's RandomLighting has them.
constexpr double kColourVectors[3][3] = {
    {-0.5675, 0.7192, 0.4009}, {-0.5808, -0.0045, -0.8140}, {-0.5836, -0.6948, 0.4203}};
constexpr double kColourValues[3] = {0.2175, 0.0188, 0.0045};

template <class T>
const T& choose_one(const std::vector<T>& values, Random& random) {
  return values[static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(values.size())))];
}

// NumPy's rint and round: halves go to the even neighbour, which is what the default rounding mode does.
int round_to_int(double value) { return static_cast<int>(std::nearbyint(value)); }

class ListChooser {
 public:
  ListChooser(ImageSize size, bool red_first, Random& random) : size_(size), red_first_(red_first), random_(random) {}

  void choose(Span<const AugmentationSpec> list) {
    for (const AugmentationSpec& spec : list) {
      std::visit([this](const auto& value) { add(value); }, spec.value);
    }
  }

  Transforms take() { return std::move(transforms_); }

 private:
  void resize_to(ImageSize to) {
    if (to == size_) return;
    transforms_.emplace_back(ResizeTransform{size_, to});
    size_ = to;
  }

  void crop_to(const CropTransform& crop) {
    transforms_.emplace_back(crop);
    size_ = crop.to;
  }

  void add(const ResizeSpec& spec) { resize_to({spec.shape.front(), spec.shape.back()}); }

  void add(const ResizeShortestEdgeSpec& spec) {
    const std::vector<int>& lengths = spec.short_edge_length;
    const int length = spec.sample_style == "choice" ? choose_one(lengths, random_)
                                                     : random_between(random_, lengths.front(), lengths.back());
    resize_to(resize_shortest_edge_size(size_, length, spec.max_size));
  }

  void add(const ResizeScaleSpec& spec) {
    const double scale = random_.uniform(spec.min_scale, spec.max_scale);
    const double fit = std::min(spec.target_height * scale / size_.height, spec.target_width * scale / size_.width);
    resize_to({std::max(round_to_int(size_.height * fit), 1), std::max(round_to_int(size_.width * fit), 1)});
  }

  void add(const FixedSizeCropSpec& spec) {
    const ImageSize wanted{spec.crop_size[0], spec.crop_size[1]};
    // One draw for both axes, as the reference has it.
    const double place = random_.uniform();
    const ImageSize to{std::min(wanted.height, size_.height), std::min(wanted.width, size_.width)};
    if (to != size_) {
      CropTransform crop{size_, 0, 0, to};
      crop.x = round_to_int((size_.width - to.width) * place);
      crop.y = round_to_int((size_.height - to.height) * place);
      crop_to(crop);
    }
    if (!spec.pad || wanted == size_) return;
    transforms_.emplace_back(PadTransform{size_, wanted, static_cast<std::uint8_t>(spec.pad_value)});
    size_ = wanted;
  }

  void add(const RandomCropSpec& spec) {
    const CropMode mode = spec.crop_type == "relative_range" ? CropMode::relative_range
                          : spec.crop_type == "relative"     ? CropMode::relative
                          : spec.crop_type == "absolute"     ? CropMode::absolute
                                                             : CropMode::absolute_range;
    crop_to(choose_crop(mode, spec.crop_size[0], spec.crop_size[1], size_, random_));
  }

  void add(const RandomFlipSpec& spec) {
    if (!random_.bernoulli(spec.prob)) return;
    if (spec.horizontal) {
      transforms_.emplace_back(HorizontalFlip{size_});
    } else {
      transforms_.emplace_back(VerticalFlip{size_});
    }
  }

  void add(const RandomRotationSpec& spec) {
    const bool range = spec.sample_style == "range";
    const double angle =
        range ? random_.uniform(spec.angle.front(), spec.angle.back()) : choose_one(spec.angle, random_);
    std::array<double, 2> center{};
    if (!spec.center.empty()) {
      const std::vector<double>& low = range ? spec.center.front() : choose_one(spec.center, random_);
      const std::vector<double>& high = range ? spec.center.back() : low;
      const double x = random_.uniform(low[0], high[0]);
      const double y = random_.uniform(low[1], high[1]);
      center = {size_.width * x, size_.height * y};
    }
    if (std::fmod(angle, 360.0) == 0) return;
    const RotationTransform rotation =
        make_rotation(size_, angle, spec.expand, spec.center.empty() ? nullptr : &center);
    transforms_.emplace_back(rotation);
    size_ = rotation.to;
  }

  void add_colour(ColourTransform::Kind kind, const RandomIntensitySpec& spec) {
    ColourTransform colour;
    colour.kind = kind;
    colour.weight = random_.uniform(spec.intensity_min, spec.intensity_max);
    colour.red_first = red_first_;
    transforms_.emplace_back(colour);
  }
  void add(const RandomBrightnessSpec& spec) { add_colour(ColourTransform::Kind::brightness, spec); }
  void add(const RandomContrastSpec& spec) { add_colour(ColourTransform::Kind::contrast, spec); }
  void add(const RandomSaturationSpec& spec) { add_colour(ColourTransform::Kind::saturation, spec); }

  void add(const RandomLightingSpec& spec) {
    ColourTransform colour;
    colour.kind = ColourTransform::Kind::lighting;
    colour.red_first = red_first_;
    for (std::size_t k = 0; k < 3; ++k) {
      const double weight = random_.normal() * spec.scale * kColourValues[k];
      for (std::size_t c = 0; c < 3; ++c) colour.shift[c] += kColourVectors[c][k] * weight;
    }
    transforms_.emplace_back(colour);
  }

  void add(const CopyPasteSpec&) {}

  void add(const RandomApplySpec& spec) {
    if (random_.bernoulli(spec.prob)) choose(spec.augmentations);
  }

  ImageSize size_;  // after the transforms so far
  bool red_first_;
  Random& random_;
  Transforms transforms_;
};

}  // namespace

Transforms choose_from_list(Span<const AugmentationSpec> list, ImageSize size, bool red_first, Random& random) {
  ListChooser chooser(size, red_first, random);
  chooser.choose(list);
  return chooser.take();
}

RotationTransform make_rotation(ImageSize size, double angle, bool expand, const std::array<double, 2>* center) {
  constexpr double kRadians = 3.14159265358979323846 / 180;
  const double alpha = std::cos(angle * kRadians);
  const double beta = std::sin(angle * kRadians);
  RotationTransform rotation;
  rotation.from = size;
  rotation.to = size;
  const double w = size.width;
  const double h = size.height;
  if (expand) {
    rotation.to = {round_to_int(h * std::abs(alpha) + w * std::abs(beta)),
                   round_to_int(h * std::abs(beta) + w * std::abs(alpha))};
  }
  // cv2.getRotationMatrix2D, which takes the centre in 32 bits; then the image's centre goes to the new image's centre.
  const auto map_with_offset = [&](double offset) {
    const double cx = static_cast<double>(static_cast<float>((center == nullptr ? w / 2 : (*center)[0]) + offset));
    const double cy = static_cast<double>(static_cast<float>((center == nullptr ? h / 2 : (*center)[1]) + offset));
    AffineMap map = {alpha, beta, (1 - alpha) * cx - beta * cy, -beta, alpha, beta * cx + (1 - alpha) * cy};
    if (expand) {
      const double x = w / 2 + offset;
      const double y = h / 2 + offset;
      map[2] += rotation.to.width / 2.0 + offset - (map[0] * x + map[1] * y + map[2]);
      map[5] += rotation.to.height / 2.0 + offset - (map[3] * x + map[4] * y + map[5]);
    }
    return map;
  };
  rotation.points = map_with_offset(0);
  rotation.pixels = map_with_offset(-0.5);
  return rotation;
}

}  // namespace fastermask
