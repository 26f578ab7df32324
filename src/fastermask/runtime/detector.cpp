#include "fastermask/runtime/detector.h"

#include <algorithm>
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

// Regions pooled and run through a head at a time: few enough for what they take to stay in the caches, and for a
// thousand not to need gigabytes. One that has the C4 network's res5 or a mask head's maps to make is large.
constexpr std::size_t kSmallRegions = 512;
constexpr std::size_t kLargeRegions = 32;

// Adds the seconds of its life to `total`.
class StageTimer {
 public:
  explicit StageTimer(double& total) : total_(total), start_(std::chrono::steady_clock::now()) {}
  ~StageTimer() { total_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  double& total_;
  std::chrono::steady_clock::time_point start_;
};

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

// One call of detect().
struct Detector::Run {
  const DenseOutputs& dense;
  NamedArrays* dump;
  DetectorTimes& times;
};

Detector::Detector(std::shared_ptr<NetworkExecutor> executor, const Config& config)
    : executor_(std::move(executor)),
      config_(config),
      given_proposals_(load_proposal_store(config, false)),
      arenas_(std::make_shared<ArenaPool>()) {
  if (given_proposals_ == nullptr) anchors_ = make_anchor_generator(config, executor_->network());
}

Detector::DenseOutputs Detector::run_dense(const Batch& batch, NamedArrays* dump) const {
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

std::vector<Proposals> Detector::propose(const DenseOutputs& dense, const Batch& batch, NamedArrays* dump) const {
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

HostTensor Detector::pool(const DenseOutputs& dense, Span<const Roi> rois, const PoolerSpec& pooler) const {
  const int channels = dense.roi_features.front().channels;
  const auto count = static_cast<std::int64_t>(rois.size());
  HostTensor pooled{{count, pooler.resolution, pooler.resolution, channels}, nullptr, nullptr};
  const std::shared_ptr<float> memory = arenas_->take(pooled.size());
  pooled.data = memory.get();
  pooled.owner = memory;
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

void Detector::run_head(const Run& run, NetworkPart part, int stage, const std::vector<Roi>& rois,
                        const PoolerSpec& pooler,
                        const std::function<void(const std::vector<HostTensor>&, std::size_t)>& take) const {
  const bool box_head = part == NetworkPart::box_head;
  std::vector<HostTensor> outputs;
  const std::size_t at_once = box_head && !network().roi_stage ? kSmallRegions : kLargeRegions;
  for (std::size_t first = 0; first < rois.size(); first += at_once) {
    const Span<const Roi> some(rois.data() + first, std::min(at_once, rois.size() - first));
    HostTensor pooled;
    {
      const StageTimer timer(box_head ? run.times.box_pool : run.times.mask_pool);
      pooled = pool(run.dense, some, pooler);
    }
    const StageTimer timer(box_head ? run.times.box_head : run.times.mask_head);
    executor_->run(part, stage, pooled, outputs);
    take(outputs, first);
    outputs.clear();  // so that pooling may use their memory
  }
}

std::vector<Detections> Detector::detect_boxes(const Run& run, std::vector<Proposals> proposals,
                                               Span<const ImageSize> image_sizes) const {
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
    std::vector<float> all_logits, all_deltas;
    run_head(run, NetworkPart::box_head, stage, rois, network().box_pooler,
             [&](const std::vector<HostTensor>& outputs, std::size_t) {
               all_logits.insert(all_logits.end(), outputs[0].data, outputs[0].data + outputs[0].size());
               all_deltas.insert(all_deltas.end(), outputs[1].data, outputs[1].data + outputs[1].size());
             });
    const auto columns = static_cast<std::size_t>(classes + 1);
    const std::size_t delta_columns = rois.empty() ? 0 : all_deltas.size() / rois.size();
    if (run.dump != nullptr && !rois.empty()) {
      const std::string suffix = num_stages > 1 ? fmt::format(".stage{}", stage) : "";
      const auto rows = static_cast<std::int64_t>(rois.size());
      (*run.dump)["box.logits" + suffix] = NDArray::from({rows, classes + 1}, all_logits);
      (*run.dump)["box.deltas" + suffix] =
          NDArray::from({rows, static_cast<std::int64_t>(delta_columns)}, all_deltas);
    }
    std::size_t row = 0;
    for (std::size_t i = 0; i < num_images; ++i) {
      const std::size_t count = boxes[i].size();
      scores[i].push_back(softmax_rows({all_logits.data() + row * columns, count * columns}, classes + 1));
      const float* first_delta = all_deltas.data() + row * delta_columns;
      deltas[i].assign(first_delta, first_delta + count * delta_columns);
      row += count;
    }
  }
  const StageTimer timer(run.times.boxes);
  std::vector<Detections> detections(num_images);
  const BoxCoder coder = box_head_coder(config_, num_stages - 1);
  for (std::size_t i = 0; i < num_images; ++i) {
    const Boxes decoded = decode_boxes(coder, deltas[i], boxes[i]);
    detections[i] = fast_rcnn_inference(average_scores(scores[i]), decoded, classes, image_sizes[i],
                                        make_detection_params(config_));
  }
  return detections;
}

void Detector::add_masks(const Run& run, std::vector<Detections>& detections) const {
  const std::vector<Roi> rois = detection_rois(network(), detections);
  std::vector<std::pair<std::size_t, std::size_t>> instances;  // [roi] (image, detection)
  for (std::size_t image = 0; image < detections.size(); ++image) {
    for (std::size_t d = 0; d < detections[image].size(); ++d) instances.emplace_back(image, d);
  }
  int size = 0;
  run_head(run, NetworkPart::mask_head, 0, rois, network().mask_pooler,
           [&](const std::vector<HostTensor>& outputs, std::size_t first) {
             const HostTensor& logits = outputs[0];  // [R, size, size, classes or 1]
             size = static_cast<int>(logits.shape[1]);
             const auto channels = static_cast<std::size_t>(logits.shape[3]);
             const auto pixels = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
             for (std::size_t row = 0; row < static_cast<std::size_t>(logits.shape[0]); ++row) {
               const auto [image, d] = instances[first + row];
               Detections& found = detections[image];
               found.soft_mask_size = size;
               found.soft_masks.resize(found.size());
               found.soft_masks[d].resize(pixels);
               const std::size_t channel = channels == 1 ? 0 : static_cast<std::size_t>(found.classes[d]);
               const float* values = logits.data + row * pixels * channels + channel;
               for (std::size_t p = 0; p < pixels; ++p) found.soft_masks[d][p] = sigmoid_of(values[p * channels]);
             }
           });
  if (run.dump == nullptr) return;
  std::vector<float> dumped;
  for (const Detections& image : detections) {
    for (const auto& mask : image.soft_masks) dumped.insert(dumped.end(), mask.begin(), mask.end());
  }
  (*run.dump)["mask.soft"] = NDArray::from({static_cast<std::int64_t>(rois.size()), 1, size, size}, dumped);
}

void Detector::add_keypoints(const Run& run, std::vector<Detections>& detections) const {
  const std::vector<Roi> rois = detection_rois(network(), detections);
  const int num_keypoints = config_.model.roi_keypoint_head.num_keypoints;
  std::vector<float> maps;
  Shape shape;
  run_head(run, NetworkPart::keypoint_head, 0, rois, network().keypoint_pooler,
           [&](const std::vector<HostTensor>& outputs, std::size_t) {
             shape = outputs[0].shape;
             maps.insert(maps.end(), outputs[0].data, outputs[0].data + outputs[0].size());
           });
  std::vector<float> dumped;
  if (!rois.empty()) {
    shape[0] = static_cast<std::int64_t>(rois.size());
    if (run.dump != nullptr) dump_value(*run.dump, "keypoint.logits", HostTensor{shape, maps.data(), nullptr});
    const std::size_t map_size = maps.size() / rois.size();
    std::size_t row = 0;
    for (Detections& image : detections) {
      image.keypoints = decode_keypoints({maps.data() + row * map_size, image.size() * map_size}, image.boxes,
                                         static_cast<int>(shape[1]), num_keypoints);
      row += image.size();
      for (const auto& instance : image.keypoints) {
        for (const Keypoint& point : instance) dumped.insert(dumped.end(), {point.x, point.y, point.visibility});
      }
    }
  }
  if (run.dump != nullptr)
    (*run.dump)["keypoints"] = NDArray::from({static_cast<std::int64_t>(rois.size()), num_keypoints, 3}, dumped);
}

std::vector<Detections> Detector::detect(const Batch& batch, NamedArrays* dump, DetectorTimes* times) const {
  DetectorTimes unwanted;
  DetectorTimes& stages = times == nullptr ? unwanted : *times;
  DenseOutputs dense;
  {
    const StageTimer timer(stages.dense);
    dense = run_dense(batch, dump);
  }
  std::vector<Proposals> proposals;
  {
    const StageTimer timer(stages.proposals);
    proposals = propose(dense, batch, dump);
  }
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
  const Run run{dense, dump, stages};
  std::vector<Detections> detections = detect_boxes(run, std::move(proposals), batch.image_sizes);
  if (dump != nullptr) dump_detections(*dump, detections);
  if (network().mask_head) add_masks(run, detections);
  if (network().keypoint_head) add_keypoints(run, detections);
  return detections;
}

Detections to_original_image(Detections detections, const ImageSize& original_size) {
  Detections scaled = scale_detections(std::move(detections), original_size);
  if (scaled.soft_masks.empty()) return scaled;
  scaled.masks = paste_masks_to_rle(scaled.soft_masks, scaled.soft_mask_size, scaled.boxes, original_size);
  scaled.soft_masks.clear();
  return scaled;
}

}  // namespace fastermask
