// Detections as COCO's results files have them: reading, checking, writing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/iou_type.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// One detection. Numbers are those of the file: pixels of the original image, no 0.5 added to keypoints.
struct DetectionRecord {
  std::int64_t image_id = 0;
  int category = 0;              // index into CocoGroundTruth::category_ids()
  bool has_box = false;
  double score = 0;
  std::array<double, 4> xywh{};  // (x, y, width, height); zeros without a box
  Rle mask;                      // of the image's size; 0 x 0 without a mask
  std::vector<double> keypoints; // x, y, score of each, or empty

  bool has_mask() const { return mask.height > 0; }
};

// Reads a results file (.json or .json.gz) in pieces, several at a time: a JSON list of {"image_id", "category_id",
// "score"} with "bbox", "segmentation" (RLE, compressed or not, or polygons) or "keypoints"; other fields are passed
// over. Only what evaluating by `type` needs is kept: masks are read for segm (and, for boxes, where a record has no
// bbox), keypoints for keypoints (or where there is nothing else). Records keep the file's order.
//
// Throws DataError "cocoeval: FILE: record 17: ..." (counted from 0) for: missing fields, wrong types, an image id or
// category id that `truth` does not have, a score that is not a finite number, a box that is not 4 finite numbers, an
// RLE whose size is not the image's or whose runs do not fill it, JSON that is broken or ends too early.
std::vector<DetectionRecord> read_results_json(const std::string& path, const CocoGroundTruth& truth, IouType type);

// The same from text in memory; `name` stands for the file in messages.
std::vector<DetectionRecord> parse_results_json(std::string_view json, const std::string& name,
                                                const CocoGroundTruth& truth, IouType type);

// What a results file is about, by its first record's fields: keypoints, else segm, else bbox (also for an empty list).
IouType guess_iou_type(const std::string& path);

// Writes a results file record by record, so that memory does not grow with it. The file appears under its name when
// finish() is called, and not at all otherwise.
class ResultsWriter {
 public:
  // `category_ids` maps DetectionRecord::category back to the file's ids.
  ResultsWriter(const std::string& path, std::vector<std::int64_t> category_ids);
  ~ResultsWriter();
  ResultsWriter(const ResultsWriter&) = delete;
  ResultsWriter& operator=(const ResultsWriter&) = delete;

  void add(const DetectionRecord& record);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All records at once: [{"image_id", "category_id", "bbox": [x, y, width, height], "score", "segmentation": {"size":
// [height, width], "counts": "..."}, "keypoints": [...]}, ...], each part where the record has it.
void write_results_json(const std::string& path, Span<const DetectionRecord> records,
                        const std::vector<std::int64_t>& category_ids);

// One record as JSON text.
std::string results_record_json(const DetectionRecord& record, std::int64_t category_id);

}  // namespace fastermask
