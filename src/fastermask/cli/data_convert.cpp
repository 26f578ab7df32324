// `fastermask data convert`.
#include <cstdio>
#include <memory>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/data.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/labelme_folder.h"
#include "fastermask/data/via_project.h"

namespace fastermask::cli {
namespace {

struct ConvertArguments {
  std::string dataset;
  std::string output;
  std::vector<std::string> classes;
  std::string attribute;
};

// "labels:pictures" -> ("labels", "pictures"); without a ':' behind something that exists, ("labels", "").
std::pair<std::string, std::string> take_apart(const std::string& dataset) {
  if (path_exists(expand_user(dataset))) return {expand_user(dataset), ""};
  for (std::size_t at = dataset.find(':'); at != std::string::npos; at = dataset.find(':', at + 1)) {
    const std::string left = expand_user(dataset.substr(0, at));
    if (path_exists(left)) return {left, expand_user(dataset.substr(at + 1))};
  }
  return {dataset, ""};
}

void write_drawn(const DrawnDataset& set, const std::string& output) {
  write_file_atomic(output, set.json);
  fmt::print("{}:{} ({} pictures, {} instances)\n", output, set.image_root, set.images, set.instances);
  if (set.left_out > 0)
    fmt::print(stderr, "{} shapes were left out: points, lines, or without a class\n", set.left_out);
  if (set.boxes_as_masks > 0)
    fmt::print(stderr, "{} instances are boxes among outlines: the whole box is taken as their mask\n",
               set.boxes_as_masks);
}

void run_data_convert(const ConvertArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  const auto [source, images] = take_apart(arguments.dataset);
  if (is_folder(source)) return write_drawn(labelme_to_coco(source, images, arguments.classes), arguments.output);
  if (is_file(source) && looks_like_via(MappedFile(source).view())) {
    return write_drawn(via_to_coco(source, images, arguments.classes, arguments.attribute), arguments.output);
  }
  if (!arguments.attribute.empty()) fail<UsageError>("data convert: --attribute is for files of VIA");
  DatasetLoading loading;
  loading.class_names = arguments.classes;
  const DatasetLocation location = find_dataset(arguments.dataset, arguments.classes);
  const Dataset dataset = load_dataset(arguments.dataset, loading);  // checks it, and names the plain COCO file
  write_file_atomic(arguments.output, read_file(dataset.annotation_file));
  fmt::print("{}:{} ({} pictures)\n", arguments.output, location.image_root, dataset.records.size());
}

}  // namespace

void add_data_convert(CLI::App& data) {
  CLI::App* command = data.add_subcommand(
      "convert", "Write a data set as plain COCO JSON: labelme's, VIA's and Pascal VOC's, or masks in PNG files");
  auto arguments = std::make_shared<ConvertArguments>();
  command
      ->add_option("dataset", arguments->dataset,
                   "LABELME_FOLDER[:IMAGE_FOLDER], VIA.json[:IMAGE_FOLDER], VOC_FOLDER@SPLIT, "
                   "ANNOTATIONS.json:IMAGE_FOLDER or a registered name")
      ->required();
  command->add_option("output", arguments->output, "the JSON file to write")->required();
  command
      ->add_option("--classes", arguments->classes,
                   "class names, with commas between; otherwise labels.txt in the folder, or all that are found")
      ->delimiter(',');
  command->add_option("--attribute", arguments->attribute, "VIA: the region attribute that is the class");
  command->footer(
      "Pictures stay where they are. Masks in PNG files become RLE, circles and ellipses polygons; points and lines\n"
      "are left out. Of VIA, projects and annotations exported as JSON are read.\n"
      "Example: fastermask data convert labels/ train.json\n"
      "Example: fastermask data convert via_project.json:images train.json --attribute kind\n"
      "Example: fastermask data convert VOCdevkit/VOC2007@trainval voc_2007_trainval.json");
  command->callback([arguments] { run_data_convert(*arguments); });
}

}  // namespace fastermask::cli
