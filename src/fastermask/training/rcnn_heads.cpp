// TrainableRcnn's second stage: the losses of the box, mask and keypoint heads.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/detection/metrics.h"
#include "fastermask/kernels/mask_target.h"
#include "fastermask/runtime/region_settings.h"
#include "fastermask/training/distributed.h"
#include "fastermask/training/losses.h"
#include "fastermask/training/rcnn_regions.h"

namespace fastermask {

void TrainableRcnn::Regions::collect(const Network& network, const Batch& batch, int num_classes) {
  for (std::size_t image = 0; image < images.size(); ++image) {
    const RoiTargets& targets = images[image];
    const GroundTruth& truth = batch.ground_truths[image];
    const auto first_row = static_cast<std::int64_t>(rois.size());
    append_rois(network, static_cast<int>(image), targets.boxes, rois);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      classes.push_back(targets.classes[i]);
      if (targets.classes[i] < 0 || targets.classes[i] >= num_classes) continue;
      foreground.push_back(first_row + static_cast<std::int64_t>(i));
      foreground_class.push_back(targets.classes[i]);
      foreground_image.push_back(static_cast<int>(image));
      foreground_gt.push_back(targets.gt_index[i]);
      foreground_boxes.push_back(targets.boxes[i]);
      foreground_gt_boxes.push_back(truth.boxes[static_cast<std::size_t>(targets.gt_index[i])]);
    }
  }
}

// Adds loss_cls and loss_box_reg (with the suffix) and their metrics.
void TrainableRcnn::predictor_losses(const at::Tensor& logits, const at::Tensor& deltas, const Regions& regions,
                                     int stage, const std::string& suffix, StepLosses& step) const {
  enter("losses");
  const auto& head = config_.model.roi_box_head;
  const int num_classes = config_.model.roi_heads.num_classes;
  at::Tensor chosen = deltas.index_select(0, to_tensor(regions.foreground).to(deltas.device()));
  if (deltas.size(1) != 4) {  // the four outputs of each region's own class
    const auto count = static_cast<std::int64_t>(regions.foreground.size());
    chosen = values_of_class(chosen.view({count, num_classes, 4}), regions.foreground_class);
  }
  const BoxLossSpec spec{head.bbox_reg_loss_type, head.smooth_l1_beta, box_head_coder(config_, stage)};
  const at::Tensor box_loss = box_regression_loss(spec, chosen, regions.foreground_boxes, regions.foreground_gt_boxes);
  const double normaliser = std::max<double>(static_cast<double>(regions.classes.size()), 1.0);
  const double share = this->share(static_cast<double>(regions.classes.size()));
  step.losses.push_back({"loss_cls" + suffix, softmax_cross_entropy_mean(logits, regions.classes) * share});
  step.losses.push_back({"loss_box_reg" + suffix, box_loss * (head.bbox_reg_loss_weight / normaliser * share)});
  const at::Tensor host_logits = logits.detach().to(at::kCPU).contiguous();
  const std::vector<int> classes(regions.classes.begin(), regions.classes.end());
  const ClassificationMetrics metrics = classification_metrics(
      {host_logits.data_ptr<float>(), static_cast<std::size_t>(host_logits.numel())}, classes, num_classes);
  const std::string prefix = suffix.empty() ? "fast_rcnn/" : fmt::format("stage{}/fast_rcnn/", stage);
  if (metrics.num_instances > 0) step.metrics[prefix + "cls_accuracy"] = metrics.cls_accuracy;
  if (metrics.num_foreground > 0) {
    step.metrics[prefix + "fg_cls_accuracy"] = metrics.fg_cls_accuracy;
    step.metrics[prefix + "false_negative"] = metrics.false_negative;
  }
}

// The box head's losses; returns the region features the mask head shares in a C4 network.
at::Tensor TrainableRcnn::box_losses(const DenseValues& dense, Regions& regions, StepLosses& step) {
  const at::Tensor features = pool(dense, regions.rois, network_.box_pooler, box_heads_[0]);
  const std::vector<at::Tensor> outputs = box_heads_[0].forward(features, batch_statistics_);
  predictor_losses(outputs[0], outputs[1], regions, 0, "", step);
  if (!roi_stage_.empty()) return features;
  if (config_.model.roi_box_head.train_on_pred_boxes) use_predicted_boxes(outputs[1], regions);
  return at::Tensor();
}

// MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES: the mask and keypoint heads learn on the boxes that the box head predicts for
// each region's class (the last class's for background). detectron2 fast_rcnn.py predict_boxes_for_gt_classes.
void TrainableRcnn::use_predicted_boxes(const at::Tensor& deltas, Regions& regions) const {
  const at::Tensor host = deltas.detach().to(at::kCPU).contiguous();
  const auto columns = static_cast<std::size_t>(host.size(1));
  const std::int64_t last_class = static_cast<std::int64_t>(columns / 4) - 1;
  const BoxCoder coder = box_head_coder(config_, 0);
  std::size_t row = 0;
  regions.rois.clear();
  for (std::size_t image = 0; image < regions.images.size(); ++image) {
    for (Box& box : regions.images[image].boxes) {
      const auto group = static_cast<std::size_t>(std::min(regions.classes[row], last_class));
      const float* delta = host.data_ptr<float>() + row++ * columns + 4 * group;
      box = coder.decode({delta[0], delta[1], delta[2], delta[3]}, box);
    }
    append_rois(network_, static_cast<int>(image), regions.images[image].boxes, regions.rois);
  }
  for (std::size_t i = 0; i < regions.foreground.size(); ++i) {
    regions.foreground_boxes[i] = regions.rois[static_cast<std::size_t>(regions.foreground[i])].box;
  }
}

// Cascade R-CNN (arXiv:1712.00726): each stage starts from the boxes the one before it predicted.
void TrainableRcnn::cascade_losses(const Batch& batch, const DenseValues& dense, Regions regions, StepLosses& step) {
  const auto& ious = config_.model.roi_box_cascade_head.ious;
  const double gradient_scale = 1.0 / static_cast<double>(box_heads_.size());
  at::Tensor deltas;
  for (std::size_t stage = 0; stage < box_heads_.size(); ++stage) {
    if (stage > 0) {
      const at::Tensor host_deltas = deltas.detach().to(at::kCPU).contiguous();
      const float* next = host_deltas.data_ptr<float>();
      RoiTargetParams params = make_roi_target_params(config_, SamplingStrategy::random);
      params.iou_thresholds = {ious[stage]};
      params.iou_labels = {0, 1};
      Regions refined;
      for (std::size_t image = 0; image < regions.images.size(); ++image) {
        const Boxes& boxes = regions.images[image].boxes;
        const Boxes moved = next_stage_boxes(box_head_coder(config_, static_cast<int>(stage) - 1),
                                             {next, boxes.size() * 4}, boxes, batch.image_sizes[image], true);
        next += boxes.size() * 4;
        const GroundTruth& truth = batch.ground_truths[image];
        refined.images.push_back(label_proposals(moved, truth.boxes, truth.classes, params));
      }
      refined.collect(network_, batch, params.num_classes);
      regions = std::move(refined);
      const std::string prefix = fmt::format("stage{}/roi_head/", stage);
      const auto images = static_cast<double>(batch.size());
      step.metrics[prefix + "num_fg_samples"] = static_cast<double>(regions.foreground.size()) / images;
      step.metrics[prefix + "num_bg_samples"] =
          static_cast<double>(regions.rois.size() - regions.foreground.size()) / images;
    }
    const at::Tensor features = pool(dense, regions.rois, network_.box_pooler, box_heads_[stage]);
    if (features.requires_grad()) {
      features.register_hook([gradient_scale](const at::Tensor& gradient) { return gradient * gradient_scale; });
    }
    const std::vector<at::Tensor> outputs = box_heads_[stage].forward(features, batch_statistics_);
    deltas = outputs[1];
    predictor_losses(outputs[0], deltas, regions, static_cast<int>(stage), fmt::format("_stage{}", stage), step);
  }
}

// Whether the other processes' mask heads wait for this one's norms: then it runs even without a region.
bool TrainableRcnn::mask_head_synchronises() const {
  if (distributed::world_size() == 1 || !batch_statistics_) return false;
  const std::vector<Layer>& layers = network_.mask_head->layers;
  return std::any_of(layers.begin(), layers.end(),
                     [](const Layer& layer) { return layer.norm == NormType::sync_batch; });
}

void TrainableRcnn::mask_losses(const Batch& batch, const DenseValues& dense, const Regions& regions,
                                const at::Tensor& shared_features, StepLosses& step) {
  const double share = this->share(static_cast<double>(regions.foreground.size()));
  if (regions.foreground.empty() && !mask_head_synchronises()) {
    // Nothing to learn a mask from: a zero that still reaches every parameter, as detectron2 has it.
    at::Tensor zero = dense.roi_features[0].sum() * 0;
    for (const Parameter& parameter : network_.mask_head->parameters)
      zero = zero + parameters_.tensor(parameter.name).sum() * 0;
    step.losses.push_back({"loss_mask", zero});
    return;
  }
  at::Tensor features;
  if (shared_features.defined()) {
    features =
        channels_last(shared_features.index_select(0, to_tensor(regions.foreground).to(shared_features.device())));
  } else {
    std::vector<Roi> rois;
    for (const std::int64_t row : regions.foreground) rois.push_back(regions.rois[static_cast<std::size_t>(row)]);
    features = pool(dense, rois, network_.mask_pooler, mask_head_[0]);
  }
  const at::Tensor logits = mask_head_[0].forward(features, batch_statistics_)[0];
  enter("losses");
  const int size = static_cast<int>(logits.size(2));
  std::vector<const Segmentation*> segmentations;
  for (std::size_t i = 0; i < regions.foreground.size(); ++i) {
    const GroundTruth& truth = batch.ground_truths[static_cast<std::size_t>(regions.foreground_image[i])];
    segmentations.push_back(&truth.masks.at(static_cast<std::size_t>(regions.foreground_gt[i])));
  }
  std::vector<std::uint8_t> targets(regions.foreground.size() * static_cast<std::size_t>(size) *
                                    static_cast<std::size_t>(size));
  mask_targets(segmentations, regions.foreground_boxes, size, targets.data());
  at::Tensor selected;
  step.losses.push_back({"loss_mask", mask_loss(logits, regions.foreground_class, targets, &selected) * share});
  if (regions.foreground.empty()) return;
  const at::Tensor host = selected.to(at::kCPU).contiguous();
  const MaskMetrics metrics = mask_metrics({host.data_ptr<float>(), targets.size()}, targets);
  step.metrics["mask_rcnn/accuracy"] = metrics.accuracy;
  step.metrics["mask_rcnn/false_positive"] = metrics.false_positive;
  step.metrics["mask_rcnn/false_negative"] = metrics.false_negative;
}

void TrainableRcnn::keypoint_losses(const Batch& batch, const DenseValues& dense, const Regions& regions,
                                    StepLosses& step) {
  const auto& head = config_.model.roi_keypoint_head;
  std::vector<Roi> rois;
  std::vector<std::pair<std::size_t, int>> instances;  // image and ground truth of each region
  for (std::size_t image = 0; image < regions.images.size(); ++image) {
    const RoiTargets& targets = regions.images[image];
    Boxes boxes;
    for (const int index : select_with_visible_keypoints(targets, batch.ground_truths[image].keypoints)) {
      boxes.push_back(targets.boxes[static_cast<std::size_t>(index)]);
      instances.emplace_back(image, targets.gt_index[static_cast<std::size_t>(index)]);
    }
    append_rois(network_, static_cast<int>(image), boxes, rois);
  }
  step.metrics["keypoint_head/num_fg_samples"] = static_cast<double>(rois.size()) / static_cast<double>(batch.size());
  at::Tensor logits;
  std::vector<std::int64_t> rows, cells;
  if (!rois.empty()) {
    const at::Tensor features = pool(dense, rois, network_.keypoint_pooler, keypoint_head_[0]);
    logits = keypoint_head_[0].forward(features, batch_statistics_)[0];
    enter("losses");
    for (std::size_t i = 0; i < rois.size(); ++i) {
      const auto& points =
          batch.ground_truths[instances[i].first].keypoints[static_cast<std::size_t>(instances[i].second)];
      const auto targets = keypoint_targets(points, rois[i].box, static_cast<int>(logits.size(2)));
      for (std::size_t k = 0; k < targets.size(); ++k) {
        if (!targets[k].valid) continue;
        rows.push_back(static_cast<std::int64_t>(i * targets.size() + k));
        cells.push_back(targets[k].cell);
      }
    }
  }
  const double share = this->share(static_cast<double>(rows.size()));
  if (rows.empty()) {
    step.metrics["kpts_num_skipped_batches"] = 1;
    step.losses.push_back({"loss_keypoint", (logits.defined() ? logits : dense.roi_features[0]).sum() * 0});
    return;
  }
  const std::int64_t map_cells = logits.size(2) * logits.size(3);
  const at::Tensor maps = logits.reshape({-1, map_cells}).index_select(0, to_tensor(rows).to(logits.device()));
  const at::Tensor sum = at::cross_entropy_loss(maps, to_tensor(cells).to(logits.device()), {}, at::Reduction::Sum);
  double normaliser = static_cast<double>(rows.size()) / share;
  if (!head.normalize_loss_by_visible_keypoints) {
    normaliser = static_cast<double>(head.num_keypoints) * config_.model.roi_heads.batch_size_per_image *
                 config_.model.roi_heads.positive_fraction * static_cast<double>(batch.size());
  }
  step.losses.push_back({"loss_keypoint", sum * (head.loss_weight / normaliser)});
}

}  // namespace fastermask
