// Projects and JSON exports of the VGG Image Annotator, versions 1 and 2, as COCO JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fastermask/data/drawn_instances.h"

namespace fastermask {

// True when the beginning of a JSON file is that of a VIA project or of its "annotations as JSON".
bool looks_like_via(std::string_view text);

// Rectangles, polygons, circles and ellipses are instances; points and lines have no area and are left out, as are
// regions whose attribute is empty. Pictures are looked for in `image_root` (empty: the folder of the file) and must be
// there: VIA writes no sizes.
//
// `attribute` is the region attribute that names the class; empty: the only one there is. Where regions have no
// attribute at all, `class_names` must be one name. Classes are `class_names`, else all values in alphabetical order.
//
// Throws DataError "via: FILE: ..." for broken or foreign JSON, missing pictures (naming up to five at once), regions
// of several values, and when the class cannot be told.
DrawnDataset via_to_coco(const std::string& file, const std::string& image_root = "",
                         const std::vector<std::string>& class_names = {}, const std::string& attribute = "");

}  // namespace fastermask
