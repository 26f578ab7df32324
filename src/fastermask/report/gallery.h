// The pictures of a report: what is annotated beside what was found, for a few images of a data set.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fastermask/data/dataset.h"
#include "fastermask/report/html_report.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

class Gallery {
 public:
  // Will hold `count` images (or all, when there are fewer), evenly spread over the data set. Detections that score
  // below `score_threshold` are not drawn.
  Gallery(std::shared_ptr<const Dataset> dataset, std::size_t count, double score_threshold = 0.5);

  // Draws the image, if it is one of those chosen: annotations on the left, detections on the right, as a JPEG of at
  // most 1280 pixels in width. `record` must be of the data set; detections are in the original image's pixels. An
  // image that cannot be read is left out with a warning.
  void add(const ImageRecord& record, const Detections& detections);

  // The pictures so far, in the order added.
  std::vector<ReportPicture> pictures() const { return pictures_; }

 private:
  std::shared_ptr<const Dataset> dataset_;
  double score_threshold_;
  std::set<const ImageRecord*> chosen_;
  std::vector<ReportPicture> pictures_;
};

// The images in which most went wrong, and those in which most was right: the quality of an image is
// 2 TP / (2 TP + FP + FN), with detections that score `score_threshold` or more paired with annotations of their class
// at a box IoU of at least 0.5, the best score first. Images without annotations and detections are left out. Keeps the
// detections of at most 2 `count_each` images.
class RankedGallery {
 public:
  RankedGallery(std::shared_ptr<const Dataset> dataset, std::size_t count_each, double score_threshold = 0.5);

  void add(const ImageRecord& record, const Detections& detections);

  // Draws them as Gallery does: the worst first, from the lowest quality up, then the best, from the highest down. A
  // quality of 1 is no bad one, one of 0 no good one. No image is among both; equal ones go by their place in the set.
  std::vector<ReportPicture> pictures() const;

 private:
  struct Entry {
    double quality = 0;
    std::size_t place = 0;  // in the order added
    std::string counts;     // for the caption
    const ImageRecord* record = nullptr;
    Detections detections;
  };

  std::shared_ptr<const Dataset> dataset_;
  std::size_t count_each_;
  double score_threshold_;
  std::size_t added_ = 0;
  std::vector<Entry> worst_, best_;  // sorted as shown, of at most count_each_ and 2 * count_each_
};

}  // namespace fastermask
