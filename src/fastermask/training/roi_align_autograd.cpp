#include "fastermask/training/roi_align_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include <memory>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/kernels/roi_pool.h"
#include "fastermask/training/gradient_sum.h"
#include "fastermask/training/roi_align_device.h"
#include "fastermask/training/roi_align_generic.h"
#include "fastermask/training/row_loops.h"

namespace fastermask {
namespace {

// What backward needs besides the gradient: everything but tensors.
struct PoolingPlan {
  std::vector<Roi> rois;
  std::vector<Shape> shapes;         // [level] of the features
  std::vector<float> scales;         // [level]
  RoiAlignParams params;
  bool max_pooling = false;
  bool in_halves = false;            // the regions
  std::vector<std::int32_t> argmax;  // of max pooling
  std::vector<GradientEdge> edges;   // [level]
};

std::vector<FeatureLevel> feature_levels(const PoolingPlan& plan, const std::vector<at::Tensor>& features) {
  std::vector<FeatureLevel> levels;
  for (std::size_t i = 0; i < features.size(); ++i) {
    const at::Tensor& feature = features[i];
    levels.push_back({feature.data_ptr<float>(), static_cast<int>(feature.size(0)), static_cast<int>(feature.size(2)),
                      static_cast<int>(feature.size(3)), static_cast<int>(feature.size(1)), plan.scales[i]});
  }
  return levels;
}

class PoolRegions : public torch::autograd::Function<PoolRegions> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const std::shared_ptr<PoolingPlan>& plan,
                            at::TensorList given_features) {
    std::vector<at::Tensor> features;
    for (const at::Tensor& feature : given_features) features.push_back(channels_last(feature));
    for (const at::Tensor& feature : features) plan->shapes.push_back(feature.sizes().vec());
    const auto levels = feature_levels(*plan, features);
    const auto count = static_cast<std::int64_t>(plan->rois.size());
    const at::Tensor output =
        at::empty({count, features[0].size(1), plan->params.pooled_height, plan->params.pooled_width},
                  features[0].options().dtype(plan->in_halves ? at::kBFloat16 : at::kFloat),
                  at::MemoryFormat::ChannelsLast);
    if (plan->max_pooling) {
      plan->argmax.resize(static_cast<std::size_t>(output.numel()));
      roi_pool_forward(levels, plan->rois, plan->params.pooled_height, plan->params.pooled_width,
                       output.data_ptr<float>(), plan->argmax.data());
    } else if (plan->in_halves) {
      roi_align_forward(levels, plan->rois, plan->params, bf16_data(output));
    } else {
      roi_align_forward(levels, plan->rois, plan->params, output.data_ptr<float>());
    }
    context->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<PlanHolder>(plan));
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto holder = context->saved_data["plan"].toCapsule();
    const std::shared_ptr<PoolingPlan> plan = static_cast<PlanHolder*>(holder.get())->plan;
    const at::Tensor gradient = channels_last(gradients[0]);
    std::vector<at::Tensor> results(plan->shapes.size());  // [level]
    bool all_left = true;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (plan->edges[i]) continue;
      all_left = false;
      results[i] = zero_map(plan->shapes[i], gradient.options().dtype(at::kFloat));
    }
    if (!all_left) add_gradients(*plan, gradient, results);
    // Few pixels of a level are in a region: theirs are added to what the level's other readers have made.
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!plan->edges[i]) continue;
      GradientPart part;
      part.into = [plan, gradient, i](const at::Tensor& sum, const at::Tensor& gate) {
        std::vector<at::Tensor> level(plan->shapes.size());
        level[i] = gate.defined() ? at::zeros_like(sum) : sum;
        add_gradients(*plan, gradient, level);
        if (gate.defined()) at::Tensor(sum).add_(at::threshold_backward(level[i], gate, 0));
      };
      results[i] = plan->edges[i].leave(std::move(part));
    }
    results.insert(results.begin(), at::Tensor());  // the plan's
    return results;
  }

 private:
  // Adds to the channels-last maps, [level], that are defined.
  static void add_gradients(const PoolingPlan& plan, const at::Tensor& gradient, const std::vector<at::Tensor>& maps) {
    std::vector<FeatureLevelGradient> levels;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const Shape& shape = plan.shapes[i];
      levels.push_back({maps[i].defined() ? maps[i].data_ptr<float>() : nullptr, static_cast<int>(shape[0]),
                        static_cast<int>(shape[2]), static_cast<int>(shape[3]), static_cast<int>(shape[1]),
                        plan.scales[i]});
    }
    if (plan.max_pooling) {
      roi_pool_backward(levels, plan.rois, plan.params.pooled_height, plan.params.pooled_width,
                        gradient.data_ptr<float>(), plan.argmax.data());
    } else if (plan.in_halves) {
      roi_align_backward(levels, plan.rois, plan.params, bf16_data(gradient));
    } else {
      roi_align_backward(levels, plan.rois, plan.params, gradient.data_ptr<float>());
    }
  }

  struct PlanHolder : torch::CustomClassHolder {
    explicit PlanHolder(std::shared_ptr<PoolingPlan> held) : plan(std::move(held)) {}
    std::shared_ptr<PoolingPlan> plan;
  };
};

}  // namespace

at::Tensor pool_regions(const std::vector<at::Tensor>& features, const std::vector<LevelSpec>& levels,
                        const std::vector<Roi>& rois, const PoolerSpec& pooler, at::ScalarType numbers) {
  FASTERMASK_CHECK(!features.empty() && features.size() == levels.size(), "pool_regions: {} features for {} levels",
                   features.size(), levels.size());
  const auto plan = std::make_shared<PoolingPlan>();
  plan->rois = rois;
  for (const LevelSpec& level : levels) plan->scales.push_back(1.0f / static_cast<float>(level.stride));
  plan->params = {pooler.resolution, pooler.resolution, pooler.sampling_ratio, pooler.aligned};
  if (!features[0].is_cpu()) {
    if (!pooler.max_pooling) {
      const RoiAlignLaunchers* launchers = roi_align_launchers(features[0].device().type());
      if (launchers != nullptr && features.size() <= static_cast<std::size_t>(kMostRoiAlignLevels))
        return align_regions_on_device(*launchers, features, plan->scales, rois, plan->params);
      return align_regions(features, plan->scales, rois, plan->params);
    }
    std::vector<at::Tensor> on_host;
    for (const at::Tensor& feature : features) on_host.push_back(feature.to(at::kCPU));
    return pool_regions(on_host, levels, rois, pooler).to(features[0].device());
  }
  plan->max_pooling = pooler.max_pooling;
  plan->in_halves = numbers == at::kBFloat16 && !pooler.max_pooling;
  plan->edges.resize(features.size());
  std::vector<at::Tensor> read = features;
  for (std::size_t i = 0; i < features.size() && !pooler.max_pooling; ++i)
    read[i] = GradientEdge::read(features[i], plan->edges[i]);
  return PoolRegions::apply(plan, at::TensorList(read));
}

}  // namespace fastermask
