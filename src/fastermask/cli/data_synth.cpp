// `fastermask data synth`.
#include <cstdio>
#include <memory>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/data.h"
#include "fastermask/data/synth.h"

namespace fastermask::cli {
namespace {

struct SynthArguments {
  std::string output;
  std::string size = "256x256";
  std::string format = "jpg";
  SynthOptions options;
};

void run_data_synth(SynthArguments& arguments) {
  arguments.options.scene.size = parse_image_size(arguments.size);
  arguments.options.image_ending = "." + arguments.format;
  const std::vector<std::string> files = write_synthetic_dataset(arguments.output, arguments.options);
  fmt::print("train: {}:{} ({} pictures)\n", files[0], join_path(arguments.output, "images/train"),
             arguments.options.train_images);
  fmt::print("val:   {}:{} ({} pictures)\n", files[1], join_path(arguments.output, "images/val"),
             arguments.options.val_images);
}

}  // namespace

void add_data_synth(CLI::App& data) {
  CLI::App* command = data.add_subcommand("synth", "Generate scenes of shapes with exact masks, as a COCO data set");
  auto arguments = std::make_shared<SynthArguments>();
  SynthOptions& options = arguments->options;
  command->add_option("--output", arguments->output, "folder to write images/ and annotations/ into")->required();
  command->add_option("--train", options.train_images, "pictures to train on")->capture_default_str();
  command->add_option("--val", options.val_images, "pictures to validate on")->capture_default_str();
  command->add_option("--size", arguments->size, "WIDTHxHEIGHT of a picture")->capture_default_str();
  command->add_option("--seed", options.scene.seed, "another seed gives other scenes")->capture_default_str();
  command->add_option("--classes", options.scene.classes,
                      "shapes, with commas between: " + join(synth_class_names(), ", ") + " (default: the first five)")
      ->delimiter(',');
  command->add_option("--min-objects", options.scene.min_objects, "fewest objects a picture")->capture_default_str();
  command->add_option("--max-objects", options.scene.max_objects, "most objects a picture")->capture_default_str();
  command->add_option("--format", arguments->format, "jpg, png or webp")
      ->check(CLI::IsMember({"jpg", "png", "webp"}))
      ->capture_default_str();
  command->footer("Example: fastermask data synth --output scenes --train 200 --val 40 --size 256x256 --seed 1");
  command->callback([arguments] { run_data_synth(*arguments); });
}

}  // namespace fastermask::cli
