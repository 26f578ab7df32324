// COCO JSON files that FasterMask makes from data of other forms (Pascal VOC folders, masks in PNG files) and keeps in
// a cache folder, so that all that reads COCO JSON reads them.
#pragma once

#include <string>

namespace fastermask {

// $FASTERMASK_CACHE (unless it is "off", which is about indices), else fastermask/ in $XDG_CACHE_HOME, else in
// ~/.cache, else in the folder for temporary files.
std::string cache_folder();

// Writes `text` to "<cache folder>/derived/<stem of source>-<hash of its path, kind, variant>.<kind>.json" and returns
// that path. A file that holds the same text already is left alone, with its time stamp. Throws when it cannot be
// written.
std::string write_derived_file(const std::string& source, const std::string& kind, const std::string& text,
                               const std::string& variant = "");

}  // namespace fastermask
