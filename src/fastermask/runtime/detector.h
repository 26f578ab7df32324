// From a batch of normalised images to detections: the R-CNN's inference, with the dense parts left to an executor.
//   N images   L levels   R proposals   D detections
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/loader.h"
#include "fastermask/detection/anchors.h"
#include "fastermask/detection/proposals.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/runtime/arena.h"
#include "fastermask/runtime/network_executor.h"
#include "fastermask/runtime/proposal_file.h"
#include "fastermask/structures/instances.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// Seconds spent in each stage.
struct DetectorTimes {
  double dense = 0;      // backbone and RPN head
  double proposals = 0;  // decoding, top-k, NMS
  double box_pool = 0;   // RoIAlign (and the C4 network's res5)
  double box_head = 0;
  double boxes = 0;      // decoding, NMS by class
  double mask_pool = 0;  // of masks and keypoints
  double mask_head = 0;  // and the keypoint head

  double total() const { return dense + proposals + box_pool + box_head + boxes + mask_pool + mask_head; }
};

class Detector {
 public:
  // Detects with the thresholds of the config. The executor's network must be the config's. With proposals from files,
  // those of DATASETS.PROPOSAL_FILES_TEST are read.
  Detector(std::shared_ptr<NetworkExecutor> executor, const Config& config);

  // Detections of each image, in the pixels of the network's input, with soft masks and keypoints where the network has
  // such heads. `dump`, when given, receives the intermediates under the names of `fastermask predict --dump`
  // (feature maps as [N, C, H, W]); `times`, when given, has the seconds of each stage added. As thread-safe as the
  // executor.
  std::vector<Detections> detect(const Batch& batch, NamedArrays* dump = nullptr, DetectorTimes* times = nullptr) const;

  const Network& network() const { return executor_->network(); }

 private:
  struct DenseOutputs;
  struct Run;
  DenseOutputs run_dense(const Batch& batch, NamedArrays* dump) const;
  std::vector<Proposals> propose(const DenseOutputs& dense, const Batch& batch, NamedArrays* dump) const;
  HostTensor pool(const DenseOutputs& dense, Span<const Roi> rois, const PoolerSpec& pooler) const;
  // Pools `rois` some at a time and runs a head on them; `take` gets each part's outputs and its first roi's number.
  void run_head(const Run& run, NetworkPart part, int stage, const std::vector<Roi>& rois, const PoolerSpec& pooler,
                const std::function<void(const std::vector<HostTensor>&, std::size_t)>& take) const;
  std::vector<Detections> detect_boxes(const Run& run, std::vector<Proposals> proposals,
                                       Span<const ImageSize> image_sizes) const;
  void add_masks(const Run& run, std::vector<Detections>& detections) const;
  void add_keypoints(const Run& run, std::vector<Detections>& detections) const;

  std::shared_ptr<NetworkExecutor> executor_;
  Config config_;
  std::optional<AnchorGenerator> anchors_;                // of an RPN
  std::shared_ptr<const ProposalStore> given_proposals_;  // or what stands in its place
  std::shared_ptr<ArenaPool> arenas_;                     // for pooled regions
};

// Detections in the pixels of the original image: boxes and keypoints scaled, masks pasted (as Rle; soft masks
// dropped).
Detections to_original_image(Detections detections, const ImageSize& original_size);

}  // namespace fastermask
