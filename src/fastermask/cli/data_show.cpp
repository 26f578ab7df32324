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
#include "fastermask/data/catalog.h"

namespace fastermask::cli {
namespace {

struct ShowArguments {
  std::string dataset;
  std::string output;
  int count = 20;
  bool augmented = false;
  bool shuffle = false;
  std::uint64_t seed = 1;
  int min_size = 0;
};

MapperOptions show_mapper_options(const ShowArguments& arguments) {
  MapperOptions options;
  options.augmentation.min_sizes = {arguments.min_size};
  if (arguments.augmented) {
    options.augmentation.min_sizes = arguments.min_size > 0 ? std::vector<int>{arguments.min_size}
                                                            : std::vector<int>{640, 672, 704, 736, 768, 800};
    options.augmentation.flip = FlipMode::horizontal;
    options.augmentation.crop = CropMode::relative_range;
  }
  return options;
}

void run_data_show(const ShowArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  if (arguments.count < 1) fail<UsageError>("--count must be at least 1, got {}", arguments.count);
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
  const MapperOptions options = show_mapper_options(arguments);
  ProgressBar bar("show", count);
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const ImageRecord& record = dataset.records[static_cast<std::size_t>(chosen[static_cast<std::size_t>(i)])];
      const Random random(arguments.seed, RandomPurpose::augmentation, static_cast<std::uint64_t>(i),
                          static_cast<std::uint64_t>(record.id));
      const std::string stem = std::filesystem::path(record.file_name).stem().string();
      write_image(join_path(arguments.output, stem + ".jpg"), annotated_picture(dataset, record, options, random));
      if (begin == 0) bar.update(i * count / end);
    }
  });
  fmt::print("{} pictures in {}\n", count, arguments.output);
}

}  // namespace

void add_data_show(CLI::App& data) {
  CLI::App* command = data.add_subcommand("show", "Draw pictures with their annotations");
  auto arguments = std::make_shared<ShowArguments>();
  command->add_option("dataset", arguments->dataset, "ANNOTATIONS.json:IMAGE_FOLDER, or a registered name")->required();
  command->add_option("--output", arguments->output, "folder for the drawn pictures")->required();
  command->add_option("--count", arguments->count, "pictures to draw")->capture_default_str();
  command->add_flag("--augmented", arguments->augmented, "as training sees them: cropped, resized, flipped at random");
  command->add_flag("--shuffle", arguments->shuffle, "random pictures instead of the first ones");
  command->add_option("--seed", arguments->seed, "of --augmented and --shuffle")->capture_default_str();
  command->add_option("--min-size", arguments->min_size, "short edge of the drawn pictures; 0: as they are")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->footer("Example: fastermask data show annotations/train.json:images --output shown --count 50 --augmented");
  command->callback([arguments] { run_data_show(*arguments); });
}

}  // namespace fastermask::cli
