// Generated scenes: shapes on textured backgrounds, with exact masks and boxes, as a COCO data set. For the demo, for
// tests, and for trying a config without data. Equal options give equal files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

struct SceneOptions {
  ImageSize size = {256, 256};
  std::vector<std::string> classes;  // of synth_class_names(); empty: the first five
  int min_objects = 2;
  int max_objects = 7;
  std::uint64_t seed = 1;
};

// A picture and what is visible in it.
struct Scene {
  Image image;  // BGR
  GroundTruth instances;     // boxes and masks (Rle) of the visible parts, classes into SceneOptions::classes
};

struct SynthOptions {
  SceneOptions scene;
  int train_images = 200;
  int val_images = 40;
  std::string image_ending = ".jpg";  // .jpg or .png
};

// "disc", "square", "triangle", "star", "ring", "crescent", "cross".
std::vector<std::string> synth_class_names();

// Scene number `index` of the endless sequence that `options` names. Objects nearer the front hide those behind; an
// object is kept when enough of it stays visible. Throws UsageError for unknown class names or sizes under 32 pixels.
Scene make_scene(const SceneOptions& options, std::int64_t index);

// Writes DIR/images/{train,val}/*.jpg and DIR/annotations/instances_{train,val}.json (polygons that fill exactly the
// visible pixels). Returns the two JSON paths, train first.
std::vector<std::string> write_synthetic_dataset(const std::string& folder, const SynthOptions& options);

}  // namespace fastermask
