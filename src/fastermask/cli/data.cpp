// `fastermask data`: makes, describes, draws, checks and converts data sets.
#include "fastermask/cli/data.h"

#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/cli/command.h"

namespace fastermask::cli {

void add_data_command(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Check, describe, draw, generate and convert data sets");
  data->require_subcommand(1);
  data->footer(
      "A data set is ANNOTATIONS.json:IMAGE_FOLDER (COCO format), VOC_FOLDER@SPLIT (Pascal VOC), or a registered name\n"
      "such as coco_2017_val.\n"
      "Example: fastermask data stats annotations/train.json:images");
  add_data_check(*data);
  add_data_stats(*data);
  add_data_show(*data);
  add_data_synth(*data);
  add_data_convert(*data);
}

ImageSize parse_image_size(const std::string& text) {
  const auto number = [&text](std::size_t begin, std::size_t& end) {
    const char* start = text.c_str() + begin;
    char* stop = nullptr;
    const long value = *start >= '0' && *start <= '9' ? std::strtol(start, &stop, 10) : 0;
    end = stop == nullptr ? begin : static_cast<std::size_t>(stop - text.c_str());
    return value >= 1 && value <= 100000 ? static_cast<int>(value) : 0;
  };
  std::size_t end = 0;
  ImageSize size;
  size.width = number(0, end);
  if (size.width > 0 && end < text.size() && text[end] == 'x') size.height = number(end + 1, end);
  if (size.height == 0 || end != text.size())
    fail<UsageError>("--size must be WIDTHxHEIGHT, such as 256x256, got '{}'", text);
  return size;
}

}  // namespace fastermask::cli
