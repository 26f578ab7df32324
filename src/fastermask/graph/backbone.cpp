#include "fastermask/graph/backbone.h"

#include <algorithm>

#include <fmt/format.h>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

struct BlockSpec {
  int out_channels = 0;
  int bottleneck_channels = 0;
  int stride = 1;
  int dilation = 1;
  NormType norm = NormType::none;
  bool stride_in_1x1 = false;
  int groups = 1;
  bool deformable = false;
  DeformableSpec deformation;
};

int add_shortcut(GraphBuilder& builder, int input, const std::string& prefix, const BlockSpec& spec) {
  if (builder.channels(input) == spec.out_channels) return input;
  return builder.convolution(prefix + "shortcut", input, {spec.out_channels, 1, spec.stride, 1, 1, spec.norm, false});
}

int add_bottleneck(GraphBuilder& builder, int input, const std::string& prefix, const BlockSpec& spec) {
  const int stride1 = spec.stride_in_1x1 ? spec.stride : 1;
  const int stride3 = spec.stride_in_1x1 ? 1 : spec.stride;
  int value =
      builder.convolution(prefix + "conv1", input, {spec.bottleneck_channels, 1, stride1, 1, 1, spec.norm, true});
  const ConvolutionSpec conv2 = {spec.bottleneck_channels, 3, stride3, spec.dilation, spec.groups, spec.norm, true};
  value = spec.deformable ? builder.deformable_convolution(prefix + "conv2", value, conv2, spec.deformation)
                          : builder.convolution(prefix + "conv2", value, conv2);
  value = builder.convolution(prefix + "conv3", value, {spec.out_channels, 1, 1, 1, 1, spec.norm, false});
  return builder.relu(builder.add(value, add_shortcut(builder, input, prefix, spec)));
}

int add_basic_block(GraphBuilder& builder, int input, const std::string& prefix, const BlockSpec& spec) {
  int value = builder.convolution(prefix + "conv1", input, {spec.out_channels, 3, spec.stride, 1, 1, spec.norm, true});
  value = builder.convolution(prefix + "conv2", value, {spec.out_channels, 3, 1, 1, 1, spec.norm, false});
  return builder.relu(builder.add(value, add_shortcut(builder, input, prefix, spec)));
}

// The stem and stages of MODEL.RESNETS up to the last one that OUT_FEATURES asks for. `prefix` ends with a dot.
std::vector<FeatureLevel2d> build_resnet(GraphBuilder& builder, const std::string& prefix, const ModelConfig& model) {
  const auto& resnets = model.resnets;
  const int freeze_at = model.backbone.freeze_at;
  const auto wanted = [&resnets](const std::string& name) {
    return std::find(resnets.out_features.begin(), resnets.out_features.end(), name) != resnets.out_features.end();
  };
  int last_stage = 1;
  for (const std::string& name : resnets.out_features) {
    const bool known =
        name == "stem" || (name.size() == 4 && name.compare(0, 3, "res") == 0 && name[3] >= '2' && name[3] <= '5');
    if (!known) fail<ConfigError>("config: MODEL.RESNETS.OUT_FEATURES must name stem, res2 .. res5, got '{}'", name);
    if (name != "stem") last_stage = std::max(last_stage, name[3] - '0');
  }
  builder.set_trainable(freeze_at < 1);
  const NormType norm = parse_norm(resnets.norm, "MODEL.RESNETS.NORM");
  int value =
      builder.convolution(prefix + "stem.conv1", builder.input(), {resnets.stem_out_channels, 7, 2, 1, 1, norm, true});
  value = builder.max_pool(value, 3, 2, 1);
  std::vector<FeatureLevel2d> levels;
  if (wanted("stem")) levels.push_back({"stem", value, 4});
  const std::vector<int> blocks = resnet_blocks(resnets.depth);
  int stride = 4;
  for (int stage = 2; stage <= last_stage; ++stage) {
    const bool dilated = stage == 5 && resnets.res5_dilation == 2;
    StageSpec spec;
    spec.stage = stage;
    spec.num_blocks = blocks[static_cast<std::size_t>(stage - 2)];
    spec.first_stride = stage == 2 || dilated ? 1 : 2;
    stride *= spec.first_stride;
    builder.set_trainable(freeze_at < stage);
    value = build_resnet_stage(builder, value, fmt::format("{}res{}.", prefix, stage), model, spec);
    const std::string name = fmt::format("res{}", stage);
    if (wanted(name)) levels.push_back({name, value, stride});
  }
  builder.set_trainable(true);
  return levels;
}

int log2_stride(int stride) {
  int log2 = 0;
  while ((1 << log2) < stride) ++log2;
  return log2;
}

std::vector<FeatureLevel2d> build_fpn(GraphBuilder& builder, const Config& config) {
  const auto& fpn = config.model.fpn;
  const NormType norm = parse_norm(fpn.norm, "MODEL.FPN.NORM");
  std::vector<FeatureLevel2d> bottom_up;
  for (const FeatureLevel2d& level : build_resnet(builder, "backbone.bottom_up.", config.model)) {
    if (std::find(fpn.in_features.begin(), fpn.in_features.end(), level.name) != fpn.in_features.end())
      bottom_up.push_back(level);
  }
  if (bottom_up.empty() || bottom_up.size() != fpn.in_features.size()) {
    fail<ConfigError>("config: MODEL.FPN.IN_FEATURES must be among MODEL.RESNETS.OUT_FEATURES ({})",
                      fmt::join(config.model.resnets.out_features, ", "));
  }
  ConvolutionSpec spec;
  spec.out_channels = fpn.out_channels;
  spec.norm = norm;
  spec.initialiser = Initialiser::kaiming_uniform_fan_in;
  std::vector<FeatureLevel2d> levels(bottom_up.size());
  int merged = -1;
  for (std::size_t i = bottom_up.size(); i-- > 0;) {
    const int level = log2_stride(bottom_up[i].stride);
    spec.kernel = 1;
    const int lateral = builder.convolution(fmt::format("backbone.fpn_lateral{}", level), bottom_up[i].value, spec);
    if (merged < 0) {
      merged = lateral;
    } else {
      const int top_down = builder.upsample_nearest(merged, 2);
      merged = fpn.fuse_type == "avg" ? builder.average(lateral, top_down) : builder.add(lateral, top_down);
    }
    spec.kernel = 3;
    const int output = builder.convolution(fmt::format("backbone.fpn_output{}", level), merged, spec);
    levels[i] = {fmt::format("p{}", level), output, bottom_up[i].stride};
  }
  // LastLevelMaxPool: one more, coarser level for the RPN.
  const FeatureLevel2d& top = levels.back();
  levels.push_back(
      {fmt::format("p{}", log2_stride(top.stride) + 1), builder.max_pool(top.value, 1, 2, 0), top.stride * 2});
  return levels;
}

}  // namespace

std::vector<int> resnet_blocks(int depth) {
  switch (depth) {
    case 18: return {2, 2, 2, 2};
    case 34: return {3, 4, 6, 3};
    case 50: return {3, 4, 6, 3};
    case 101: return {3, 4, 23, 3};
    case 152: return {3, 8, 36, 3};
    default: fail<ConfigError>("config: MODEL.RESNETS.DEPTH must be 18, 34, 50, 101 or 152, got {}", depth);
  }
}

int build_resnet_stage(GraphBuilder& builder, int input, const std::string& prefix, const ModelConfig& model,
                       const StageSpec& spec) {
  const auto& resnets = model.resnets;
  const bool basic = resnets.depth < 50;
  if (basic && resnets.res2_out_channels != 64) {
    fail<ConfigError>("config: MODEL.RESNETS.RES2_OUT_CHANNELS must be 64 for depth {}, got {}", resnets.depth,
                      resnets.res2_out_channels);
  }
  if (basic && (resnets.res5_dilation != 1 || resnets.num_groups != 1)) {
    fail<ConfigError>("config: MODEL.RESNETS: depth {} has neither dilation nor groups", resnets.depth);
  }
  const auto stage_index = static_cast<std::size_t>(spec.stage - 2);
  const bool deformable = stage_index < resnets.deform_on_per_stage.size() && resnets.deform_on_per_stage[stage_index];
  if (basic && deformable) {
    fail<ConfigError>(
        "config: MODEL.RESNETS.DEFORM_ON_PER_STAGE: depth {} has no deformable convolutions, as in "
        "detectron2; use depth 50, 101 or 152",
        resnets.depth);
  }
  const int factor = 1 << (spec.stage - 2);
  BlockSpec block;
  block.out_channels = resnets.res2_out_channels * factor;
  block.bottleneck_channels = resnets.num_groups * resnets.width_per_group * factor;
  block.dilation = spec.stage == 5 ? resnets.res5_dilation : 1;
  block.norm = parse_norm(resnets.norm, "MODEL.RESNETS.NORM");
  block.stride_in_1x1 = resnets.stride_in_1x1;
  block.groups = resnets.num_groups;
  block.deformable = deformable;
  block.deformation = {resnets.deform_num_groups, resnets.deform_modulated};
  int value = input;
  for (int i = 0; i < spec.num_blocks; ++i) {
    block.stride = i == 0 ? spec.first_stride : 1;
    const std::string block_prefix = fmt::format("{}{}.", prefix, i);
    value = basic ? add_basic_block(builder, value, block_prefix, block)
                  : add_bottleneck(builder, value, block_prefix, block);
  }
  return value;
}

std::vector<FeatureLevel2d> build_backbone(GraphBuilder& builder, const Config& config) {
  if (config.model.backbone.name == "build_resnet_fpn_backbone") return build_fpn(builder, config);
  if (config.model.backbone.name == "build_resnet_backbone") return build_resnet(builder, "backbone.", config.model);
  fail<ConfigError>(
      "config: MODEL.BACKBONE.NAME: not supported: '{}'; known are build_resnet_backbone, build_resnet_fpn_backbone",
      config.model.backbone.name);
}

int size_divisibility(const Config& config) {
  if (config.model.backbone.name != "build_resnet_fpn_backbone") return 0;
  int divisibility = 4;
  for (const std::string& name : config.model.fpn.in_features) {
    if (name.size() == 4 && name[3] >= '2' && name[3] <= '5')
      divisibility = std::max(divisibility, 4 << (name[3] - '2'));
  }
  return divisibility;
}

}  // namespace fastermask
