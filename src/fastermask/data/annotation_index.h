// A cache of a large annotation file: what load_coco read from it, as flat arrays that are mapped rather than parsed.
// The index of A.json lies beside it as ".A.json.fmindex", or under $FASTERMASK_CACHE, or, where the folder cannot be
// written, under $XDG_CACHE_HOME/fastermask (~/.cache/fastermask). FASTERMASK_CACHE=off turns it off. It can be deleted
// any time.
//
// An index is used only when it belongs to the very content of the annotation file: same size, and the same time of
// change or, failing that, the same checksum. An index that is damaged, of another version or of another machine's byte
// order is made anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/data/dataset.h"

namespace fastermask {

// A data set as in the index: file names are those of the JSON, without the image folder.
struct IndexedAnnotations {
  Dataset dataset;                    // name, annotation_file and image_root are empty
  std::vector<std::string> warnings;  // what reading the JSON had to say
};

// A checksum of 64 bits that reads about as fast as memory gives. Not against forgery.
// `passed`(begin, end) is called now and then with the bytes gone by.
std::uint64_t content_checksum(std::string_view bytes,
                               const std::function<void(std::size_t begin, std::size_t end)>& passed = nullptr);

// Where the index of an annotation file may be, most wanted first; empty when indices are turned off.
std::vector<std::string> annotation_index_paths(const std::string& annotation_file);

// Takes the index at `index_path` if it fits the annotation file; false when there is none or it does not.
bool load_annotation_index(const std::string& index_path, const std::string& annotation_file,
                           IndexedAnnotations& annotations);

// Writes the index of a file that was read at or after `read_since_ns` (system clock). Throws Error when it cannot be
// written, and when the annotation file has changed since it was read.
void save_annotation_index(const std::string& index_path, const std::string& annotation_file,
                           const IndexedAnnotations& annotations, std::int64_t read_since_ns);

}  // namespace fastermask
