// What TorchGraphExecutor finds out about its graph before it runs: norms to fold, what may be done in place or with a
// convolution, and what is computed again in the backward pass.
#include <algorithm>

#include "fastermask/training/graph_executor.h"

namespace fastermask {
namespace {

// What a segment's layers are called alike, "" for layers outside segments. detectron2's names.
std::string segment_of(const std::string& layer_name) {
  static const char* const kWhole[] = {"roi_heads.mask_head.", "roi_heads.keypoint_head."};
  for (const char* prefix : kWhole) {
    if (layer_name.rfind(prefix, 0) == 0) return prefix;
  }
  // "backbone.bottom_up.res2.0.conv1", "backbone.res2.0.conv1", "roi_heads.res5.0.conv1": up to the block's number
  const std::size_t stage = layer_name.find(".res");
  if (stage == std::string::npos) return "";
  const std::size_t number = layer_name.find('.', stage + 1);
  if (number == std::string::npos) return "";
  return layer_name.substr(0, layer_name.find('.', number + 1));
}

}  // namespace

bool TorchGraphExecutor::is_convolution(const Layer& layer) {
  return layer.type == LayerType::convolution || layer.type == LayerType::deformable_convolution;
}

bool TorchGraphExecutor::is_pixel_product(const Layer& layer) {
  return layer.type == LayerType::convolution && layer.kernel == 1 && layer.stride == 1 && layer.padding == 0 &&
         layer.groups == 1;
}

// Finds each FrozenBN that alone reads a convolution, and turns it into a scale of the weight and a bias: exact up to
// rounding, and one pass over the feature map less, forward and backward.
void TorchGraphExecutor::prepare() {
  if (prepared_version_ == parameters_->version()) return;
  prepared_version_ = parameters_->version();
  const std::vector<Layer>& layers = graph_->layers;
  std::vector<int> readers(layers.size(), 0);
  for (const Layer& layer : layers) {
    for (const int input : layer.inputs) ++readers[static_cast<std::size_t>(input)];
  }
  for (const GraphOutput& output : graph_->outputs) ++readers[static_cast<std::size_t>(output.layer)];
  // A relu or sum may overwrite a value that no other layer reads and that autograd does not keep: convolutions, norms,
  // linear layers and sums remember their inputs, not their outputs.
  in_place_.assign(layers.size(), false);
  folded_.assign(layers.size(), {});
  is_folded_.assign(layers.size(), false);
  tails_.assign(layers.size(), {});
  in_tail_of_.assign(layers.size(), -1);
  passes_on_.assign(layers.size(), -1);
  did_tail_.assign(layers.size(), false);
  with_next_.assign(layers.size(), false);
  segments_.clear();
  if (recorder_ != nullptr) return;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].type != LayerType::relu && layers[i].type != LayerType::add) continue;
    const auto source = static_cast<std::size_t>(layers[i].inputs[0]);
    const LayerType made_by = layers[source].type;
    in_place_[i] = readers[source] == 1 && (is_convolution(layers[source]) || made_by == LayerType::linear ||
                                            made_by == LayerType::normalisation || made_by == LayerType::add ||
                                            made_by == LayerType::deconvolution);
  }
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& norm = layers[i];
    if (norm.type != LayerType::normalisation || norm.norm != NormType::frozen_batch) continue;
    const auto source = static_cast<std::size_t>(norm.inputs[0]);
    if (!is_convolution(layers[source]) || readers[source] != 1) continue;
    FoldedNorm& folded = folded_[source];
    folded.norm_layer = static_cast<int>(i);
    const at::Tensor scale = parameter(norm, ".weight") * (parameter(norm, ".running_var") + norm.norm_epsilon).rsqrt();
    folded.shift = parameter(norm, ".bias") - parameter(norm, ".running_mean") * scale;
    folded.scale = scale.view({-1, 1, 1, 1});
    const at::Tensor& weight = parameter(layers[source], ".weight");
    if (!weight.requires_grad()) folded.frozen_weight = channels_last(weight * folded.scale);
    is_folded_[i] = true;
  }
  find_tails(readers);
  find_pairs();
  if (recompute_) find_segments();
}

void TorchGraphExecutor::find_tails(const std::vector<int>& readers) {
  const std::vector<Layer>& layers = graph_->layers;
  const auto type_of = [&](std::size_t i) { return layers[i].type; };
  // The only layer that reads a value, or none.
  const auto reader_of = [&](std::size_t value) {
    if (readers[value] != 1) return layers.size();
    for (std::size_t i = value + 1; i < layers.size(); ++i) {
      for (const int input : layers[i].inputs) {
        if (input == static_cast<int>(value)) return i;
      }
    }
    return layers.size();  // an output of the graph
  };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (type_of(i) != LayerType::convolution) continue;
    Tail& tail = tails_[i];
    std::vector<std::size_t> members;  // each passes on the value of the one before it
    std::size_t value = i, next = reader_of(i);
    if (next < layers.size() && is_folded_[next]) {
      members.push_back(next);
      value = next;
      next = reader_of(next);
    }
    if (next < layers.size() && type_of(next) == LayerType::add) {
      const std::vector<int>& inputs = layers[next].inputs;
      auto other = static_cast<std::size_t>(inputs[inputs[0] == static_cast<int>(value) ? 1 : 0]);
      const bool upsampled = other > i && type_of(other) == LayerType::upsample_nearest && layers[other].scale == 2 &&
                             readers[other] == 1;
      const std::size_t upsampling = other;
      if (upsampled) other = static_cast<std::size_t>(layers[other].inputs[0]);
      if (other >= i || inputs[0] == inputs[1]) {
        next = layers.size();
      } else {
        if (upsampled) in_tail_of_[upsampling] = static_cast<int>(i);
        tail.residual = static_cast<int>(other);
        tail.residual_scale = upsampled ? 2 : 1;
        members.push_back(next);
        next = reader_of(next);
      }
    }
    if (next < layers.size() && type_of(next) == LayerType::relu) {
      tail.relu = true;
      members.push_back(next);
    }
    if (!tail.does_something()) continue;
    std::size_t passed = i;
    for (const std::size_t member : members) {
      in_tail_of_[member] = static_cast<int>(i);
      passes_on_[member] = static_cast<int>(passed);
      passed = member;
    }
  }
}

// Two layers after one another, as the RPN's predictors, that multiply the same value's pixels.
void TorchGraphExecutor::find_pairs() {
  const std::vector<Layer>& layers = graph_->layers;
  const auto suits = [&](std::size_t i) {
    return is_pixel_product(layers[i]) && !tails_[i].does_something() && folded_[i].norm_layer < 0;
  };
  for (std::size_t i = 1; i + 1 < layers.size(); ++i) {
    with_next_[i] = !with_next_[i - 1] && layers[i].inputs == layers[i + 1].inputs && suits(i) && suits(i + 1);
  }
}

// Runs of layers that one value leaves, and that train something.
void TorchGraphExecutor::find_segments() {
  segments_.clear();
  const std::vector<Layer>& layers = graph_->layers;
  std::vector<std::string> names(layers.size());
  for (std::size_t i = 1; i < layers.size(); ++i) {
    names[i] =
        layers[i].name.empty() ? names[static_cast<std::size_t>(layers[i].inputs[0])] : segment_of(layers[i].name);
  }
  for (std::size_t first = 1; first < layers.size();) {
    Segment segment;
    segment.first = segment.last = first;
    while (segment.last + 1 < layers.size() && names[segment.last + 1] == names[first]) ++segment.last;
    first = segment.last + 1;
    if (names[segment.first].empty() || segment.last == segment.first) continue;
    bool suits = true;
    for (std::size_t i = segment.first; i <= segment.last; ++i) {
      suits = suits && (i == segment.last || last_uses_[i] <= static_cast<int>(segment.last));
      for (std::size_t k = 0; k < layers[i].inputs.size(); ++k) {
        const auto source = static_cast<std::size_t>(layers[i].inputs[k]);
        if (source >= segment.first) continue;
        suits = suits && !(k == 0 && in_place_[i]);  // it would overwrite what is kept
        if (std::find(segment.sources.begin(), segment.sources.end(), source) == segment.sources.end())
          segment.sources.push_back(source);
      }
      for (const char* suffix : {".weight", ".bias"}) {
        if (layers[i].name.empty() || !parameters_->contains(layers[i].name + suffix)) continue;
        const at::Tensor& parameter = parameters_->tensor(layers[i].name + suffix);
        if (parameter.requires_grad()) segment.parameters.push_back(parameter);
      }
    }
    for (const GraphOutput& output : graph_->outputs) {
      const auto layer = static_cast<std::size_t>(output.layer);
      suits = suits && !(layer >= segment.first && layer < segment.last);
    }
    if (suits && !segment.parameters.empty()) segments_.push_back(std::move(segment));
  }
}

}  // namespace fastermask
