// Checks the categories and annotations of a COCO file. Internal to the data layer: dataset_check.h puts the parts
// together.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/data/image_check.h"

namespace fastermask {

using CategoryTable = std::set<std::int64_t>;

CategoryTable check_categories(const DatasetLocation& location, const std::vector<std::string_view>& elements,
                               std::string_view text, CheckReport& report);

// Returns the elements of the repaired file.
std::vector<std::string> check_annotations(const DatasetLocation& location, const CheckOptions& options,
                                           const std::vector<std::string_view>& elements, std::string_view text,
                                           const CategoryTable& categories, const ImageTable& images,
                                           CheckReport& report);

}  // namespace fastermask
