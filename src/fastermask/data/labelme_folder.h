// Folders of labelme's JSON files (https://github.com/wkentaro/labelme), one a picture, as COCO JSON.
#pragma once

#include <string>
#include <vector>

#include "fastermask/data/drawn_instances.h"

namespace fastermask {

// Reads all *.json of `folder` (not of its subfolders) but for COCO's, in alphabetical order. A picture is where
// "imagePath" says, seen from `folder` or `image_root` (empty: `folder`); or else a file of that name, or of the
// JSON's, in `image_root`. It must be there; its size is that of the file. Pictures without shapes stay, as examples of
// nothing.
//
// Polygons, rectangles, circles and masks are taken; shapes of one picture with the same label and "group_id" are one
// instance. Points and lines have no area and are left out, as are the labels __ignore__ and _background_.
//
// Classes are `class_names`, else the lines of labels.txt in `folder` but for these two, else all labels in
// alphabetical order.
//
// Throws DataError "labelme: ..." for a folder without such files, broken or foreign JSON, missing pictures (naming up
// to five files at once), and labels that are not among the classes.
DrawnDataset labelme_to_coco(const std::string& folder, const std::string& image_root = "",
                             const std::vector<std::string>& class_names = {});

}  // namespace fastermask
