// The runtime's CPU executor against LibTorch's, on every kind of network and every part of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/base/random.h"
#include "fastermask/config/load.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/training/inference_executor.h"

namespace fastermask {
namespace {

struct NetworkKind {
  const char* name;
  const char* config;
  std::vector<std::string> overrides;
};

// Small, but with every layer of its kind.
std::vector<std::string> small_with(const std::vector<std::string>& overrides) {
  std::vector<std::string> words = {"MODEL.RESNETS.RES2_OUT_CHANNELS",
                                    "32",
                                    "MODEL.RESNETS.STEM_OUT_CHANNELS",
                                    "16",
                                    "MODEL.FPN.OUT_CHANNELS",
                                    "32",
                                    "MODEL.ROI_BOX_HEAD.FC_DIM",
                                    "48",
                                    "MODEL.ROI_HEADS.NUM_CLASSES",
                                    "3",
                                    "MODEL.ROI_MASK_HEAD.CONV_DIM",
                                    "32",
                                    "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS",
                                    "(32, 32)",
                                    "MODEL.WEIGHTS",
                                    ""};
  words.insert(words.end(), overrides.begin(), overrides.end());
  return words;
}

const NetworkKind kKinds[] = {
    {"mask_fpn", "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml", {"MODEL.RESNETS.WIDTH_PER_GROUP", "16"}},
    {"mask_c4", "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml", {"MODEL.RESNETS.WIDTH_PER_GROUP", "16"}},
    {"faster_dc5", "COCO-Detection/faster_rcnn_R_50_DC5_1x.yaml", {"MODEL.RESNETS.WIDTH_PER_GROUP", "16"}},
    {"keypoint", "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml", {"MODEL.RESNETS.WIDTH_PER_GROUP", "16"}},
    {"resnext",
     "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x.yaml",
     {"MODEL.RESNETS.DEPTH", "50", "MODEL.RESNETS.NUM_GROUPS", "4", "MODEL.RESNETS.WIDTH_PER_GROUP", "8"}},
    {"deformable", "Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml", {"MODEL.RESNETS.WIDTH_PER_GROUP", "16"}},
    {"modulated",
     "Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml",
     {"MODEL.RESNETS.WIDTH_PER_GROUP", "16", "MODEL.RESNETS.DEFORM_MODULATED", "True", "MODEL.RESNETS.NUM_GROUPS", "2",
      "MODEL.RESNETS.DEFORM_NUM_GROUPS", "2"}},
    {"group_norm",
     "Misc/mask_rcnn_R_50_FPN_3x_gn.yaml",
     {"MODEL.RESNETS.WIDTH_PER_GROUP", "32", "MODEL.RESNETS.STEM_OUT_CHANNELS", "32"}},
    {"batch_norm", "Misc/scratch_mask_rcnn_R_50_FPN_9x_syncbn.yaml", {"MODEL.RESNETS.WIDTH_PER_GROUP", "16"}},
    {"basic_blocks",
     "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml",
     {"MODEL.RESNETS.DEPTH", "18", "MODEL.RESNETS.RES2_OUT_CHANNELS", "64", "MODEL.RESNETS.STRIDE_IN_1X1", "False",
      "MODEL.FPN.FUSE_TYPE", "avg"}}};

NDArray random_input(const Shape& shape) {
  Random random(5, RandomPurpose::test);
  NDArray array(DType::float32, shape);
  for (std::int64_t i = 0; i < array.size(); ++i) array.data<float>()[i] = static_cast<float>(random.normal());
  return array;
}

// Every parameter at random, variances positive, so that nothing is folded away.
void randomise_parameters(ParameterStore& store) {
  std::uint64_t seed = 0;
  for (const StoredParameter& stored : store.all()) {
    NDArray array(DType::float32, stored.info.shape);
    Random random(++seed, RandomPurpose::test);
    const std::string& name = stored.info.name;
    const bool variance = name.find("running_var") != std::string::npos;
    const bool scale = name.find("norm.weight") != std::string::npos;
    const double fan = static_cast<double>(array.size()) / static_cast<double>(stored.info.shape[0]);
    for (std::int64_t i = 0; i < array.size(); ++i) {
      const double value = variance || scale ? random.uniform(0.5, 1) : random.normal() / std::sqrt(std::max(fan, 9.0));
      array.data<float>()[i] = static_cast<float>(value);
    }
    store.assign(name, array);
  }
}

class ExecutorsAgree : public testing::TestWithParam<NetworkKind> {
 protected:
  void compare(NetworkPart part, int stage, const Shape& shape) {
    // A group norm over a few pixels enlarges what was rounded before it.
    const double tolerance = std::string(GetParam().name) == "group_norm" ? 3e-4 : 3e-5;
    const NDArray input = random_input(shape);
    const HostTensor tensor{shape, input.data<float>(), nullptr};
    const std::vector<HostTensor> expected = torch_->run(part, stage, tensor);
    for (CpuExecutor* executor : {exact_.get(), fast_.get()}) {
      const std::vector<HostTensor> got = executor->run(part, stage, tensor);
      ASSERT_EQ(got.size(), expected.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].shape, expected[i].shape);
        double largest = 1e-6, error = 0;
        for (std::int64_t k = 0; k < got[i].size(); ++k) {
          largest = std::max<double>(largest, std::abs(expected[i].data[k]));
          error = std::max<double>(error, std::abs(got[i].data[k] - expected[i].data[k]));
        }
        EXPECT_LT(error / largest, tolerance) << part_graph(torch_->network(), part, stage).name << ", output " << i
                                              << (executor == exact_.get() ? ", exact" : ", Winograd");
      }
    }
  }

  std::unique_ptr<TorchNetworkExecutor> torch_;
  std::unique_ptr<CpuExecutor> exact_, fast_;
};

TEST_P(ExecutorsAgree, OnEveryPart) {
  const Config config = load_config(GetParam().config, small_with(GetParam().overrides));
  const Network network = build_network(config);
  ParameterStore store(network, 1, {});
  randomise_parameters(store);
  torch_ = std::make_unique<TorchNetworkExecutor>(network, store);
  exact_ = std::make_unique<CpuExecutor>(network, compile_weights(network, store.state(), {false}));
  fast_ = std::make_unique<CpuExecutor>(network, compile_weights(network, store.state(), {true}));
  compare(NetworkPart::dense, 0, {1, 96, 160, 3});
  compare(NetworkPart::dense, 0, {2, 64, 96, 3});
  const std::int64_t channels = network.roi_levels.front().channels;
  std::int64_t pooled = network.box_pooler.resolution;
  std::int64_t head_channels = channels;
  if (network.roi_stage) {
    compare(NetworkPart::roi_stage, 0, {3, pooled, pooled, channels});
    pooled = (pooled + 1) / 2;
    head_channels = network.roi_stage->layers.back().out_channels;
  }
  for (std::size_t stage = 0; stage < network.box_heads.size(); ++stage)
    compare(NetworkPart::box_head, static_cast<int>(stage), {5, pooled, pooled, head_channels});
  const std::int64_t mask =
      network.roi_stage ? (network.mask_pooler.resolution + 1) / 2 : network.mask_pooler.resolution;
  if (network.mask_head) compare(NetworkPart::mask_head, 0, {3, mask, mask, head_channels});
  const std::int64_t keypoint = network.keypoint_pooler.resolution;
  if (network.keypoint_head) compare(NetworkPart::keypoint_head, 0, {2, keypoint, keypoint, channels});
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExecutorsAgree, testing::ValuesIn(kKinds),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace fastermask
