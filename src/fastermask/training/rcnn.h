// The R-CNN as it trains: from a batch to its losses. Dense parts run on LibTorch; matching, sampling and proposal
// selection on the host (detection/). detectron2 modeling/meta_arch/rcnn.py GeneralizedRCNN.forward.
//   N images   L levels   R anchors an image   S sampled regions   F foreground regions   K classes
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/loader.h"
#include "fastermask/detection/anchors.h"
#include "fastermask/detection/proposals.h"
#include "fastermask/detection/roi_targets.h"
#include "fastermask/graph/network.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/runtime/proposal_file.h"
#include "fastermask/training/graph_executor.h"

namespace fastermask {

// Where a training step stands: what its random choices are keyed by, and how it samples.
struct StepContext {
  std::int64_t iteration = 0;
  std::uint64_t seed = 0;
  // The images are numbers first_image, first_image + image_step, ... of the batch of all processes together.
  int first_image = 0;
  int image_step = 1;
  SamplingStrategy strategy = SamplingStrategy::random;
  bool validation = false;      // batch norms use their running statistics, and leave them as they are
  std::uint64_t image_number(std::size_t i) const {
    return static_cast<std::uint64_t>(first_image) + i * static_cast<std::uint64_t>(image_step);
  }
  NamedArrays* dump = nullptr;  // when given, receives the features and RPN outputs as [N, C, H, W]
};

struct NamedLoss {
  std::string name;  // "loss_rpn_cls", ...
  at::Tensor value;  // scalar, differentiable
};

struct StepLosses {
  std::vector<NamedLoss> losses;          // in detectron2's order
  std::map<std::string, double> metrics;  // "rpn/num_pos_anchors", "fast_rcnn/cls_accuracy", ...

  at::Tensor total() const;
};

class TrainableRcnn {
 public:
  // The network of the config, initialised from `seed`.
  TrainableRcnn(const Config& config, std::uint64_t seed);
  TrainableRcnn(const TrainableRcnn&) = delete;
  TrainableRcnn& operator=(const TrainableRcnn&) = delete;

  // The losses of a batch, with the graph for backward recorded.
  StepLosses compute_losses(const Batch& batch, const StepContext& context);

  // Forwarded to all executors: see TorchGraphExecutor.
  void set_recorder(LayerRecorder* recorder);
  void set_norm_momentum(double momentum);
  void set_precision(Precision precision);
  void set_own_kernels(bool on);
  void set_clock(StepClock* clock);

  // Moves the parameters there, and computes there from now on. Before an optimiser takes them.
  void set_device(const std::string& device) { parameters_.move_to(device); }

  const Config& config() const { return config_; }
  const Network& network() const { return network_; }
  ParameterStore& parameters() { return parameters_; }
  const ParameterStore& parameters() const { return parameters_; }

 private:
  struct DenseValues;  // outputs of the dense graph, by role
  struct Regions;      // sampled regions of the whole batch

  DenseValues run_dense(const Batch& batch, const StepContext& context);
  std::vector<Proposals> rpn_losses(const Batch& batch, const DenseValues& dense, const StepContext& context,
                                    StepLosses& step);
  std::vector<Proposals> given_proposals(const Batch& batch, bool validation);
  void use_predicted_boxes(const at::Tensor& deltas, Regions& regions) const;
  std::vector<TorchGraphExecutor*> executors();
  Regions sample_regions(const Batch& batch, const std::vector<Proposals>& proposals, const StepContext& context,
                         StepLosses& step) const;
  double share(double count) const;
  bool mask_head_synchronises() const;
  at::Tensor pool(const DenseValues& dense, const std::vector<Roi>& rois, const PoolerSpec& pooler,
                  const TorchGraphExecutor& reader);
  at::Tensor box_losses(const DenseValues& dense, Regions& regions, StepLosses& step);
  void cascade_losses(const Batch& batch, const DenseValues& dense, Regions regions, StepLosses& step);
  void predictor_losses(const at::Tensor& logits, const at::Tensor& deltas, const Regions& regions, int stage,
                        const std::string& suffix, StepLosses& step) const;
  void mask_losses(const Batch& batch, const DenseValues& dense, const Regions& regions,
                   const at::Tensor& shared_features, StepLosses& step);
  void keypoint_losses(const Batch& batch, const DenseValues& dense, const Regions& regions, StepLosses& step);

  Config config_;
  Network network_;
  ParameterStore parameters_;
  bool batch_statistics_ = true;            // of the step being computed
  std::optional<AnchorGenerator> anchors_;  // of an RPN
  std::shared_ptr<const ProposalStore>
      proposal_stores_[2];  // or [validation] what stands in its place; read when needed
  StepClock* clock_ = nullptr;
  void enter(const char* stage) const { if (clock_ != nullptr) clock_->enter(stage); }
  TorchGraphExecutor dense_;
  std::vector<TorchGraphExecutor> box_heads_;  // [stage]
  std::vector<TorchGraphExecutor> roi_stage_;  // none or one, as the next two
  std::vector<TorchGraphExecutor> mask_head_;
  std::vector<TorchGraphExecutor> keypoint_head_;
};

}  // namespace fastermask
