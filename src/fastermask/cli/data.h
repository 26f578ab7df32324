// The sub-commands of `fastermask data`, one function and one file each. A new one is declared here and added to the
// list in data.cpp.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "fastermask/structures/box.h"

namespace fastermask::cli {

// `data synth`: writes generated scenes as a COCO data set.
void add_data_synth(CLI::App& data);

// `data stats`: counts, sizes and class histogram of a data set.
void add_data_stats(CLI::App& data);

// `data show`: draws annotated pictures.
void add_data_show(CLI::App& data);

// `data check`: finds what is wrong with a data set.
void add_data_check(CLI::App& data);

// `data convert`: writes a data set as plain COCO JSON.
void add_data_convert(CLI::App& data);

// "WIDTHxHEIGHT", such as "640x480". Throws UsageError for anything else.
ImageSize parse_image_size(const std::string& text);

}  // namespace fastermask::cli
