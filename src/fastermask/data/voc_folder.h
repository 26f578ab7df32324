// Pascal VOC folders (JPEGImages/, Annotations/*.xml, ImageSets/Main/SPLIT.txt) as COCO JSON, so that all that reads
// COCO reads them. Boxes and difficult objects as in detectron2 data/datasets/pascal_voc.py.
#pragma once

#include <string>
#include <vector>

namespace fastermask {

// VOC's 20 classes in detectron2's order.
const std::vector<std::string>& voc_class_names();

// The COCO JSON of one split, file names relative to JPEGImages/. VOC's corners are pixel numbers from 1, inclusive: 1
// is taken off xmin and ymin, so a box from 1 to W covers [0, W). Difficult objects are objects, with "difficult": 1
// for VOC's evaluation. Image ids are the file names where all of them are numbers, else their place in the split
// from 1. A picture's size is read from it where the XML has none.
//
// Classes are `class_names`; when that is empty, the lines of labels.txt in the folder; else all names that the XML
// files of the folder (of all splits) hold, in alphabetical order.
//
// Throws DataError "voc: FILE: ..." for a missing folder, split (naming those there are) or XML file, broken XML,
// objects without a name or box, and classes that are not in the list; up to five files are named at once.
std::string voc_to_coco(const std::string& folder, const std::string& split,
                        const std::vector<std::string>& class_names = {});

}  // namespace fastermask
