#include "fastermask/runtime/detector.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/paste.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/kernels/roi_pool.h"
#include "fastermask/runtime/dump.h"
#include "fastermask/runtime/region_settings.h"

namespace fastermask {
namespace {

// Adds the seconds since `start` to `total`, and restarts.
void lap(std::chrono::steady_clock::time_point& start, double& total) {
  const auto now = std::chrono::steady_clock::now();
  total += std::chrono::duration<double>(now - start).count();
  start = now;
}

float sigmoid_of(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

// The regions of all images' detections.
std::vector<Roi> detection_rois(const Network& network, const std::vector<Detections>& detections) {
  std::vector<Roi> rois;
  for (std::size_t image = 0; image < detections.size(); ++image) {
    append_rois(network, static_cast<int>(image), detections[image].boxes, rois);
  }
  return rois;
}

}  // namespace

// The outputs of the dense graph, by role.
struct Detector::DenseOutputs {
  std::vector<HostTensor> all;             // in the graph's order
  std::vector<FeatureLevel> roi_features;  // [level of Network::roi_levels]
  std::vector<RpnLevel> rpn;               // [level of Network::rpn_levels]
};

Detector::Detector(std::shared_ptr<NetworkExecutor> executor, const Config& config)
    : executor_(std::move(executor)), config_(config), given_proposals_(load_proposal_store(config, false)) {
  if (given_proposals_ == nullptr) anchors_ = make_anchor_generator(config, executor_->network());
}

Detector::DenseOutputs Detector::run_dense(const Batch& batch, NamedArrays* dump) {
  const HostTensor images{{batch.size(), batch.height, batch.width, 3}, batch.images.data(), nullptr};
  DenseOutputs dense;
  dense.all = executor_->run(NetworkPart::dense, 0, images);
  const Graph& graph = network().dense;
  const auto find = [&](const std::string& name) -> const HostTensor& {
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
      if (graph.outputs[i].name == name) return dense.all[i];
    }
    fail("detector: the dense graph has no output '{}'", name);
  };
  for (const LevelSpec& level : network().roi_levels) {
    const HostTensor& feature = find(level.name);
    dense.roi_features.push_back({feature.data, static_cast<int>(feature.shape[0]), static_cast<int>(feature.shape[1]),
                                  static_cast<int>(feature.shape[2]), static_cast<int>(feature.shape[3]),
                                  1.0f / static_cast<float>(level.stride)});
  }
  for (const LevelSpec& level : network().rpn_levels) {
    const HostTensor& logits = find("rpn.logits." + level.name);
    dense.rpn.push_back({logits.data, find("rpn.deltas." + level.name).data, static_cast<int>(logits.shape[0]),
                         static_cast<int>(logits.shape[1]), static_cast<int>(logits.shape[2]),
                         static_cast<int>(logits.shape[3])});
  }
  if (dump != nullptr) {
    dump_value(*dump, "input", images);
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) dump_value(*dump, graph.outputs[i].name, dense.all[i]);
  }
  return dense;
}

std::vector<Proposals> Detector::propose(const DenseOutputs& dense, const Batch& batch, NamedArrays* dump) {
  if (given_proposals_ != nullptr) {
    std::vector<Proposals> given = given_proposals_->for_batch(batch, config_.datasets.precomputed_proposal_topk_test,
                                                               config_.model.proposal_generator.min_size);
    if (dump != nullptr) dump_proposals(*dump, given);
    return given;
  }
  std::vector<ImageSize> grid_sizes;
  for (const RpnLevel& level : dense.rpn) grid_sizes.push_back({level.height, level.width});
  const GridAnchors anchors = anchors_->grid_anchors(grid_sizes);
  std::vector<Proposals> proposals =
      find_top_rpn_proposals(dense.rpn, anchors.boxes, batch.image_sizes, make_proposal_params(config_, false));
  if (dump != nullptr) dump_proposals(*dump, proposals);
  return proposals;
}

HostTensor Detector::pool(const DenseOutputs& dense, const std::vector<Roi>& rois, const PoolerSpec& pooler) {
  const int channels = dense.roi_features.front().channels;
  const auto count = static_cast<std::int64_t>(rois.size());
  HostTensor pooled{{count, pooler.resolution, pooler.resolution, channels}, nullptr, nullptr};
  const std::shared_ptr<float[]> memory(new float[static_cast<std::size_t>(pooled.size())]);
  pooled.data = memory.get();
  pooled.owner = std::shared_ptr<void>(memory, memory.get());
  if (pooler.max_pooling) {
    std::vector<std::int32_t> argmax(static_cast<std::size_t>(pooled.size()));
    roi_pool_forward(dense.roi_features, rois, pooler.resolution, pooler.resolution, memory.get(), argmax.data());
  } else {
    const RoiAlignParams params{pooler.resolution, pooler.resolution, pooler.sampling_ratio, pooler.aligned};
    roi_align_forward(dense.roi_features, rois, params, memory.get());
  }
  if (!network().roi_stage) return pooled;
  return executor_->run(NetworkPart::roi_stage, 0, pooled)[0];
}

std::vector<Detections> Detector::detect_boxes(const DenseOutputs& dense, std::vector<Proposals> proposals,
                                               Span<const ImageSize> image_sizes, NamedArrays* dump) {
  const int classes = config_.model.roi_heads.num_classes;
  const auto num_images = proposals.size();
  std::vector<Boxes> boxes(num_images);
  for (std::size_t i = 0; i < num_images; ++i) boxes[i] = std::move(proposals[i].boxes);
  std::vector<std::vector<std::vector<float>>> scores(num_images);  // [image][stage]
  std::vector<std::vector<float>> deltas(num_images);               // [image] of the last stage
  const int num_stages = static_cast<int>(network().box_heads.size());
  for (int stage = 0; stage < num_stages; ++stage) {
    if (stage > 0) {
      for (std::size_t i = 0; i < num_images; ++i) {
        boxes[i] = next_stage_boxes(box_head_coder(config_, stage - 1), deltas[i], boxes[i], image_sizes[i], false);
      }
    }
    std::vector<Roi> rois;
    for (std::size_t i = 0; i < num_images; ++i) append_rois(network(), static_cast<int>(i), boxes[i], rois);
    std::vector<HostTensor> outputs(2);
    if (!rois.empty()) outputs = executor_->run(NetworkPart::box_head, stage, pool(dense, rois, network().box_pooler));
    if (dump != nullptr && !rois.empty()) {
      const std::string suffix = num_stages > 1 ? fmt::format(".stage{}", stage) : "";
      dump_value(*dump, "box.logits" + suffix, outputs[0]);
      dump_value(*dump, "box.deltas" + suffix, outputs[1]);
    }
    std::size_t row = 0;
    for (std::size_t i = 0; i < num_images; ++i) {
      const std::size_t count = boxes[i].size();
      const auto columns = static_cast<std::size_t>(classes + 1);
      const auto delta_columns = count == 0 ? 0 : static_cast<std::size_t>(outputs[1].shape[1]);
      const float* logits = count == 0 ? nullptr : outputs[0].data + row * columns;
      scores[i].push_back(softmax_rows({logits, count * columns}, classes + 1));
      const float* first_delta = count == 0 ? nullptr : outputs[1].data + row * delta_columns;
      deltas[i].assign(first_delta, first_delta + count * delta_columns);
      row += count;
    }
  }
  std::vector<Detections> detections(num_images);
  const BoxCoder coder = box_head_coder(config_, num_stages - 1);
  for (std::size_t i = 0; i < num_images; ++i) {
    const Boxes decoded = decode_boxes(coder, deltas[i], boxes[i]);
    detections[i] = fast_rcnn_inference(average_scores(scores[i]), decoded, classes, image_sizes[i],
                                        make_detection_params(config_));
  }
  return detections;
}

void Detector::add_masks(const DenseOutputs& dense, std::vector<Detections>& detections, NamedArrays* dump) {
  const std::vector<Roi> rois = detection_rois(network(), detections);
  std::vector<float> dumped;
  int size = 0;
  if (!rois.empty()) {
    const HostTensor logits = executor_->run(NetworkPart::mask_head, 0, pool(dense, rois, network().mask_pooler))[0];
    size = static_cast<int>(logits.shape[1]);
    const auto channels = static_cast<std::size_t>(logits.shape[3]);
    const auto pixels = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
    std::size_t row = 0;
    for (Detections& image : detections) {
      image.soft_mask_size = size;
      image.soft_masks.assign(image.size(), std::vector<float>(pixels));
      for (std::size_t d = 0; d < image.size(); ++d, ++row) {
        const std::size_t channel = channels == 1 ? 0 : static_cast<std::size_t>(image.classes[d]);
        const float* values = logits.data + row * pixels * channels + channel;
        for (std::size_t p = 0; p < pixels; ++p) image.soft_masks[d][p] = sigmoid_of(values[p * channels]);
        dumped.insert(dumped.end(), image.soft_masks[d].begin(), image.soft_masks[d].end());
      }
    }
  }
  if (dump != nullptr)
    (*dump)["mask.soft"] = NDArray::from({static_cast<std::int64_t>(rois.size()), 1, size, size}, dumped);
}

void Detector::add_keypoints(const DenseOutputs& dense, std::vector<Detections>& detections, NamedArrays* dump) {
  const std::vector<Roi> rois = detection_rois(network(), detections);
  const int num_keypoints = config_.model.roi_keypoint_head.num_keypoints;
  std::vector<float> dumped;
  if (!rois.empty()) {
    const HostTensor maps =
        executor_->run(NetworkPart::keypoint_head, 0, pool(dense, rois, network().keypoint_pooler))[0];
    if (dump != nullptr) dump_value(*dump, "keypoint.logits", maps);
    const std::size_t map_size = static_cast<std::size_t>(maps.size()) / rois.size();
    std::size_t row = 0;
    for (Detections& image : detections) {
      image.keypoints = decode_keypoints({maps.data + row * map_size, image.size() * map_size}, image.boxes,
                                         static_cast<int>(maps.shape[1]), num_keypoints);
      row += image.size();
      for (const auto& instance : image.keypoints) {
        for (const Keypoint& point : instance) dumped.insert(dumped.end(), {point.x, point.y, point.visibility});
      }
    }
  }
  if (dump != nullptr)
    (*dump)["keypoints"] = NDArray::from({static_cast<std::int64_t>(rois.size()), num_keypoints, 3}, dumped);
}

std::vector<Detections> Detector::detect(const Batch& batch, NamedArrays* dump) {
  auto start = std::chrono::steady_clock::now();
  const DenseOutputs dense = run_dense(batch, dump);
  lap(start, times_.dense);
  std::vector<Proposals> proposals = propose(dense, batch, dump);
  lap(start, times_.proposals);
  if (network().box_heads.empty()) {  // a proposal network: its proposals are the result
    std::vector<Detections> results(proposals.size());
    for (std::size_t i = 0; i < proposals.size(); ++i) {
      results[i].image_size = batch.image_sizes[i];
      results[i].boxes = std::move(proposals[i].boxes);
      results[i].scores = std::move(proposals[i].logits);
      results[i].classes.assign(results[i].boxes.size(), 0);
    }
    return results;
  }
  std::vector<Detections> detections = detect_boxes(dense, std::move(proposals), batch.image_sizes, dump);
  lap(start, times_.box_head);
  if (dump != nullptr) dump_detections(*dump, detections);
  if (network().mask_head) add_masks(dense, detections, dump);
  if (network().keypoint_head) add_keypoints(dense, detections, dump);
  lap(start, times_.mask_head);
  return detections;
}

Detections to_original_image(const Detections& detections, const ImageSize& original_size) {
  Detections scaled = scale_detections(detections, original_size);
  if (scaled.soft_masks.empty()) return scaled;
  scaled.masks = paste_masks_to_rle(scaled.soft_masks, scaled.soft_mask_size, scaled.boxes, original_size);
  scaled.soft_masks.clear();
  return scaled;
}

}  // namespace fastermask
