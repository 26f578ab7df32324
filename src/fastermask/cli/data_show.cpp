// `fastermask data show`.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/progress.h"
#include "fastermask/cli/data.h"
#include "fastermask/cli/data_picture.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"

namespace fastermask::cli {
namespace {

struct ShowArguments {
  std::string dataset;
  std::string output;
  std::string config_file;
  int count = 20;
  int copies = 1;
  bool augmented = false;
  bool shuffle = false;
  std::uint64_t seed = 1;
  int min_size = 0;
};

// The augmentations of the config, or of detectron2's usual one and a crop. Pictures are drawn on in BGR.
AugmentationOptions show_augmentation(const CLI::App& command, const ShowArguments& arguments) {
  const std::vector<std::string> pairs = overrides_of(command);
  const bool configured = !arguments.config_file.empty() || !pairs.empty();
  AugmentationOptions augmentation;
  if (configured) {
    const Config config = load_config(arguments.config_file, pairs);
    augmentation = make_training_loader_options(config, 1, arguments.seed).mapper.augmentation;
    augmentation.red_first = false;
  } else {
    augmentation.min_sizes = {640, 672, 704, 736, 768, 800};
    augmentation.flip = FlipMode::horizontal;
    augmentation.crop = CropMode::relative_range;
  }
  if (!arguments.augmented) {
    if (configured) fail<UsageError>("--config-file and KEY VALUE pairs say how to augment; add --augmented");
    augmentation = AugmentationOptions();
    augmentation.min_sizes = {arguments.min_size};
  } else if (arguments.min_size > 0) {
    augmentation.min_sizes = {arguments.min_size};
    augmentation.min_size_range = false;
    if (!augmentation.list.empty()) {
      fail<UsageError>("--min-size does not go together with INPUT.AUGMENTATIONS, which says how pictures are resized");
    }
  }
  return augmentation;
}

void run_data_show(const CLI::App& command, const ShowArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  if (arguments.count < 1) fail<UsageError>("--count must be at least 1, got {}", arguments.count);
  if (arguments.copies < 1) fail<UsageError>("--copies must be at least 1, got {}", arguments.copies);
  MapperOptions options;
  options.augmentation = show_augmentation(command, arguments);
  const Dataset dataset = load_dataset(arguments.dataset);
  const std::int64_t total = static_cast<std::int64_t>(dataset.records.size());
  const std::int64_t count = std::min<std::int64_t>(arguments.count, total);
  std::vector<std::int64_t> chosen;
  if (arguments.shuffle) {
    chosen = Random(arguments.seed, RandomPurpose::shuffle).sample(total, count);
  } else {
    for (std::int64_t i = 0; i < count; ++i) chosen.push_back(i);
  }
  make_folders(arguments.output);
  const std::int64_t drawings = count * arguments.copies;
  ProgressBar bar("show", drawings);
  parallel_for(0, drawings, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t place = chosen[static_cast<std::size_t>(i / arguments.copies)];
      const ImageRecord& record = dataset.records[static_cast<std::size_t>(place)];
      const Random random(arguments.seed, RandomPurpose::augmentation, static_cast<std::uint64_t>(i),
                          static_cast<std::uint64_t>(record.id));
      std::string stem = std::filesystem::path(record.file_name).stem().string();
      if (arguments.copies > 1) stem += fmt::format("_{}", i % arguments.copies + 1);
      write_image(join_path(arguments.output, stem + ".jpg"), annotated_picture(dataset, record, options, random));
      if (begin == 0) bar.update(i * drawings / end);
    }
  });
  fmt::print("{} pictures in {}\n", drawings, arguments.output);
}

}  // namespace

void add_data_show(CLI::App& data) {
  CLI::App* command = data.add_subcommand("show", "Draw pictures with their annotations");
  auto arguments = std::make_shared<ShowArguments>();
  command->add_option("dataset", arguments->dataset, "ANNOTATIONS.json:IMAGE_FOLDER, or a registered name")->required();
  command->add_option("--output", arguments->output, "folder for the drawn pictures")->required();
  command->add_option("--count", arguments->count, "pictures to draw")->capture_default_str();
  command->add_flag("--augmented", arguments->augmented,
                    "as training sees them: cropped, resized, flipped at random, or as the config says");
  command->add_option("--config-file", arguments->config_file, "config whose augmentations --augmented shows");
  command->add_option("--copies", arguments->copies, "drawings of each picture, each augmented anew")
      ->capture_default_str();
  command->add_flag("--shuffle", arguments->shuffle, "random pictures instead of the first ones");
  command->add_option("--seed", arguments->seed, "of --augmented and --shuffle")->capture_default_str();
  command->add_option("--min-size", arguments->min_size, "short edge of the drawn pictures; 0: as they are")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->footer(
      "Example: fastermask data show annotations/train.json:images --output shown --count 5 --copies 4 --augmented \\\n"
      "  INPUT.AUGMENTATIONS '[RandomFlip(), RandomRotation([-10, 10]), CopyPaste(prob=1)]'");
  accept_overrides(*command);
  command->callback([command, arguments] { run_data_show(*command, *arguments); });
}

}  // namespace fastermask::cli
