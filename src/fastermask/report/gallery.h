// The pictures of a report: what is annotated beside what was found, for a few images of a data set.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
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

}  // namespace fastermask
