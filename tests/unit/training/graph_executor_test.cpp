// The training executor's short cuts (folded FrozenBN, work in place, disjoint deconvolution) against the plain
// computation, values and gradients.
#include "fastermask/training/graph_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/random.h"
#include "unit/training/tiny_network.h"

namespace fastermask {
namespace {

at::Tensor random_tensor(const Shape& shape, std::uint64_t seed, double low = -1, double high = 1) {
  Random random(seed, RandomPurpose::test);
  NDArray array(DType::float32, shape);
  for (std::int64_t i = 0; i < array.size(); ++i)
    array.data<float>()[i] = static_cast<float>(random.uniform(low, high));
  return to_tensor(array);
}

void randomise(const ParameterStore& store) {
  const at::NoGradGuard no_grad;
  std::uint64_t seed = 100;
  for (const StoredParameter& parameter : store.all()) {
    const bool variance = parameter.info.name.find("running_var") != std::string::npos;
    at::Tensor(parameter.tensor)
        .copy_(random_tensor(parameter.info.shape, ++seed, variance ? 0.5 : -1, variance ? 2 : 1));
  }
}

at::Tensor plain_norm(const ParameterStore& store, const std::string& name, const at::Tensor& input) {
  const auto channel = [&](const char* suffix) { return store.tensor(name + suffix).view({1, -1, 1, 1}); };
  return (input - channel(".running_mean")) / (channel(".running_var") + 1e-5).sqrt() * channel(".weight") +
         channel(".bias");
}

// conv + FrozenBN + relu, conv + FrozenBN, a shortcut, their sum, relu: a residual block, the first conv frozen.
Network residual_network() {
  GraphBuilder builder("dense", 3);
  builder.set_trainable(false);
  int value = builder.convolution("a", builder.input(), {4, 3, 1, 1, 1, NormType::frozen_batch, true});
  builder.set_trainable(true);
  const int shortcut = value;
  value = builder.convolution("b", value, {4, 3, 1, 1, 1, NormType::frozen_batch, true});
  value = builder.convolution("c", value, {4, 1, 1, 1, 1, NormType::frozen_batch});
  builder.output("y", builder.relu(builder.add(value, shortcut)));
  return network_of(std::move(builder));
}

at::Tensor plain_residual(const ParameterStore& store, const at::Tensor& input) {
  const auto block = [&](const std::string& name, const at::Tensor& in, int padding) {
    return plain_norm(store, name + ".norm", at::conv2d(in, store.tensor(name + ".weight"), {}, 1, padding));
  };
  const at::Tensor first = at::relu(block("a", input, 1));
  return at::relu(block("c", at::relu(block("b", first, 1)), 0) + first);
}

void expect_close(const at::Tensor& got, const at::Tensor& expected) {
  ASSERT_EQ(Shape(got.sizes().vec()), Shape(expected.sizes().vec()));
  EXPECT_LT((got - expected).abs().max().item<double>(), 1e-5 * std::max(1.0, expected.abs().max().item<double>()));
}

TEST(GraphExecutor, FoldedNormsAndWorkInPlaceGiveThePlainValuesAndGradients) {
  const Network network = residual_network();
  const ParameterStore store(network, 1);
  randomise(store);
  const at::Tensor input = random_tensor({2, 3, 6, 5}, 7);
  const at::Tensor kept = input.clone();
  const at::Tensor weights = random_tensor({2, 4, 6, 5}, 8);
  TorchGraphExecutor executor(network.dense, store);

  const at::Tensor expected = plain_residual(store, input);
  (expected * weights).sum().backward();
  std::vector<at::Tensor> expected_gradients;
  for (const char* name : {"b.weight", "c.weight"}) expected_gradients.push_back(store.tensor(name).grad().clone());
  for (const char* name : {"b.weight", "c.weight"}) at::Tensor(store.tensor(name)).mutable_grad().reset();

  const at::Tensor got = executor.forward(input, true)[0];
  expect_close(got.detach(), expected.detach());
  (got * weights).sum().backward();
  expect_close(store.tensor("b.weight").grad(), expected_gradients[0]);
  expect_close(store.tensor("c.weight").grad(), expected_gradients[1]);
  EXPECT_FALSE(store.tensor("a.weight").grad().defined());
  EXPECT_TRUE(at::equal(input, kept));  // the caller's
}

TEST(GraphExecutor, NewNormStatisticsAreFoldedAgain) {
  const Network network = residual_network();
  ParameterStore store(network, 1);
  randomise(store);
  const at::Tensor input = random_tensor({1, 3, 4, 4}, 7);
  TorchGraphExecutor executor(network.dense, store);
  executor.forward(input, false);
  store.assign("a.norm.running_mean", NDArray::from({4}, std::vector<float>{3, -2, 1, 0.5f}));
  expect_close(executor.forward(input, false)[0].detach(), plain_residual(store, input).detach());
}

TEST(GraphExecutor, AValueThatIsAlsoAnOutputIsNotOverwritten) {
  GraphBuilder builder("dense", 2);
  const int before = builder.convolution("a", builder.input(), {3, 1});
  const int after = builder.relu(before);
  const int of_input = builder.relu(builder.input());
  builder.output("before", before);
  builder.output("after", after);
  builder.output("of_input", of_input);
  const Network network = network_of(std::move(builder));
  const ParameterStore store(network, 1);
  randomise(store);
  const at::Tensor input = random_tensor({1, 2, 3, 3}, 7), kept = input.clone();
  TorchGraphExecutor executor(network.dense, store);
  const std::vector<at::Tensor> outputs = executor.forward(input, true);
  expect_close(outputs[0].detach(), at::conv2d(input, store.tensor("a.weight"), store.tensor("a.bias")).detach());
  EXPECT_LT(outputs[0].min().item<float>(), 0);
  EXPECT_TRUE(at::equal(outputs[1], at::relu(outputs[0])));
  EXPECT_TRUE(at::equal(outputs[2], at::relu(kept)));
  EXPECT_TRUE(at::equal(input, kept));
}

TEST(GraphExecutor, DeconvolutionsEqualLibTorchs) {
  GraphBuilder builder("dense", 3);
  builder.output("disjoint", builder.deconvolution("a", builder.input(), 5, 2, 2, 0, Initialiser::zeros));
  builder.output("overlapping", builder.deconvolution("b", builder.input(), 5, 4, 2, 1, Initialiser::zeros));
  const Network network = network_of(std::move(builder));
  const ParameterStore store(network, 1);
  randomise(store);
  const at::Tensor input = random_tensor({2, 3, 3, 4}, 7);
  TorchGraphExecutor executor(network.dense, store);
  const std::vector<at::Tensor> outputs = executor.forward(input, true);
  expect_close(outputs[0].detach(),
               at::conv_transpose2d(input, store.tensor("a.weight"), store.tensor("a.bias"), 2).detach());
  expect_close(outputs[1].detach(),
               at::conv_transpose2d(input, store.tensor("b.weight"), store.tensor("b.bias"), 2, 1).detach());
}

TEST(GraphExecutor, BatchNormsLearnTheirStatisticsOnlyWhenTraining) {
  const Network network = scalar_network();
  const ParameterStore store(network, 1);
  set_value(store, "conv.weight", 1);
  set_value(store, "normed.weight", 1);
  TorchGraphExecutor executor(network.dense, store);
  const at::Tensor input = at::full({1, 1, 2, 2}, 10.0);
  executor.forward(input, false);
  EXPECT_EQ(value_of(store, "normed.norm.running_mean"), 0);
  executor.forward(input, true);
  EXPECT_NEAR(value_of(store, "normed.norm.running_mean"), 1, 1e-6);  // a tenth of the way to 10
}

TEST(ParameterStore, RefusesUnknownNamesAndOtherShapes) {
  ParameterStore store(scalar_network(), 1);
  EXPECT_THAT([&] { store.tensor("x"); }, testing::ThrowsMessage<Error>("parameters: the network has no 'x'"));
  EXPECT_THAT([&] { store.assign("conv.bias", NDArray(DType::float32, {2})); },
              testing::ThrowsMessage<WeightsError>("weights: conv.bias must be [1], got [2]"));
  EXPECT_TRUE(store.contains("conv.bias"));
  EXPECT_FALSE(store.contains("x"));
}

TEST(ParameterStore, InitialValuesDependOnTheNameAndSeedAlone) {
  const ParameterStore small(scalar_network(), 3), again(scalar_network(), 3), other(scalar_network(), 4);
  GraphBuilder builder("dense", 1);
  builder.convolution("first", builder.convolution("conv", builder.input(), {1, 1}), {4, 3});
  const ParameterStore larger(network_of(std::move(builder)), 3);
  EXPECT_EQ(value_of(small, "conv.weight"), value_of(again, "conv.weight"));
  EXPECT_EQ(value_of(small, "conv.weight"), value_of(larger, "conv.weight"));
  EXPECT_NE(value_of(small, "conv.weight"), value_of(other, "conv.weight"));
}

// Two residual blocks with norms that are trained, then a layer outside any block.
Network two_blocks() {
  GraphBuilder builder("dense", 4);
  int value = builder.input();
  for (const std::string block : {"backbone.res3.0.", "backbone.res3.1."}) {
    const int shortcut = value;
    value = builder.convolution(block + "conv1", value, {4, 3, 1, 1, 1, NormType::batch, true});
    value = builder.convolution(block + "conv2", value, {4, 1, 1, 1, 1, NormType::frozen_batch});
    value = builder.relu(builder.add(value, shortcut));
  }
  builder.output("res3", value);
  builder.output("y", builder.convolution("backbone.fpn_lateral3", value, {2, 1}));
  return network_of(std::move(builder));
}

TEST(GraphExecutor, RecomputedActivationsChangeNothing) {
  const Network network = two_blocks();
  struct Outcome {
    std::vector<at::Tensor> outputs, gradients, state;
  };
  const auto run = [&](bool recompute) {
    const ParameterStore store(network, 1);
    randomise(store);
    TorchGraphExecutor executor(network.dense, store);
    executor.set_recompute(recompute);
    const at::Tensor input = random_tensor({2, 4, 9, 7}, 7).requires_grad_(true);
    Outcome outcome;
    outcome.outputs = executor.forward(input, true);
    (outcome.outputs[0].sum() + (outcome.outputs[1] * outcome.outputs[1]).sum()).backward();
    outcome.gradients.push_back(input.grad());
    for (const StoredParameter& parameter : store.all()) {
      outcome.state.push_back(parameter.tensor.detach());
      if (parameter.tensor.requires_grad()) outcome.gradients.push_back(parameter.tensor.grad());
    }
    return outcome;
  };
  const Outcome kept = run(false), again = run(true);
  ASSERT_EQ(kept.gradients.size(), again.gradients.size());
  for (std::size_t i = 0; i < kept.outputs.size(); ++i) EXPECT_TRUE(at::equal(kept.outputs[i], again.outputs[i])) << i;
  for (std::size_t i = 0; i < kept.gradients.size(); ++i) {
    ASSERT_TRUE(kept.gradients[i].defined()) << i;
    ASSERT_TRUE(again.gradients[i].defined()) << i;
    expect_close(again.gradients[i], kept.gradients[i]);
  }
  // The running statistics among them: the second computation must not move them once more.
  for (std::size_t i = 0; i < kept.state.size(); ++i) EXPECT_TRUE(at::equal(kept.state[i], again.state[i])) << i;
}

// A block with a convolution as its shortcut, one with its input, a value that three layers read, and two levels of an
// FPN: every way in which sums and relus follow convolutions.
Network pyramid_network() {
  constexpr NormType kFrozen = NormType::frozen_batch;
  GraphBuilder builder("dense", 32);
  int value = builder.convolution("backbone.res2.0.conv1", builder.input(), {32, 1, 1, 1, 1, kFrozen, true});
  value = builder.convolution("backbone.res2.0.conv2", value, {32, 3, 1, 1, 1, kFrozen, true});
  value = builder.convolution("backbone.res2.0.conv3", value, {64, 1, 1, 1, 1, kFrozen});
  const int shortcut = builder.convolution("backbone.res2.0.shortcut", builder.input(), {64, 1, 1, 1, 1, kFrozen});
  const int first = builder.relu(builder.add(value, shortcut));
  value = builder.convolution("backbone.res2.1.conv2", first, {64, 3, 1, 1, 1, kFrozen, true});
  const int second = builder.relu(builder.add(value, first));
  const int small = builder.convolution("backbone.res3.0.conv1", second, {64, 1, 2, 1, 1, kFrozen, true});
  const int top = builder.convolution("backbone.fpn_lateral3", small, {32, 1});
  const int lateral = builder.convolution("backbone.fpn_lateral2", second, {32, 1});
  const int merged = builder.add(lateral, builder.upsample_nearest(top, 2));
  builder.output("merged", merged);
  builder.output("p2", builder.convolution("backbone.fpn_output2", merged, {32, 3}));
  builder.output("twice", builder.relu(builder.add(lateral, lateral)));
  return network_of(std::move(builder));
}

TEST(GraphExecutor, SumsAndRelusInOwnKernelsChangeNothing) {
  const Network network = pyramid_network();
  const auto run = [&](bool own_kernels, bool recompute) {
    const ParameterStore store(network, 1);
    randomise(store);
    TorchGraphExecutor executor(network.dense, store);
    executor.set_own_kernels(own_kernels);
    executor.set_recompute(recompute);
    const at::Tensor input = channels_last(random_tensor({2, 32, 36, 44}, 7)).requires_grad_(true);
    std::vector<at::Tensor> result = executor.forward(input, true);
    at::Tensor loss = at::zeros({});
    for (const at::Tensor& output : result) loss = loss + (output * output).mean();
    loss.backward();
    for (at::Tensor& output : result) output = output.detach();
    result.push_back(input.grad());
    for (const StoredParameter& parameter : store.all()) {
      if (parameter.tensor.requires_grad()) result.push_back(parameter.tensor.grad());
    }
    return result;
  };
  const std::vector<at::Tensor> expected = run(false, false);
  for (const bool recompute : {false, true}) {
    const std::vector<at::Tensor> got = run(true, recompute);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(got[i].defined()) << i;
      EXPECT_LT(((got[i] - expected[i]).abs().max() / expected[i].abs().max()).item<double>(), 1e-4) << i;
    }
  }
}

}  // namespace
}  // namespace fastermask
