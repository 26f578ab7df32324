// `fastermask data convert`.
#include <cstdio>
#include <memory>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/data.h"
#include "fastermask/data/catalog.h"

namespace fastermask::cli {
namespace {

struct ConvertArguments {
  std::string dataset;
  std::string output;
  std::vector<std::string> classes;
};

void run_data_convert(const ConvertArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  DatasetLoading loading;
  loading.class_names = arguments.classes;
  const DatasetLocation location = find_dataset(arguments.dataset, arguments.classes);
  const Dataset dataset = load_dataset(arguments.dataset, loading);  // checks it, and names the plain COCO file
  write_file_atomic(arguments.output, read_file(dataset.annotation_file));
  fmt::print("{}:{} ({} pictures)\n", arguments.output, location.image_root, dataset.records.size());
}

}  // namespace

void add_data_convert(CLI::App& data) {
  CLI::App* command =
      data.add_subcommand("convert", "Write a data set as plain COCO JSON: a Pascal VOC folder, or masks in PNG files");
  auto arguments = std::make_shared<ConvertArguments>();
  command
      ->add_option("dataset", arguments->dataset,
                   "VOC_FOLDER@SPLIT, ANNOTATIONS.json:IMAGE_FOLDER or a registered name")
      ->required();
  command->add_option("output", arguments->output, "the JSON file to write")->required();
  command->add_option("--classes", arguments->classes, "class names of a VOC folder, with commas between")
      ->delimiter(',');
  command->footer(
      "Pictures stay where they are; masks in PNG files become RLE.\n"
      "Example: fastermask data convert VOCdevkit/VOC2007@trainval voc_2007_trainval.json");
  command->callback([arguments] { run_data_convert(*arguments); });
}

}  // namespace fastermask::cli
