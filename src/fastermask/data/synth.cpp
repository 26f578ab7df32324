#include "fastermask/data/synth.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/data/synth_paint.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

constexpr int kSubPixels = 4;              // coverage is counted on a 4 x 4 grid in each pixel
constexpr double kMinVisibleShare = 0.35;  // of an object's pixels inside the picture
constexpr int kMinVisiblePixels = 48;
constexpr int kPlacementTries = 30;

const std::vector<std::string>& all_synth_classes() {
  static const std::vector<std::string> names = {"disc", "square", "triangle", "star", "ring", "crescent", "cross"};
  return names;
}

// Indices into synth_class_names() of the wanted classes.
std::vector<int> chosen_shapes(const SceneOptions& options) {
  const std::vector<std::string>& names = all_synth_classes();
  std::vector<int> shapes;
  for (const std::string& name : options.classes) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      fail<UsageError>("synth: unknown class '{}'{}; the classes are {}", name, did_you_mean(name, names),
                       join(names, ", "));
    }
    shapes.push_back(static_cast<int>(found - names.begin()));
  }
  if (shapes.empty()) shapes = {0, 1, 2, 3, 4};
  return shapes;
}

void check_scene_options(const SceneOptions& options) {
  if (options.size.height < 32 || options.size.width < 32 || options.size.height > 8192 || options.size.width > 8192) {
    fail<UsageError>("synth: pictures must be 32 to 8192 pixels high and wide, got {}x{}", options.size.height,
                     options.size.width);
  }
  if (options.min_objects < 0 || options.max_objects < options.min_objects || options.max_objects > 200) {
    fail<UsageError>("synth: objects a picture must be 0 to 200, lowest first, got {} to {}", options.min_objects,
                     options.max_objects);
  }
}

struct ObjectPose {
  int shape = 0;
  double x = 0;
  double y = 0;
  double radius = 0;
  double stretch = 1;
  double cos = 1;
  double sin = 0;

  bool covers(double px, double py) const {
    const double dx = (px - x) / radius;
    const double dy = (py - y) / radius;
    return inside_shape(shape, (dx * cos + dy * sin) / stretch, (dy * cos - dx * sin) * stretch);
  }
};

// The share of each pixel that an object covers, over its bounds in the picture.
struct ObjectCover {
  int x_begin = 0;
  int x_end = 0;
  int y_begin = 0;
  int y_end = 0;
  std::vector<float> shares;  // [y_end - y_begin][x_end - x_begin]
  int pixels = 0;             // covered at least half

  float at(int x, int y) const {
    const auto width = static_cast<std::size_t>(x_end - x_begin);
    return shares[static_cast<std::size_t>(y - y_begin) * width + static_cast<std::size_t>(x - x_begin)];
  }
};

ObjectCover cover_of(const ObjectPose& pose, ImageSize size) {
  ObjectCover cover;
  const double reach = pose.radius * 1.5;
  cover.x_begin = std::clamp(static_cast<int>(pose.x - reach), 0, size.width);
  cover.x_end = std::clamp(static_cast<int>(pose.x + reach) + 1, 0, size.width);
  cover.y_begin = std::clamp(static_cast<int>(pose.y - reach), 0, size.height);
  cover.y_end = std::clamp(static_cast<int>(pose.y + reach) + 1, 0, size.height);
  for (int y = cover.y_begin; y < cover.y_end; ++y) {
    for (int x = cover.x_begin; x < cover.x_end; ++x) {
      int hits = 0;
      for (int sub = 0; sub < kSubPixels * kSubPixels; ++sub) {
        hits += pose.covers(x + (sub % kSubPixels + 0.5) / kSubPixels, y + (sub / kSubPixels + 0.5) / kSubPixels);
      }
      const float share = static_cast<float>(hits) / (kSubPixels * kSubPixels);
      cover.shares.push_back(share);
      cover.pixels += share >= 0.5f;
    }
  }
  return cover;
}

struct SceneObject {
  int category = 0;
  int pixels = 0;   // inside the picture, hidden or not
  int visible = 0;  // of them not hidden
};

// A scene while it is painted, back to front.
class ScenePainter {
 public:
  ScenePainter(const SceneOptions& options, std::int64_t index)
      : size_(options.size), shapes_(chosen_shapes(options)),
        random_(options.seed, RandomPurpose::synthetic_scene, static_cast<std::uint64_t>(index)),
        image_(size_.height, size_.width), owner_(image_.pixels.size() / 3, -1) {
    paint_background();
    const int objects = options.min_objects + static_cast<int>(random_.uniform_int(options.max_objects -
                                                                                   options.min_objects + 1));
    for (int i = 0; i < objects; ++i) add_object();
    add_grain();
  }

  Scene finish() {
    Scene scene;
    scene.image = std::move(image_);
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      BitMask mask(size_.height, size_.width);
      for (std::size_t p = 0; p < owner_.size(); ++p) mask.pixels[p] = owner_[p] == static_cast<int>(i);
      Rle rle = rle_encode(mask);
      const auto xywh = rle_to_xywh(rle);
      scene.instances.boxes.push_back({static_cast<float>(xywh[0]), static_cast<float>(xywh[1]),
                                       static_cast<float>(xywh[0] + xywh[2]), static_cast<float>(xywh[1] + xywh[3])});
      scene.instances.classes.push_back(objects_[i].category);
      scene.instances.masks.emplace_back(std::move(rle));
    }
    return scene;
  }

 private:
  void paint_background() {
    const Colour none = {-1000, -1000, -1000};
    const Texture texture(random_, std::max(size_.height, size_.width) / random_.uniform(4, 14), none, 0);
    background_ = texture.base();
    for (int y = 0; y < size_.height; ++y) {
      for (int x = 0; x < size_.width; ++x) blend(x, y, texture.at(x, y), 1);
    }
  }

  void blend(int x, int y, const Colour& colour, double share) {
    std::uint8_t* pixel = image_.row(y) + 3 * x;
    for (std::size_t c = 0; c < 3; ++c) {
      const double value = pixel[c] * (1 - share) + std::clamp(colour[c], 0.0, 255.0) * share;
      pixel[c] = static_cast<std::uint8_t>(value + 0.5);
    }
  }

  ObjectPose random_pose(int shape) {
    const double extent = std::min(size_.height, size_.width);
    ObjectPose pose;
    pose.shape = shape;
    pose.radius = extent * std::exp(random_.uniform(std::log(0.07), std::log(0.24)));
    pose.x = random_.uniform(0.4 * pose.radius, size_.width - 0.4 * pose.radius);
    pose.y = random_.uniform(0.4 * pose.radius, size_.height - 0.4 * pose.radius);
    pose.stretch = random_.uniform(0.88, 1.14);
    const double angle = random_.uniform(0, 6.283185307179586);
    pose.cos = std::cos(angle);
    pose.sin = std::sin(angle);
    return pose;
  }

  // True when every object behind would still show enough of itself.
  bool leaves_others_visible(const ObjectCover& cover) const {
    std::vector<int> hidden(objects_.size());
    for (int y = cover.y_begin; y < cover.y_end; ++y) {
      for (int x = cover.x_begin; x < cover.x_end; ++x) {
        const int owner = owner_[pixel_index(x, y)];
        if (owner >= 0 && cover.at(x, y) >= 0.5f) ++hidden[static_cast<std::size_t>(owner)];
      }
    }
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      const int left = objects_[i].visible - hidden[i];
      if (left < kMinVisiblePixels || left < kMinVisibleShare * objects_[i].pixels) return false;
    }
    return true;
  }

  // One more object in front, where there is room for it; none when no such place is found.
  void add_object() {
    const std::size_t choice = static_cast<std::size_t>(random_.uniform_int(static_cast<std::int64_t>(shapes_.size())));
    for (int tries = 0; tries < kPlacementTries; ++tries) {
      const ObjectPose pose = random_pose(shapes_[choice]);
      const ObjectCover cover = cover_of(pose, size_);
      if (cover.pixels < kMinVisiblePixels || !leaves_others_visible(cover)) continue;
      paint(cover, pose, static_cast<int>(choice));
      return;
    }
  }

  void paint(const ObjectCover& cover, const ObjectPose& pose, int category) {
    const Texture texture(random_, pose.radius * random_.uniform(0.3, 0.9), background_, 110);
    const double light_x = random_.uniform(-1, 1);
    const double light_y = random_.uniform(-1, 1);
    const int id = static_cast<int>(objects_.size());
    for (int y = cover.y_begin; y < cover.y_end; ++y) {
      for (int x = cover.x_begin; x < cover.x_end; ++x) {
        const float share = cover.at(x, y);
        if (share == 0) continue;
        Colour colour = texture.at(x - pose.x, y - pose.y);
        const double shade = 18 * (light_x * (x - pose.x) + light_y * (y - pose.y)) / pose.radius;
        for (double& channel : colour) channel += shade;
        blend(x, y, colour, share);
        if (share < 0.5f) continue;
        int& owner = owner_[pixel_index(x, y)];
        if (owner >= 0) --objects_[static_cast<std::size_t>(owner)].visible;
        owner = id;
      }
    }
    objects_.push_back({category, cover.pixels, cover.pixels});
  }

  // A little camera noise over everything.
  void add_grain() {
    for (std::uint8_t& value : image_.pixels) {
      const int noisy = value + static_cast<int>(random_.next_u32() % 9) - 4;
      value = static_cast<std::uint8_t>(std::clamp(noisy, 0, 255));
    }
  }

  std::size_t pixel_index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(size_.width) + static_cast<std::size_t>(x);
  }

  ImageSize size_;
  std::vector<int> shapes_;
  Random random_;
  Image image_;
  std::vector<int> owner_;  // [pixel] the front object there, or -1
  std::vector<SceneObject> objects_;
  Colour background_{};
};

}  // namespace

std::vector<std::string> synth_class_names() { return all_synth_classes(); }

Scene make_scene(const SceneOptions& options, std::int64_t index) {
  check_scene_options(options);
  return ScenePainter(options, index).finish();
}

}  // namespace fastermask
