// Layers as data: what the builder writes, shapes, last uses, multiply-adds, and every error.
#include "fastermask/graph/graph_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/graph/summary.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::string> names_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Parameter& parameter : graph.parameters) names.push_back(parameter.name);
  return names;
}

TEST(GraphBuilder, AConvolutionHasABiasOnlyWithoutNorm) {
  GraphBuilder builder("g", 3);
  const int plain = builder.convolution("a", builder.input(), {8, 3});
  builder.convolution("b", plain, {4, 1, 1, 1, 1, NormType::frozen_batch, true});
  const Graph graph = std::move(builder).build();
  EXPECT_THAT(names_of(graph), ElementsAre("a.weight", "a.bias", "b.weight", "b.norm.weight", "b.norm.bias",
                                           "b.norm.running_mean", "b.norm.running_var"));
  EXPECT_EQ(graph.parameters[0].shape, (Shape{8, 3, 3, 3}));
  EXPECT_EQ(graph.parameters[2].shape, (Shape{4, 8, 1, 1}));
  EXPECT_EQ(graph.layers.back().type, LayerType::relu);
  EXPECT_EQ(graph.layers[1].padding, 1);  // keeps the size of a 3 x 3 convolution
}

TEST(GraphBuilder, LayersThatShareANameShareTheirParameters) {
  GraphBuilder builder("g", 4);
  builder.convolution("head", builder.convolution("head", builder.input(), {4, 3}), {4, 3});
  const Graph graph = std::move(builder).build();
  EXPECT_THAT(names_of(graph), ElementsAre("head.weight", "head.bias"));
  EXPECT_EQ(graph.layers.size(), 3u);
}

TEST(GraphBuilder, FrozenPartsAreNotTrainedAndTheirBatchNormsTurnIntoFrozenOnes) {
  GraphBuilder builder("g", 3);
  builder.set_trainable(false);
  int value = builder.convolution("a", builder.input(), {4, 1, 1, 1, 1, NormType::batch});
  builder.set_trainable(true);
  builder.convolution("b", value, {4, 1, 1, 1, 1, NormType::batch});
  const Graph graph = std::move(builder).build();
  std::vector<bool> trainable;
  for (const Parameter& parameter : graph.parameters) trainable.push_back(parameter.trainable);
  EXPECT_THAT(trainable, ElementsAre(false, false, false, false, false, true, true, true, false, false));
  EXPECT_EQ(graph.layers[2].norm, NormType::frozen_batch);
  EXPECT_EQ(graph.layers[4].norm, NormType::batch);
  EXPECT_EQ(graph.parameters[4].initialiser, Initialiser::frozen_variance);
  EXPECT_EQ(graph.parameters[9].initialiser, Initialiser::ones);
}

TEST(GraphBuilder, NormNamesAreThoseOfDetectron2) {
  EXPECT_EQ(parse_norm("", "K"), NormType::none);
  EXPECT_EQ(parse_norm("FrozenBN", "K"), NormType::frozen_batch);
  EXPECT_EQ(parse_norm("BN", "K"), NormType::batch);
  for (const char* name : {"SyncBN", "nnSyncBN", "naiveSyncBN"})
    EXPECT_EQ(parse_norm(name, "K"), NormType::sync_batch);
  EXPECT_EQ(parse_norm("GN", "K"), NormType::group);
  EXPECT_THAT(
      [] { parse_norm("LN", "MODEL.FPN.NORM"); },
      ThrowsMessage<ConfigError>("config: MODEL.FPN.NORM: not supported: 'LN'; known norms are '', FrozenBN, BN, "
                                 "SyncBN, GN"));
}

TEST(GraphBuilder, ChannelsThatDoNotDivideAreRefused) {
  GraphBuilder builder("g", 6);
  EXPECT_THAT(
      [&] {
        builder.convolution("c", 0, {8, 3, 1, 1, 4});
      },
      ThrowsMessage<Error>("graph: c: 6 input and 8 output channels cannot be divided into 4 groups"));
  EXPECT_THAT(
      [&] {
        builder.convolution("c", 0, {40, 3, 1, 1, 1, NormType::group});
      },
      ThrowsMessage<Error>("graph: c.norm: group norm needs a multiple of 32 channels, got 40"));
}

// conv 3x3 stride 2 -> relu -> (pool, upsample) -> deconvolution -> flatten -> linear
Graph chain() {
  GraphBuilder builder("chain", 3);
  int value = builder.relu(builder.convolution("conv", builder.input(), {8, 3, 2}));
  value = builder.upsample_nearest(builder.max_pool(value, 3, 2, 1), 2);
  value = builder.deconvolution("up", value, 4, 2, 2, 0, Initialiser::zeros);
  builder.output("map", value);
  builder.output("scores", builder.linear("fc", builder.flatten(value), 4 * 8 * 8, 5, Initialiser::zeros));
  return std::move(builder).build();
}

TEST(Graph, ShapesFollowTheLayers) {
  const std::vector<Shape> shapes = infer_shapes(chain(), {2, 3, 8, 8});
  EXPECT_THAT(shapes, ElementsAre(Shape{2, 3, 8, 8}, Shape{2, 8, 4, 4}, Shape{2, 8, 4, 4}, Shape{2, 8, 2, 2},
                                  Shape{2, 8, 4, 4}, Shape{2, 4, 8, 8}, Shape{2, 256}, Shape{2, 5}));
}

TEST(Graph, OtherLayersHaveTheirShapesToo) {
  GraphBuilder builder("g", 4);
  const int dilated = builder.convolution("d", 0, {4, 3, 1, 2});  // padding 2 keeps the size
  const int sum = builder.average(builder.add(dilated, 0), 0);
  const int large = builder.upsample_bilinear(sum, 2);
  builder.output("mean", builder.spatial_mean(large));
  EXPECT_THAT(infer_shapes(std::move(builder).build(), {1, 4, 5, 7}),
              ElementsAre(Shape{1, 4, 5, 7}, Shape{1, 4, 5, 7}, Shape{1, 4, 5, 7}, Shape{1, 4, 5, 7},
                          Shape{1, 4, 10, 14}, Shape{1, 4}));
}

TEST(Graph, InputsThatDoNotFitAreRefused) {
  EXPECT_THAT(
      [] {
        infer_shapes(chain(), {1, 4, 8, 8});
      },
      ThrowsMessage<Error>("graph: chain takes 3 channels, got an input of [1, 4, 8, 8]"));
  GraphBuilder window("g", 1);
  window.max_pool(0, 3, 1, 0);
  const Graph small = std::move(window).build();
  EXPECT_THAT(
      [&] {
        infer_shapes(small, {1, 1, 2, 9});
      },
      ThrowsMessage<Error>(HasSubstr("input of 2 pixels is too small for kernel 3")));
  GraphBuilder odd("g", 1);
  odd.add(0, odd.upsample_nearest(odd.max_pool(0, 1, 2, 0), 2));
  const Graph sides = std::move(odd).build();
  EXPECT_THAT(
      [&] {
        infer_shapes(sides, {1, 1, 5, 4});
      },
      ThrowsMessage<Error>("graph: cannot add [1, 1, 5, 4] and [1, 1, 6, 4]; the input sides must be a multiple "
                           "of the size divisibility"));
}

TEST(Graph, OutputsAreFoundByName) {
  const Graph graph = chain();
  EXPECT_EQ(graph.output("map").layer, 5);
  EXPECT_TRUE(graph.has_output("scores"));
  EXPECT_FALSE(graph.has_output("boxes"));
  EXPECT_THAT([&] { graph.output("boxes"); },
              ThrowsMessage<Error>("graph: chain has no output 'boxes'; it has map, scores"));
}

TEST(Graph, AValueLivesUntilItsLastReaderAndAnOutputToTheEnd) {
  GraphBuilder builder("g", 2);
  const int a = builder.relu(0);
  const int b = builder.relu(a);
  const int c = builder.add(a, b);
  builder.output("c", c);
  builder.relu(0);
  EXPECT_THAT(last_uses(std::move(builder).build()), ElementsAre(4, 3, 3, 5, 4));
}

TEST(Summary, MultiplyAddsAreCountedTwice) {
  // conv: 8 * 4 * 4 outputs of 3 * 9 products; deconvolution: 8 * 4 * 4 inputs spread over 4 * 4; linear 256 x 5.
  EXPECT_EQ(count_flops(chain(), {1, 3, 8, 8}), 2 * (8 * 16 * 27 + 8 * 16 * 4 * 4 + 256 * 5));
  GraphBuilder grouped("g", 8);
  grouped.convolution("c", 0, {8, 1, 1, 1, 4});
  EXPECT_EQ(count_flops(std::move(grouped).build(), {3, 8, 2, 2}), 2 * 3 * 8 * 4 * 2);
}

}  // namespace
}  // namespace fastermask
