// Writes generated scenes as a COCO data set.
#include <nlohmann/json.hpp>

#include <atomic>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/progress.h"
#include "fastermask/data/image_io.h"
#include "fastermask/data/mask_outline.h"
#include "fastermask/data/synth.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using Json = nlohmann::ordered_json;

// Validation scenes begin here in the endless sequence, so that more training scenes leave them as they are.
constexpr std::int64_t kFirstValidationScene = 1'000'000'000;

Json outline_json(const Rle& mask) {
  Json polygons = Json::array();
  for (const Polygon& polygon : mask_outlines(rle_decode(mask))) {
    Json numbers = Json::array();
    for (const double value : polygon) numbers.push_back(static_cast<int>(value));
    polygons.push_back(std::move(numbers));
  }
  return polygons;
}

// The annotations of one scene, without ids.
std::vector<Json> scene_annotations(const Scene& scene) {
  std::vector<Json> annotations;
  for (std::size_t i = 0; i < scene.instances.size(); ++i) {
    const Rle& mask = std::get<Rle>(scene.instances.masks[i]);
    const Box& box = scene.instances.boxes[i];
    Json annotation;
    annotation["category_id"] = scene.instances.classes[i] + 1;
    annotation["bbox"] = {std::lround(box.x1), std::lround(box.y1), std::lround(box.width()),
                          std::lround(box.height())};
    annotation["area"] = rle_area(mask);
    annotation["iscrowd"] = 0;
    annotation["segmentation"] = outline_json(mask);
    annotations.push_back(std::move(annotation));
  }
  return annotations;
}

struct Split {
  std::string name;
  std::int64_t first_scene = 0;
  int count = 0;
};

std::string write_split(const std::string& folder, const SynthOptions& options, const std::vector<std::string>& classes,
                        const Split& split) {
  const std::string image_folder = join_path(folder, "images/" + split.name);
  make_folders(image_folder);
  std::vector<std::vector<Json>> annotations(static_cast<std::size_t>(split.count));
  std::vector<std::string> names(annotations.size());
  ProgressBar bar("synth " + split.name, split.count);
  std::atomic<int> done{0};
  parallel_for(0, split.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::size_t at = static_cast<std::size_t>(i);
      const Scene scene = make_scene(options.scene, split.first_scene + i);
      names[at] = fmt::format("{:06d}{}", i + 1, options.image_ending);
      write_image(join_path(image_folder, names[at]), scene.image);
      annotations[at] = scene_annotations(scene);
      const int finished = ++done;
      if (begin == 0) bar.update(finished);
    }
  });

  Json document;
  document["info"] = {{"description", "generated scenes (fastermask data synth)"}, {"seed", options.scene.seed}};
  document["images"] = Json::array();
  document["annotations"] = Json::array();
  document["categories"] = Json::array();
  for (std::size_t i = 0; i < classes.size(); ++i)
    document["categories"].push_back({{"id", i + 1}, {"name", classes[i]}});
  std::int64_t next_id = 1;
  for (std::size_t i = 0; i < names.size(); ++i) {
    document["images"].push_back({{"id", i + 1},
                                  {"file_name", names[i]},
                                  {"height", options.scene.size.height},
                                  {"width", options.scene.size.width}});
    for (Json& annotation : annotations[i]) {
      annotation["id"] = next_id++;
      annotation["image_id"] = i + 1;
      document["annotations"].push_back(std::move(annotation));
    }
  }
  const std::string path = join_path(folder, "annotations/instances_" + split.name + ".json");
  write_file_atomic(path, document.dump() + "\n");
  return path;
}

}  // namespace

std::vector<std::string> write_synthetic_dataset(const std::string& folder, const SynthOptions& options) {
  if (options.train_images < 1 || options.val_images < 1) {
    fail<UsageError>("synth: a data set needs at least one picture to train and one to validate, got {} and {}",
                     options.train_images, options.val_images);
  }
  if (!has_image_ending("x" + options.image_ending)) {
    fail<UsageError>("synth: pictures must end in .jpg, .png or .webp, got '{}'", options.image_ending);
  }
  std::vector<std::string> classes = options.scene.classes;
  if (classes.empty()) {
    classes = synth_class_names();
    classes.resize(5);
  }
  return {write_split(folder, options, classes, {"train", 0, options.train_images}),
          write_split(folder, options, classes, {"val", kFirstValidationScene, options.val_images})};
}

}  // namespace fastermask
