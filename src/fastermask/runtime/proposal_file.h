// Proposals made beforehand, by image: what a Fast R-CNN (arXiv:1504.08083) trains and runs on. detectron2
// data/build.py load_proposals_into_dataset, data/detection_utils.py transform_proposals.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/loader.h"
#include "fastermask/detection/proposals.h"

namespace fastermask {

// Immutable once made: threads may share it.
class ProposalStore {
 public:
  // Reads detectron2's and Detectron1's proposal files: a pickled dict of "ids" (or "indexes"), "boxes" [P, 4] an
  // image, "objectness_logits" (or "scores") [P] an image and "bbox_mode" (0 XYXY, 1 XYWH; XYXY when missing). Names
  // are looked up as those of weights are (weights/locate.h). Throws WeightsError or DataError naming the file for
  // anything else, and when two files have proposals for one image.
  static ProposalStore load(const std::vector<std::string>& files);

  // Adds one image's proposals, in pixels of the original image. Throws DataError when it has some already.
  void add(std::int64_t image_id, const Proposals& proposals, const std::string& where);

  // The proposals of each image of a batch, as a transform of the picture leaves them: resized, flipped, clipped, those
  // not wider and higher than `min_box_size` dropped, the `topk` best. Throws DataError for an image without proposals,
  // and for a batch without ids.
  std::vector<Proposals> for_batch(const Batch& batch, int topk, double min_box_size) const;

  std::size_t image_count() const { return images_.size(); }

 private:
  std::map<std::int64_t, Proposals> images_;  // by falling logit
};

// The store of DATASETS.PROPOSAL_FILES_TRAIN or _TEST; null unless the config takes its proposals from files. Throws
// ConfigError when no files are given, or for training with augmentations that proposals cannot follow.
std::shared_ptr<const ProposalStore> load_proposal_store(const Config& config, bool training);

// Writes proposals as box_proposals.pkl has them; load() reads it back.
//   images  [I] ids; proposals [I] in pixels of the original image
void save_proposals(const std::string& path, const std::vector<std::int64_t>& images,
                    const std::vector<Proposals>& proposals);

}  // namespace fastermask
