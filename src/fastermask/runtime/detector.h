// From a batch of normalised images to detections: the R-CNN's inference, with the dense parts left to an executor.
//   N images   L levels   R proposals   D detections
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/loader.h"
#include "fastermask/detection/anchors.h"
#include "fastermask/detection/proposals.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/runtime/network_executor.h"
#include "fastermask/runtime/proposal_file.h"
#include "fastermask/structures/instances.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// Seconds spent in each stage since the detector was made.
struct DetectorTimes {
  double dense = 0;
  double proposals = 0;
  double box_head = 0;
  double mask_head = 0;
};

class Detector {
 public:
  // Detects with the thresholds of the config. The executor's network must be the config's. With proposals from files,
  // those of DATASETS.PROPOSAL_FILES_TEST are read.
  Detector(std::shared_ptr<NetworkExecutor> executor, const Config& config);

  // Detections of each image, in the pixels of the network's input, with soft masks and keypoints where the network has
  // such heads. `dump`, when given, receives the intermediates under the names of `fastermask predict --dump`
  // (feature maps as [N, C, H, W]).
  std::vector<Detections> detect(const Batch& batch, NamedArrays* dump = nullptr);

  const DetectorTimes& times() const { return times_; }
  const Network& network() const { return executor_->network(); }

 private:
  struct DenseOutputs;
  DenseOutputs run_dense(const Batch& batch, NamedArrays* dump);
  std::vector<Proposals> propose(const DenseOutputs& dense, const Batch& batch, NamedArrays* dump);
  HostTensor pool(const DenseOutputs& dense, const std::vector<Roi>& rois, const PoolerSpec& pooler);
  std::vector<Detections> detect_boxes(const DenseOutputs& dense, std::vector<Proposals> proposals,
                                       Span<const ImageSize> image_sizes, NamedArrays* dump);
  void add_masks(const DenseOutputs& dense, std::vector<Detections>& detections, NamedArrays* dump);
  void add_keypoints(const DenseOutputs& dense, std::vector<Detections>& detections, NamedArrays* dump);

  std::shared_ptr<NetworkExecutor> executor_;
  Config config_;
  std::optional<AnchorGenerator> anchors_;                // of an RPN
  std::shared_ptr<const ProposalStore> given_proposals_;  // or what stands in its place
  DetectorTimes times_;
};

// Detections in the pixels of the original image: boxes and keypoints scaled, masks pasted (as Rle; soft masks
// dropped).
Detections to_original_image(const Detections& detections, const ImageSize& original_size);

}  // namespace fastermask
