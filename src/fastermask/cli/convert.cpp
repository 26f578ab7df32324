// `fastermask convert`: weights from one file format to another.
#include <memory>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/command.h"
#include "fastermask/weights/locate.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask::cli {
namespace {

struct ConvertOptions {
  std::string input;
  std::string output;
  std::string rename;  // "", caffe2, torchvision, mmdetection
};

// The word that --rename takes for these names.
const char* convert_rename_word(WeightNames names) {
  switch (names) {
    case WeightNames::detectron2: return "detectron2";
    case WeightNames::caffe2: return "caffe2";
    case WeightNames::torchvision_imagenet:
    case WeightNames::torchvision_detection: return "torchvision";
    case WeightNames::mmdetection: return "mmdetection";
  }
  return "";
}

void convert_run(const ConvertOptions& options) {
  WeightFile file = load_weight_file(locate_weights(options.input), true);
  const std::string found = convert_rename_word(file.names);
  if (!options.rename.empty()) {
    if (found != options.rename) {
      fail<UsageError>("convert: {}: names must be {}'s for --rename {}, they look like {}'s", file.path,
                       options.rename, options.rename, found);
    }
    convert_names(file);
  } else if (file.names != WeightNames::detectron2) {
    log_warning("weights", "{} has names of {}, which are kept; add --rename {} for detectron2's", file.path,
                weight_names_name(file.names), found);
  }
  SaveWeightsOptions save;
  if (!file.author.empty()) save.author = file.author;
  save.matching_heuristics = file.needs_name_matching;
  if (file.names == WeightNames::caffe2) {
    // detectron2 renames files of the author Caffe2 when it loads them, which must not happen twice.
    save.author = file.converted ? "FasterMask" : "Caffe2";
    save.matching_heuristics = true;
  }
  save_weight_file(options.output, file.arrays, save);
  log_info("weights", "{}: {} arrays written", options.output, file.arrays.size());
}

}  // namespace

void add_convert_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("convert", "Convert weights between .pkl, .pth, .safetensors and .npz");
  auto options = std::make_shared<ConvertOptions>();
  command->add_option("input", options->input, "weight file, recognised by its content")->required();
  command->add_option("output", options->output, "file to write; its ending (.pkl, .pth, .safetensors, .npz) decides")
      ->required();
  command->add_option("--rename", options->rename, "turn names of caffe2, torchvision or mmdetection into detectron2's")
      ->check(CLI::IsMember({"caffe2", "torchvision", "mmdetection"}));
  command->footer("Example: fastermask convert resnet50-0676ba61.pth R-50.pkl --rename torchvision");
  command->callback([options] { convert_run(*options); });
}

}  // namespace fastermask::cli
