#include "fastermask/training/roi_align_generic.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/kernels/roi_axis.h"

namespace fastermask {
namespace {

constexpr std::size_t kMostEntries = 1 << 16;  // pixels gathered at once: 64 MiB of 256 channels

// Some entries of one level: bin `bins[i]` of [R P P] gets `weights[i]` times pixel `pixels[i]` of [N H W].
struct GatherPart {
  std::size_t level = 0;
  at::Tensor pixels, bins;  // [entries] int64
  at::Tensor weights;       // [entries, 1]
};

struct GatherPlan {
  std::vector<GatherPart> parts;
  std::vector<Shape> shapes;  // [level]
  std::int64_t num_rois = 0;
  int pooled_height = 0;
  int pooled_width = 0;
};

// The entries of one region, appended.
class EntryList {
 public:
  void add(const Roi& roi, std::int64_t first_bin, const Shape& shape, float scale, const RoiAlignParams& params) {
    const auto height = static_cast<int>(shape[2]), width = static_cast<int>(shape[3]);
    make_roi_axis(
        roi_extent(roi.box.y1, roi.box.y2, scale, params.pooled_height, params.sampling_ratio, params.aligned),
        params.pooled_height, height, rows_);
    make_roi_axis(roi_extent(roi.box.x1, roi.box.x2, scale, params.pooled_width, params.sampling_ratio, params.aligned),
                  params.pooled_width, width, columns_);
    const float share = 1.0f / std::max(static_cast<float>(rows_.samples) * static_cast<float>(columns_.samples), 1.0f);
    for (int p = 0; p < params.pooled_height; ++p) {
      for (int q = 0; q < params.pooled_width; ++q) {
        const std::int64_t bin = first_bin + p * params.pooled_width + q;
        add_bin(static_cast<std::size_t>(p), static_cast<std::size_t>(q), bin,
                static_cast<std::int64_t>(roi.image) * height, width, share);
      }
    }
  }

  std::size_t size() const { return pixels_.size(); }

  GatherPart take(std::size_t level, const at::Device& device) {
    GatherPart part;
    part.level = level;
    part.pixels = to_tensor(pixels_).to(device);
    part.bins = to_tensor(bins_).to(device);
    part.weights = to_tensor(weights_).unsqueeze(1).to(device);
    pixels_.clear();
    bins_.clear();
    weights_.clear();
    return part;
  }

 private:
  void add_bin(std::size_t p, std::size_t q, std::int64_t bin, std::int64_t first_row, std::int64_t width,
               float share) {
    for (auto i = static_cast<std::size_t>(rows_.starts[p]); i < static_cast<std::size_t>(rows_.starts[p + 1]); ++i) {
      for (auto j = static_cast<std::size_t>(columns_.starts[q]); j < static_cast<std::size_t>(columns_.starts[q + 1]);
           ++j) {
        pixels_.push_back((first_row + rows_.pixels[i]) * width + columns_.pixels[j]);
        bins_.push_back(bin);
        weights_.push_back(rows_.weights[i] * columns_.weights[j] * share);
      }
    }
  }

  RoiAxis rows_, columns_;
  std::vector<std::int64_t> pixels_, bins_;
  std::vector<float> weights_;
};

std::shared_ptr<GatherPlan> make_plan(const std::vector<at::Tensor>& features, const std::vector<float>& scales,
                                      const std::vector<Roi>& rois, const RoiAlignParams& params) {
  const auto plan = std::make_shared<GatherPlan>();
  plan->num_rois = static_cast<std::int64_t>(rois.size());
  plan->pooled_height = params.pooled_height;
  plan->pooled_width = params.pooled_width;
  std::vector<FeatureLevel> levels;
  for (std::size_t level = 0; level < features.size(); ++level) {
    plan->shapes.push_back(features[level].sizes().vec());
    const Shape& shape = plan->shapes.back();
    levels.push_back({nullptr, static_cast<int>(shape[0]), static_cast<int>(shape[2]), static_cast<int>(shape[3]),
                      static_cast<int>(shape[1]), scales[level]});
  }
  check_roi_arguments(Span<const FeatureLevel>(levels), rois, params.pooled_height, params.pooled_width,
                      params.sampling_ratio, "roi_align");
  const std::int64_t bins = static_cast<std::int64_t>(params.pooled_height) * params.pooled_width;
  EntryList entries;
  for (std::size_t level = 0; level < features.size(); ++level) {
    for (std::size_t r = 0; r < rois.size(); ++r) {
      if (rois[r].level != static_cast<int>(level)) continue;
      entries.add(rois[r], static_cast<std::int64_t>(r) * bins, plan->shapes[level], scales[level], params);
      if (entries.size() > kMostEntries) plan->parts.push_back(entries.take(level, features[level].device()));
    }
    if (entries.size() > 0) plan->parts.push_back(entries.take(level, features[level].device()));
  }
  return plan;
}

// [N, C, H, W] as [N H W, C], and back.
at::Tensor as_rows(const at::Tensor& map) { return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)}); }
at::Tensor as_map(const at::Tensor& rows, std::int64_t batch, std::int64_t height, std::int64_t width) {
  return rows.view({batch, height, width, rows.size(1)}).permute({0, 3, 1, 2});
}

class AlignRegions : public torch::autograd::Function<AlignRegions> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const std::shared_ptr<GatherPlan>& plan,
                            at::TensorList features) {
    std::vector<at::Tensor> rows;
    for (const at::Tensor& feature : features) rows.push_back(as_rows(feature));
    at::Tensor pooled =
        at::zeros({plan->num_rois * plan->pooled_height * plan->pooled_width, rows[0].size(1)}, rows[0].options());
    for (const GatherPart& part : plan->parts)
      pooled.index_add_(0, part.bins, rows[part.level].index_select(0, part.pixels) * part.weights);
    context->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<PlanHolder>(plan));
    return as_map(pooled, plan->num_rois, plan->pooled_height, plan->pooled_width);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto holder = context->saved_data["plan"].toCapsule();
    const GatherPlan& plan = *static_cast<PlanHolder*>(holder.get())->plan;
    const at::Tensor gradient = as_rows(gradients[0]);
    std::vector<at::Tensor> rows;
    for (const Shape& shape : plan.shapes)
      rows.push_back(at::zeros({shape[0] * shape[2] * shape[3], shape[1]}, gradient.options()));
    for (const GatherPart& part : plan.parts)
      rows[part.level].index_add_(0, part.pixels, gradient.index_select(0, part.bins) * part.weights);
    torch::autograd::variable_list results = {at::Tensor()};
    for (std::size_t i = 0; i < rows.size(); ++i)
      results.push_back(as_map(rows[i], plan.shapes[i][0], plan.shapes[i][2], plan.shapes[i][3]));
    return results;
  }

 private:
  struct PlanHolder : torch::CustomClassHolder {
    explicit PlanHolder(std::shared_ptr<GatherPlan> held) : plan(std::move(held)) {}
    std::shared_ptr<GatherPlan> plan;
  };
};

}  // namespace

at::Tensor align_regions(const std::vector<at::Tensor>& features, const std::vector<float>& scales,
                         const std::vector<Roi>& rois, const RoiAlignParams& params) {
  FASTERMASK_CHECK(!features.empty() && features.size() == scales.size(), "align_regions: {} features for {} levels",
                   features.size(), scales.size());
  return AlignRegions::apply(make_plan(features, scales, rois, params), at::TensorList(features));
}

}  // namespace fastermask
