#include "fastermask/cli/info_weights.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "fastermask/base/text.h"
#include "fastermask/weights/checksum.h"
#include "fastermask/weights/locate.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask::cli {
namespace {

struct InfoWeightsOptions {
  std::string file;
  bool json = false;
  bool checksum = false;
  bool rename = false;
};

struct InfoWeightsTotals {
  std::int64_t elements = 0;
  std::uint64_t bytes = 0;
};

InfoWeightsTotals info_weights_totals(const NamedArrays& arrays) {
  InfoWeightsTotals totals;
  for (const auto& [name, array] : arrays) {
    totals.elements += array.size();
    totals.bytes += array.bytes.size();
  }
  return totals;
}

void info_weights_print_json(const WeightFile& file, const InfoWeightsOptions& options) {
  nlohmann::ordered_json json;
  json["file"] = file.path;
  json["format"] = weight_format_name(file.format);
  json["names"] = weight_names_name(file.converted ? WeightNames::detectron2 : file.names);
  json["author"] = file.author;
  json["matching_heuristics"] = file.needs_name_matching;
  if (file.iteration >= 0) json["iteration"] = file.iteration;
  json["arrays"] = nlohmann::ordered_json::array();
  for (const auto& [name, array] : file.arrays) {
    nlohmann::ordered_json entry = {{"name", name}, {"shape", array.shape}, {"dtype", dtype_name(array.dtype)}};
    if (options.checksum) entry["crc32"] = fmt::format("{:08x}", array_checksum(array));
    json["arrays"].push_back(std::move(entry));
  }
  const InfoWeightsTotals totals = info_weights_totals(file.arrays);
  json["totals"] = {{"arrays", file.arrays.size()}, {"elements", totals.elements}, {"bytes", totals.bytes}};
  if (options.checksum) json["crc32"] = fmt::format("{:08x}", arrays_checksum(file.arrays));
  // Names come from an untrusted file and need not be UTF-8.
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void info_weights_print_table(const WeightFile& file, const InfoWeightsOptions& options) {
  std::size_t name_width = 4;
  std::size_t shape_width = 5;
  for (const auto& [name, array] : file.arrays) {
    name_width = std::max(name_width, name.size());
    shape_width = std::max(shape_width, to_string(array.shape).size());
  }
  for (const auto& [name, array] : file.arrays) {
    const std::string checksum = options.checksum ? fmt::format("  {:08x}", array_checksum(array)) : "";
    fmt::print("{:<{}}  {:<{}}  {}{}\n", name, name_width, to_string(array.shape), shape_width, dtype_name(array.dtype),
               checksum);
  }
  const InfoWeightsTotals totals = info_weights_totals(file.arrays);
  fmt::print("\n{}: {}, names of {}{}\n", file.path, weight_format_name(file.format), weight_names_name(file.names),
             file.converted ? " turned into detectron2's" : "");
  if (!file.author.empty()) fmt::print("author: {}\n", file.author);
  if (file.iteration >= 0) fmt::print("iteration: {}\n", file.iteration);
  if (file.needs_name_matching) fmt::print("names are matched to the model's by their endings\n");
  fmt::print("{} arrays, {} elements, {}\n", file.arrays.size(), totals.elements, format_bytes(totals.bytes));
  if (options.checksum) fmt::print("crc32 of all: {:08x}\n", arrays_checksum(file.arrays));
}

void info_weights_run(const InfoWeightsOptions& options) {
  const WeightFile file = load_weight_file(locate_weights(options.file), !options.rename);
  if (options.json) {
    info_weights_print_json(file, options);
  } else {
    info_weights_print_table(file, options);
  }
}

}  // namespace

void add_info_weights(CLI::App& info) {
  CLI::App* command = info.add_subcommand("weights", "List a weight file's arrays: names, shapes, types, checksums");
  auto options = std::make_shared<InfoWeightsOptions>();
  command->add_option("file", options->file, ".pkl, .pth, .safetensors or .npz, or a name such as detectron2://...")
      ->required();
  command->add_flag("--checksum", options->checksum, "CRC-32 of each array and of all; equal in every file format");
  command->add_flag("--rename", options->rename,
                    "show Caffe2's, torchvision's and mmdetection's names as detectron2's");
  command->add_flag("--json", options->json, "as one JSON document");
  command->footer("Example: fastermask info weights output/model_final.pth --checksum");
  command->callback([options] { info_weights_run(*options); });
}

}  // namespace fastermask::cli
