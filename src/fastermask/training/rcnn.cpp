#include "fastermask/training/rcnn.h"

#include <fmt/format.h>

#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/runtime/region_settings.h"
#include "fastermask/training/distributed.h"
#include "fastermask/training/losses.h"
#include "fastermask/training/rcnn_regions.h"

namespace fastermask {

at::Tensor StepLosses::total() const {
  FASTERMASK_CHECK(!losses.empty(), "training: the network has no losses");
  at::Tensor sum = losses.front().value;
  for (std::size_t i = 1; i < losses.size(); ++i) sum = sum + losses[i].value;
  return sum;
}

TrainableRcnn::TrainableRcnn(const Config& config, std::uint64_t seed)
    : config_(config),
      network_(build_network(config)),
      parameters_(network_, seed, config.solver.freeze),
      dense_(network_.dense, parameters_) {
  if (!network_.rpn_levels.empty()) anchors_ = make_anchor_generator(config, network_);
  for (const Graph& head : network_.box_heads) box_heads_.emplace_back(head, parameters_);
  if (network_.roi_stage) roi_stage_.emplace_back(*network_.roi_stage, parameters_);
  if (network_.mask_head) mask_head_.emplace_back(*network_.mask_head, parameters_);
  if (network_.keypoint_head) keypoint_head_.emplace_back(*network_.keypoint_head, parameters_);
  for (TorchGraphExecutor* executor : executors()) executor->set_recompute(config.solver.recompute_activations);
}

StepLosses TrainableRcnn::compute_losses(const Batch& batch, const StepContext& context) {
  batch_statistics_ = !context.validation;
  StepLosses rpn;
  const DenseValues dense = run_dense(batch, context);
  enter("RPN losses, proposals");
  const std::vector<Proposals> proposals =
      anchors_ ? rpn_losses(batch, dense, context, rpn) : given_proposals(batch, context.validation);
  StepLosses step;
  step.metrics = std::move(rpn.metrics);
  if (!box_heads_.empty()) {
    enter("losses");
    Regions regions = sample_regions(batch, proposals, context, step);
    at::Tensor shared_features;
    if (box_heads_.size() > 1) {
      cascade_losses(batch, dense, regions, step);
    } else {
      shared_features = box_losses(dense, regions, step);
    }
    if (!mask_head_.empty()) mask_losses(batch, dense, regions, shared_features, step);
    if (!keypoint_head_.empty()) keypoint_losses(batch, dense, regions, step);
  }
  for (NamedLoss& loss : rpn.losses) step.losses.push_back(std::move(loss));
  return step;
}

std::vector<Proposals> TrainableRcnn::given_proposals(const Batch& batch, bool validation) {
  std::shared_ptr<const ProposalStore>& store = proposal_stores_[validation ? 1 : 0];
  if (store == nullptr) store = load_proposal_store(config_, !validation);
  const auto& datasets = config_.datasets;
  const int topk = validation ? datasets.precomputed_proposal_topk_test : datasets.precomputed_proposal_topk_train;
  return store->for_batch(batch, topk, config_.model.proposal_generator.min_size);
}

std::vector<TorchGraphExecutor*> TrainableRcnn::executors() {
  std::vector<TorchGraphExecutor*> all = {&dense_};
  for (auto* heads : {&box_heads_, &roi_stage_, &mask_head_, &keypoint_head_}) {
    for (TorchGraphExecutor& head : *heads) all.push_back(&head);
  }
  return all;
}

void TrainableRcnn::set_recorder(LayerRecorder* recorder) {
  for (TorchGraphExecutor* executor : executors()) executor->set_recorder(recorder);
}

void TrainableRcnn::set_norm_momentum(double momentum) {
  for (TorchGraphExecutor* executor : executors()) executor->set_norm_momentum(momentum);
}

void TrainableRcnn::set_own_kernels(bool on) {
  for (TorchGraphExecutor* executor : executors()) executor->set_own_kernels(on);
}

void TrainableRcnn::set_clock(StepClock* clock) {
  clock_ = clock;
  for (TorchGraphExecutor* executor : executors()) executor->set_clock(clock);
}

void TrainableRcnn::set_precision(Precision precision) {
  for (TorchGraphExecutor* executor : executors()) executor->set_precision(precision);
}

TrainableRcnn::DenseValues TrainableRcnn::run_dense(const Batch& batch, const StepContext& context) {
  const at::Tensor images =
      view_nhwc(batch.images.data(), batch.size(), batch.height, batch.width, 3).to(parameters_.device());
  const std::vector<at::Tensor> outputs = dense_.forward(images, batch_statistics_);
  std::map<std::string, at::Tensor> by_name;
  for (std::size_t i = 0; i < outputs.size(); ++i) by_name[network_.dense.outputs[i].name] = outputs[i];
  if (context.dump != nullptr) {
    for (const auto& [name, value] : by_name) (*context.dump)[name] = to_array(value);
  }
  DenseValues dense;
  for (const LevelSpec& level : network_.roi_levels) dense.roi_features.push_back(by_name.at(level.name));
  for (const LevelSpec& level : network_.rpn_levels) {
    dense.rpn_logits.push_back(channels_last(by_name.at("rpn.logits." + level.name)));
    dense.rpn_deltas.push_back(channels_last(by_name.at("rpn.deltas." + level.name)));
  }
  return dense;
}

// The RPN's two losses, and the proposals of each image.
std::vector<Proposals> TrainableRcnn::rpn_losses(const Batch& batch, const DenseValues& dense,
                                                 const StepContext& context, StepLosses& step) {
  std::vector<RpnLevel> levels;
  std::vector<ImageSize> grids;
  std::vector<at::Tensor> flat_logits, flat_deltas;
  std::vector<at::Tensor> on_host;  // what `levels` points into
  const std::int64_t num_images = batch.size();
  for (std::size_t i = 0; i < dense.rpn_logits.size(); ++i) {
    const at::Tensor& logits = dense.rpn_logits[i];
    const at::Tensor& deltas = dense.rpn_deltas[i];
    grids.push_back({static_cast<int>(logits.size(2)), static_cast<int>(logits.size(3))});
    on_host.push_back(channels_last(logits.detach().to(at::kCPU)));
    on_host.push_back(channels_last(deltas.detach().to(at::kCPU)));
    levels.push_back({on_host[2 * i].data_ptr<float>(), on_host[2 * i + 1].data_ptr<float>(), batch.size(),
                      grids.back().height, grids.back().width, static_cast<int>(logits.size(1))});
    flat_logits.push_back(logits.permute({0, 2, 3, 1}).reshape({num_images, -1}));
    flat_deltas.push_back(deltas.permute({0, 2, 3, 1}).reshape({num_images, -1, 4}));
  }
  const GridAnchors anchors = anchors_->grid_anchors(grids);
  const RpnTargetParams params = make_rpn_target_params(config_, context.strategy);
  const std::int64_t anchors_per_image = static_cast<std::int64_t>(anchors.boxes.size());
  std::vector<std::int64_t> sampled, positive;
  std::vector<float> labels;
  std::vector<Box> sources, truths;
  for (int image = 0; image < batch.size(); ++image) {
    const auto i = static_cast<std::size_t>(image);
    Random random(context.seed, RandomPurpose::anchor_sampling, static_cast<std::uint64_t>(context.iteration),
                  context.image_number(i));
    const RpnTargets targets =
        label_and_sample_anchors(anchors.boxes, batch.image_sizes[i], batch.ground_truths[i].boxes, params, random);
    for (const int anchor : targets.anchors) sampled.push_back(image * anchors_per_image + anchor);
    for (int p = 0; p < targets.num_positives; ++p) {
      positive.push_back(image * anchors_per_image + targets.anchors[static_cast<std::size_t>(p)]);
    }
    labels.insert(labels.end(), targets.labels.begin(), targets.labels.end());
    sources.insert(sources.end(), targets.anchor_boxes.begin(), targets.anchor_boxes.end());
    truths.insert(truths.end(), targets.gt_boxes.begin(), targets.gt_boxes.end());
  }
  const at::Tensor logits = at::cat(flat_logits, 1).view({-1});
  const at::Tensor deltas = at::cat(flat_deltas, 1).view({-1, 4});
  const auto& rpn = config_.model.rpn;
  const double normaliser = static_cast<double>(rpn.batch_size_per_image) * static_cast<double>(num_images);
  const BoxLossSpec box_loss{rpn.bbox_reg_loss_type, rpn.smooth_l1_beta, params.coder};
  const at::Tensor objectness =
      sigmoid_cross_entropy_sum(logits.index_select(0, to_tensor(sampled).to(logits.device())), to_tensor(labels));
  const at::Tensor location =
      box_regression_loss(box_loss, deltas.index_select(0, to_tensor(positive).to(deltas.device())), sources, truths);
  step.losses.push_back({"loss_rpn_cls", objectness * (rpn.loss_weight / normaliser)});
  step.losses.push_back({"loss_rpn_loc", location * (rpn.loss_weight * rpn.bbox_reg_loss_weight / normaliser)});
  const auto per_image = static_cast<double>(num_images);
  step.metrics["rpn/num_pos_anchors"] = static_cast<double>(positive.size()) / per_image;
  step.metrics["rpn/num_neg_anchors"] = static_cast<double>(sampled.size() - positive.size()) / per_image;
  return find_top_rpn_proposals(levels, anchors.boxes, batch.image_sizes, make_proposal_params(config_, true));
}

TrainableRcnn::Regions TrainableRcnn::sample_regions(const Batch& batch, const std::vector<Proposals>& proposals,
                                                     const StepContext& context, StepLosses& step) const {
  const RoiTargetParams params = make_roi_target_params(config_, context.strategy);
  Regions regions;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    const GroundTruth& truth = batch.ground_truths[i];
    Random random(context.seed, RandomPurpose::proposal_sampling, static_cast<std::uint64_t>(context.iteration),
                  context.image_number(i));
    regions.images.push_back(
        label_and_sample_proposals(proposals[i].boxes, truth.boxes, truth.classes, params, random));
  }
  regions.collect(network_, batch, params.num_classes);
  const auto images = static_cast<double>(proposals.size());
  step.metrics["roi_head/num_fg_samples"] = static_cast<double>(regions.foreground.size()) / images;
  step.metrics["roi_head/num_bg_samples"] =
      static_cast<double>(regions.rois.size() - regions.foreground.size()) / images;
  return regions;
}

// What to multiply losses with that are divided by this process's `count` samples. All processes must ask alike.
double TrainableRcnn::share(double count) const {
  return batch_statistics_ ? distributed::share(count) : 1;  // validation runs on one process
}

at::Tensor TrainableRcnn::pool(const DenseValues& dense, const std::vector<Roi>& rois, const PoolerSpec& pooler,
                               const TorchGraphExecutor& reader) {
  enter("RoIAlign");
  const TorchGraphExecutor& first = roi_stage_.empty() ? reader : roi_stage_[0];
  const at::Tensor pooled =
      pool_regions(dense.roi_features, network_.roi_levels, rois, pooler, first.input_numbers());
  return roi_stage_.empty() ? pooled : roi_stage_[0].forward(pooled, batch_statistics_)[0];
}

}  // namespace fastermask
