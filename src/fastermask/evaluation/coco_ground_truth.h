// The ground truth that detections are evaluated against, read straight from a COCO JSON. data/dataset.h serves
// training and leaves out or moves what training does not need; here every number stays as it is in the file, since
// evaluation must give pycocotools' figures to the last digit.
//   I images   A annotations   C categories   K keypoints an instance
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/data/annotation_table.h"
#include "fastermask/evaluation/rle_runs.h"

namespace fastermask {

struct GroundTruthImage {
  std::int64_t id = 0;
  int height = 0;
  int width = 0;
  std::uint32_t first_annotation = 0;  // into CocoGroundTruth::annotations()
  std::uint32_t annotation_count = 0;
  std::vector<int> absent_categories;  // LVIS "neg_category_ids": looked for and not there; category indices, rising
  std::vector<int> incomplete_categories;  // LVIS "not_exhaustive_category_ids": not every instance is annotated
};

struct GroundTruthAnnotation {
  std::int64_t id = 0;
  std::uint32_t image = 0;         // index into images()
  std::uint32_t table_row = 0;     // where the mask is kept
  std::array<double, 4> xywh{};    // (x, y, width, height) in pixels
  double area = 0;                 // the file's "area"; the box's when it has none
  std::int32_t category = 0;       // index into category_ids()
  std::int32_t num_keypoints = 0;  // the file's; counted where it is missing
  std::uint32_t keypoints_begin = 0;
  std::uint32_t keypoint_count = 0;  // K or 0
  bool crowd = false;                // a region of many, not one instance: matches are neither right nor wrong
  bool ignore = false;               // the file's "ignore" or VOC's "difficult"; pycocotools does not look at it
};

// Which parts of annotations to read and keep.
struct GroundTruthParts {
  bool segmentations = true;
  bool keypoints = true;
};

// Immutable once made and named: threads may share it.
class CocoGroundTruth {
 public:
  // Reads a file, .json or .json.gz. Throws DataError "ground truth: FILE: ..." for: unreadable or truncated file,
  // broken JSON, missing sections or fields, wrong types, ids used twice (annotation ids may repeat in files named
  // *minival*), unknown image or category ids, RLE that does not fill its image.
  static CocoGroundTruth read(const std::string& path, const GroundTruthParts& parts = {});

  // The same from text in memory; `name` stands for the file in messages.
  static CocoGroundTruth parse(std::string_view json, const std::string& name, const GroundTruthParts& parts = {});

  const std::string& name() const { return name_; }
  const std::vector<GroundTruthImage>& images() const { return images_; }             // [I] ascending id
  const std::vector<std::int64_t>& category_ids() const { return category_ids_; }     // [C] ascending
  const std::vector<std::string>& category_names() const { return category_names_; }  // [C]
  // [C] LVIS "frequency": 'r'are, 'c'ommon or 'f'requent; 0 where the file does not say.
  const std::vector<char>& category_frequencies() const { return category_frequencies_; }
  // True when the images list the categories that were looked for, as LVIS's do.
  bool is_federated() const { return federated_; }
  const std::vector<GroundTruthAnnotation>& annotations() const { return annotations_; }  // [A] by image, then category

  // Another name for a category, for tables and metrics.
  void rename_category(int index, std::string name) {
    category_names_[static_cast<std::size_t>(index)] = std::move(name);
  }

  // Index of an id, or -1.
  int find_image(std::int64_t id) const;
  int find_category(std::int64_t id) const;

  // Annotations of one image, ascending category, in the file's order within one.
  Span<const GroundTruthAnnotation> annotations_of(std::size_t image) const;

  // The mask of an annotation in its image's size. Throws DataError naming the annotation when it has none, or one
  // that cannot be drawn.
  Rle mask(const GroundTruthAnnotation& annotation) const;

  // The same as runs, without a detour for the usual single polygon.
  void mask_runs(const GroundTruthAnnotation& annotation, MaskRuns& runs) const;

  // Where the pixels of a mask lie that is a single polygon: in [x0, x1] x [y0, y1] (some room included). Nothing for
  // other masks.
  std::optional<std::array<double, 4>> mask_extent(const GroundTruthAnnotation& annotation) const;

  // x, y, visibility of each keypoint, as in the file: [3 K].
  Span<const double> keypoints(const GroundTruthAnnotation& annotation) const;

  // Bytes held.
  std::size_t memory_bytes() const;

 private:
  friend class GroundTruthReader;

  std::string name_;
  std::vector<GroundTruthImage> images_;
  std::vector<std::int64_t> category_ids_;
  std::vector<std::string> category_names_;
  std::vector<char> category_frequencies_;
  bool federated_ = false;
  std::vector<GroundTruthAnnotation> annotations_;
  AnnotationTable table_;  // masks only
  std::vector<double> keypoints_;
  std::unordered_map<std::int64_t, int> image_index_;
  std::unordered_map<std::int64_t, int> category_index_;
};

}  // namespace fastermask
