#include "fastermask/training/roi_align_device.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cstring>
#include <memory>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/graph/network.h"
#include "fastermask/kernels/roi_align_tables.h"

namespace fastermask {
namespace {

struct DevicePoolingPlan {
  const RoiAlignLaunchers* launchers = nullptr;
  std::vector<Roi> rois;
  RoiAlignParams params;
  std::vector<float> scales;  // [level]
  std::vector<Shape> shapes;  // [level] of the features

  // Sizes and scales, without data: the tables need no more.
  std::vector<FeatureLevel> levels() const {
    std::vector<FeatureLevel> all;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Shape& shape = shapes[i];
      all.push_back({nullptr, static_cast<int>(shape[0]), static_cast<int>(shape[2]), static_cast<int>(shape[3]),
                     static_cast<int>(shape[1]), scales[i]});
    }
    return all;
  }
};

// The bytes of a vector, on the device. The copy is done when this returns: the vector may go.
template <class Value>
at::Tensor upload(const std::vector<Value>& values, const at::Device& device) {
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(Value));
  at::Tensor host = at::empty({bytes}, at::TensorOptions(at::kByte));
  if (bytes > 0) std::memcpy(host.data_ptr(), values.data(), static_cast<std::size_t>(bytes));
  return host.to(device);
}

template <class Value>
const Value* device_pointer(const at::Tensor& bytes) {
  return static_cast<const Value*>(bytes.data_ptr());
}

// Tables there. Must live until the kernels that read them have been started: memory is given back in their order.
struct DeviceTables {
  DeviceTables(const RoiTables& tables, const at::Device& device)
      : rois(upload(tables.rois, device)),
        starts(upload(tables.starts, device)),
        indices(upload(tables.indices, device)),
        weights(upload(tables.weights, device)) {}

  RoiTableView view() const {
    return {device_pointer<RoiTableRecord>(rois), device_pointer<int>(starts), device_pointer<int>(indices),
            device_pointer<float>(weights)};
  }

  at::Tensor rois, starts, indices, weights;
};

class AlignRegionsOnDevice : public torch::autograd::Function<AlignRegionsOnDevice> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const std::shared_ptr<DevicePoolingPlan>& plan,
                            at::TensorList given_features) {
    std::vector<at::Tensor> features;  // held until the kernel has been started
    for (const at::Tensor& feature : given_features) features.push_back(channels_last(feature));
    for (const at::Tensor& feature : features) plan->shapes.push_back(feature.sizes().vec());
    const at::Device device = features[0].device();
    const std::vector<FeatureLevel> levels = plan->levels();
    const DeviceTables tables(roi_tables_by_bin(levels, plan->rois, plan->params), device);
    RoiAlignForward work;
    work.tables = tables.view();
    for (std::size_t i = 0; i < levels.size(); ++i)
      work.levels[i] = {static_cast<const float*>(features[i].data_ptr()), levels[i].height, levels[i].width};
    work.num_rois = static_cast<std::int64_t>(plan->rois.size());
    work.pooled_height = plan->params.pooled_height;
    work.pooled_width = plan->params.pooled_width;
    work.channels = levels[0].channels;
    const at::Tensor output = at::empty({work.num_rois, work.channels, work.pooled_height, work.pooled_width},
                                        features[0].options(), at::MemoryFormat::ChannelsLast);
    work.output = static_cast<float*>(output.data_ptr());
    if (work.num_rois > 0) plan->launchers->forward(work, device);
    context->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<PlanHolder>(plan));
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto holder = context->saved_data["plan"].toCapsule();
    const DevicePoolingPlan& plan = *static_cast<PlanHolder*>(holder.get())->plan;
    const at::Tensor gradient = channels_last(gradients[0]);
    const at::Device device = gradient.device();
    const std::vector<FeatureLevel> levels = plan.levels();
    const RoiTables by_pixel = roi_tables_by_pixel(levels, plan.rois, plan.params);
    const RoiTiles tiles = roi_tiles(levels, by_pixel);
    const DeviceTables tables(by_pixel, device);
    const at::Tensor tile_starts = upload(tiles.starts, device), tile_rois = upload(tiles.rois, device);
    RoiAlignBackward work;
    work.tables = tables.view();
    work.tile_rois = device_pointer<int>(tile_rois);
    work.pooled_height = plan.params.pooled_height;
    work.pooled_width = plan.params.pooled_width;
    work.channels = levels[0].channels;
    work.grad_output = static_cast<const float*>(gradient.data_ptr());
    torch::autograd::variable_list results = {at::Tensor()};
    for (std::size_t i = 0; i < levels.size(); ++i) {
      results.push_back(at::empty(plan.shapes[i], gradient.options(), at::MemoryFormat::ChannelsLast));
      work.tile_starts = device_pointer<int>(tile_starts) + tiles.first[i];
      work.num_images = levels[i].batch;
      work.height = levels[i].height;
      work.width = levels[i].width;
      work.gradient = static_cast<float*>(results.back().data_ptr());
      plan.launchers->backward(work, device);
    }
    return results;
  }

 private:
  struct PlanHolder : torch::CustomClassHolder {
    explicit PlanHolder(std::shared_ptr<DevicePoolingPlan> held) : plan(std::move(held)) {}
    std::shared_ptr<DevicePoolingPlan> plan;
  };
};

}  // namespace

at::Tensor align_regions_on_device(const RoiAlignLaunchers& launchers, const std::vector<at::Tensor>& features,
                                   const std::vector<float>& scales, const std::vector<Roi>& rois,
                                   const RoiAlignParams& params) {
  FASTERMASK_CHECK(!features.empty() && features.size() == scales.size(),
                   "align_regions_on_device: {} features for {} levels", features.size(), scales.size());
  for (const at::Tensor& feature : features) {
    FASTERMASK_CHECK(feature.scalar_type() == at::kFloat && feature.device() == features[0].device(),
                     "align_regions_on_device: features must be float32 and on one device");
  }
  const auto plan = std::make_shared<DevicePoolingPlan>();
  plan->launchers = &launchers;
  plan->rois = rois;
  plan->params = params;
  plan->scales = scales;
  return AlignRegionsOnDevice::apply(plan, at::TensorList(features));
}

}  // namespace fastermask
