// RoIAlign, fast and plain, against torchvision's; the multi-level form against detectron2's ROIPooler.
#include "fastermask/kernels/roi_align.h"

#include "fastermask/kernels/ref_roi_align.h"
#include "fastermask/weights/npz.h"
#include "parity/kernels/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

using testing_support::box_at;
using testing_support::channels_last;
using testing_support::largest_difference;

constexpr double kTolerance = 1e-5;

// Gradients are sums over many bins: the tolerance goes with the largest of them.
double gradient_tolerance(const std::vector<float>& gradient) {
  double largest = 1;
  for (const float value : gradient) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return kTolerance * largest;
}

class RoiAlignParity : public ::testing::Test {
 protected:
  void check_case(const nlohmann::json& entry) {
    const std::string key = entry["key"];
    RoiAlignParams params;
    params.aligned = entry["aligned"];
    params.sampling_ratio = entry["sampling_ratio"];
    params.pooled_height = entry["pooled"][0];
    params.pooled_width = entry["pooled"][1];
    const std::vector<float> x = channels_last(arrays.at("x"));
    const std::vector<float> y = channels_last(arrays.at(key + ".y"));
    const std::vector<float> gy = channels_last(arrays.at(key + ".gy"));
    const std::vector<float> gx = channels_last(arrays.at(key + ".gx"));
    std::vector<Roi> rois;
    for (std::size_t i = 0; i < static_cast<std::size_t>(arrays.at("rois").shape[0]); ++i) {
      const float* roi = arrays.at("rois").data<float>() + 5 * i;
      rois.push_back({static_cast<int>(roi[0]), 0, {roi[1], roi[2], roi[3], roi[4]}});
    }
    std::vector<float> output(y.size(), -7.0f);
    const FeatureLevel level{x.data(), 2, 16, 20, 3, 0.25f};
    roi_align_forward({&level, 1}, rois, params, output.data());
    EXPECT_LE(largest_difference(output, y), kTolerance) << key;
    worst_forward = std::max(worst_forward, static_cast<double>(largest_difference(output, y)));
    ref_roi_align_forward({&level, 1}, rois, params, output.data());
    EXPECT_LE(largest_difference(output, y), kTolerance) << key << " (plain twin)";

    std::vector<float> grad(x.size());
    const FeatureLevelGradient gradient{grad.data(), 2, 16, 20, 3, 0.25f};
    roi_align_backward({&gradient, 1}, rois, params, gy.data());
    EXPECT_LE(largest_difference(grad, gx), gradient_tolerance(gx)) << key;
    worst_backward = std::max(worst_backward, static_cast<double>(largest_difference(grad, gx)));
    std::fill(grad.begin(), grad.end(), 0.0f);
    ref_roi_align_backward({&gradient, 1}, rois, params, gy.data());
    EXPECT_LE(largest_difference(grad, gx), gradient_tolerance(gx)) << key << " (plain twin)";
  }

  void TearDown() override {
    std::printf("[  worst   ] roi_align forward: %.2g, backward: %.2g\n", worst_forward, worst_backward);
  }

  NamedArrays arrays;
  double worst_forward = 0;
  double worst_backward = 0;
};

TEST_F(RoiAlignParity, EqualsTheReferenceForwardAndBackward) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  arrays = load_npz(folder + "/golden/c_roi.npz");
  const nlohmann::json settings = testing_support::load_json(folder + "/golden/c_roi.json");
  ASSERT_EQ(settings["cases"].size(), 12u);
  for (const nlohmann::json& entry : settings["cases"]) check_case(entry);
}

TEST_F(RoiAlignParity, EqualsTheReferencePoolerOverFourLevels) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  arrays = load_npz(folder + "/golden/c_roi.npz");
  std::vector<std::vector<float>> features;
  std::vector<std::vector<float>> grads;
  std::vector<FeatureLevel> levels;
  std::vector<FeatureLevelGradient> gradients;
  for (int l = 0; l < 4; ++l) {
    const NDArray& array = arrays.at("pooler.f" + std::to_string(l));
    features.push_back(channels_last(array));
    grads.emplace_back(features.back().size());
    const int height = static_cast<int>(array.shape[2]);
    const int width = static_cast<int>(array.shape[3]);
    const float scale = 0.25f / static_cast<float>(1 << l);
    levels.push_back({features.back().data(), 2, height, width, 4, scale});
    gradients.push_back({grads.back().data(), 2, height, width, 4, scale});
  }
  std::vector<Roi> rois;
  const std::vector<std::int64_t> roi_levels = arrays.at("pooler.levels").to_integers();
  for (int image = 0; image < 2; ++image) {
    const NDArray& boxes = arrays.at("pooler.boxes" + std::to_string(image));
    for (std::size_t i = 0; i < static_cast<std::size_t>(boxes.shape[0]); ++i) {
      rois.push_back({image, static_cast<int>(roi_levels[rois.size()]), box_at(boxes, i)});
    }
  }
  const std::vector<float> expected = channels_last(arrays.at("pooler.y"));
  std::vector<float> output(expected.size());
  roi_align_forward(levels, rois, RoiAlignParams{}, output.data());
  EXPECT_LE(largest_difference(output, expected), kTolerance);
  worst_forward = static_cast<double>(largest_difference(output, expected));

  roi_align_backward(gradients, rois, RoiAlignParams{}, channels_last(arrays.at("pooler.gy")).data());
  for (std::size_t l = 0; l < 4; ++l) {
    const auto difference = largest_difference(grads[l], channels_last(arrays.at("pooler.gf" + std::to_string(l))));
    EXPECT_LE(difference, kTolerance) << l;
    worst_backward = std::max(worst_backward, static_cast<double>(difference));
  }
}

}  // namespace
}  // namespace fastermask
