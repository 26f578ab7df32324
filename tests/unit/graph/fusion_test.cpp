// Which layers are fused into which steps.
#include "fastermask/graph/fusion.h"

#include <gtest/gtest.h>

#include "fastermask/graph/graph_builder.h"

namespace fastermask {
namespace {

TEST(Fusion, AResidualBlockBecomesItsConvolutions) {
  GraphBuilder builder("dense", 8);
  int value = builder.convolution("a", builder.input(), {4, 1, 1, 1, 1, NormType::frozen_batch, true});
  value = builder.convolution("b", value, {8, 3, 1, 1, 1, NormType::batch});
  const int shortcut = builder.convolution("s", builder.input(), {8, 1, 1, 1, 1, NormType::frozen_batch});
  const int sum = builder.relu(builder.add(value, shortcut));
  builder.output("y", sum);
  const Graph graph = std::move(builder).build();
  const FusedGraph fused = fuse(graph);
  ASSERT_EQ(fused.steps.size(), 3u);
  EXPECT_EQ(graph.layers[static_cast<std::size_t>(fused.steps[0].layer)].name, "a");
  EXPECT_TRUE(fused.steps[0].relu);
  EXPECT_GE(fused.steps[0].norm, 0);
  EXPECT_FALSE(fused.steps[1].relu);
  // The later of the two sums, since only then both are there.
  EXPECT_EQ(graph.layers[static_cast<std::size_t>(fused.steps[2].layer)].name, "s");
  EXPECT_EQ(fused.steps[2].residual, fused.steps[1].output);
  EXPECT_TRUE(fused.steps[2].relu);
  EXPECT_EQ(fused.outputs, std::vector<int>{fused.steps[2].output});
  EXPECT_EQ(fused.steps[2].output, sum);
}

TEST(Fusion, AValueThatOthersReadIsLeftAlone) {
  GraphBuilder builder("dense", 4);
  const int conv = builder.convolution("a", builder.input(), {4, 1});
  const int relu = builder.relu(conv);
  builder.output("before", conv);
  builder.output("after", relu);
  const FusedGraph fused = fuse(std::move(builder).build());
  ASSERT_EQ(fused.steps.size(), 2u);
  EXPECT_FALSE(fused.steps[0].relu);
  EXPECT_EQ(fused.outputs, (std::vector<int>{conv, relu}));
}

TEST(Fusion, UpsamplingIsReadBySum) {
  GraphBuilder builder("dense", 4);
  const int top = builder.convolution("top", builder.max_pool(builder.input(), 2, 2, 0), {4, 1});
  const int lateral = builder.convolution("lateral", builder.input(), {4, 1});
  builder.output("y", builder.add(lateral, builder.upsample_nearest(top, 2)));
  const FusedGraph fused = fuse(std::move(builder).build());
  ASSERT_EQ(fused.steps.size(), 3u);
  EXPECT_EQ(fused.steps[2].residual, top);
  EXPECT_EQ(fused.steps[2].residual_scale, 2);
}

TEST(Fusion, GroupNormStandsAloneWithItsRelu) {
  GraphBuilder builder("dense", 4);
  builder.output("y", builder.convolution("a", builder.input(), {32, 3, 1, 1, 1, NormType::group, true}));
  const FusedGraph fused = fuse(std::move(builder).build());
  ASSERT_EQ(fused.steps.size(), 2u);
  EXPECT_FALSE(fused.steps[0].relu);
  EXPECT_LT(fused.steps[0].norm, 0);
  EXPECT_TRUE(fused.steps[1].relu);
}

TEST(Fusion, LinearLayersReadMapsUnflattened) {
  GraphBuilder builder("box_head", 4);
  const int flat = builder.flatten(builder.input());
  builder.output("a", builder.linear("a", flat, 4 * 9, 5, Initialiser::normal_0_01));
  builder.output("b", builder.linear("b", flat, 4 * 9, 2, Initialiser::normal_0_01));
  const FusedGraph fused = fuse(std::move(builder).build());
  ASSERT_EQ(fused.steps.size(), 2u);
  EXPECT_TRUE(fused.steps[0].flattened);
  EXPECT_EQ(fused.steps[1].input, 0);
}

}  // namespace
}  // namespace fastermask
