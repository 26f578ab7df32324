// The optimiser against steps worked by hand, its groups, clipping, and its state.
#include "fastermask/training/sgd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "fastermask/base/parallel.h"
#include "unit/training/tiny_network.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

SolverConfig plain_solver() {
  SolverConfig solver;
  solver.momentum = 0.9;
  solver.weight_decay = 0;
  return solver;
}

// One step of "conv.weight" from 1 with the gradient 2.
float after_one_step(const SolverConfig& solver, double rate) {
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, solver);
  set_value(store, "conv.weight", 1);
  set_gradient(store, "conv.weight", 2);
  optimizer.step(rate);
  return value_of(store, "conv.weight");
}

TEST(Sgd, MomentumAndDecayEqualHandWork) {
  SolverConfig solver = plain_solver();
  solver.weight_decay = 0.1;
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, solver);
  set_value(store, "conv.weight", 1);
  set_gradient(store, "conv.weight", 2);
  optimizer.step(0.5);
  EXPECT_NEAR(value_of(store, "conv.weight"), -0.05, 1e-6);  // v = 2 + 0.1; 1 - 0.5 v
  set_gradient(store, "conv.weight", 1);
  optimizer.step(0.5);
  EXPECT_NEAR(value_of(store, "conv.weight"), -1.4925, 1e-6);  // v = 0.9 * 2.1 + 1 - 0.005
}

TEST(Sgd, NesterovLooksAhead) {
  SolverConfig solver = plain_solver();
  solver.weight_decay = 0.1;
  solver.nesterov = true;
  EXPECT_NEAR(after_one_step(solver, 0.5), -0.995, 1e-6);  // 1 - 0.5 (2.1 + 0.9 * 2.1)
}

TEST(Sgd, NormsAndBiasesHaveTheirOwnRatesAndDecays) {
  SolverConfig solver = plain_solver();
  solver.weight_decay = 0.1;
  solver.weight_decay_norm = 0.2;
  solver.weight_decay_bias = 0.4;
  solver.bias_lr_factor = 3;
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, solver);
  for (const char* name : {"conv.weight", "conv.bias", "normed.norm.weight", "normed.norm.bias"}) {
    set_value(store, name, 1);
    set_gradient(store, name, 0);
  }
  optimizer.step(0.5);
  EXPECT_NEAR(value_of(store, "conv.weight"), 1 - 0.5 * 0.1, 1e-6);
  EXPECT_NEAR(value_of(store, "conv.bias"), 1 - 3 * 0.5 * 0.4, 1e-6);
  EXPECT_NEAR(value_of(store, "normed.norm.weight"), 1 - 0.5 * 0.2, 1e-6);
  EXPECT_NEAR(value_of(store, "normed.norm.bias"), 1 - 0.5 * 0.2, 1e-6);
}

TEST(Sgd, ABiasWithoutItsOwnDecayTakesTheWeights) {
  SolverConfig solver = plain_solver();
  solver.weight_decay = 0.1;
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, solver);
  set_value(store, "conv.bias", 1);
  set_gradient(store, "conv.bias", 0);
  optimizer.step(1);
  EXPECT_NEAR(value_of(store, "conv.bias"), 0.9, 1e-6);
}

TEST(Sgd, ParametersWithoutAGradientStayAsTheyAre) {
  SolverConfig solver = plain_solver();
  solver.weight_decay = 0.5;
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, solver);
  set_value(store, "normed.weight", 1);
  set_gradient(store, "conv.weight", 1);
  optimizer.step(1);
  EXPECT_EQ(value_of(store, "normed.weight"), 1);
  optimizer.zero_grad();
  EXPECT_FALSE(parameter_of(store, "conv.weight").grad().defined());
}

TEST(Sgd, ClippingByValueAndByEachNorm) {
  SolverConfig solver = plain_solver();
  solver.clip_gradients.enabled = true;
  solver.clip_gradients.clip_value = 0.5;
  for (const char* type : {"value", "norm", "full_model"}) {
    solver.clip_gradients.clip_type = type;
    EXPECT_NEAR(after_one_step(solver, 1), 0.5, 1e-5) << type;
  }
  solver.clip_gradients.clip_value = 3;  // larger than the gradient: nothing to clip
  for (const char* type : {"value", "norm", "full_model"}) {
    solver.clip_gradients.clip_type = type;
    EXPECT_NEAR(after_one_step(solver, 1), -1, 1e-5) << type;
  }
}

TEST(Sgd, ClippingTheFullModelScalesAllGradientsAlike) {
  SolverConfig solver = plain_solver();
  solver.clip_gradients.enabled = true;
  solver.clip_gradients.clip_type = "full_model";
  solver.clip_gradients.clip_value = 1;
  for (const double norm_type : {2.0, std::numeric_limits<double>::infinity()}) {
    solver.clip_gradients.norm_type = norm_type;
    const ParameterStore store(scalar_network(), 1);
    Sgd optimizer(store, solver);
    for (const char* name : {"conv.weight", "conv.bias"}) set_value(store, name, 0);
    set_gradient(store, "conv.weight", 3);
    set_gradient(store, "conv.bias", 4);
    optimizer.step(1);
    const double norm = norm_type == 2.0 ? 5 : 4;
    EXPECT_NEAR(value_of(store, "conv.weight"), -3 / norm, 1e-5);
    EXPECT_NEAR(value_of(store, "conv.bias"), -4 / norm, 1e-5);
  }
}

TEST(Sgd, ItsStateContinuesWhereItWasSaved) {
  const SolverConfig solver = plain_solver();
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, solver);
  set_value(store, "conv.weight", 1);
  set_gradient(store, "conv.weight", 2);
  optimizer.step(0.1);
  const PickleValue state = optimizer.state(0.1);
  EXPECT_DOUBLE_EQ(state.at("param_groups").items().at(0).at("lr").as_double(), 0.1);
  EXPECT_EQ(state.at("state").entries().size(), 1u);  // only what has moved
  Sgd fresh(store, solver);
  ASSERT_TRUE(fresh.load_state(state));
  set_value(store, "conv.weight", 0);
  set_gradient(store, "conv.weight", 1);
  fresh.step(1);
  EXPECT_NEAR(value_of(store, "conv.weight"), -(0.9 * 2 + 1), 1e-6);
}

// A layer of 50 000 numbers, which are cut into pieces, beside small ones.
Network wide_network() {
  GraphBuilder builder("dense", 250);
  builder.output("y", builder.convolution("wide", builder.input(), {200, 1}));
  return network_of(std::move(builder));
}

// What a step makes of "wide.weight", whose gradient is 1e-3 times its number in memory order, scaled and in two threads
// or one.
std::vector<float> after_wide_step(const SolverConfig& solver, double factor) {
  const ParameterStore store(wide_network(), 1);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(store, solver);
  set_value(store, "wide.weight", 1);
  at::Tensor weight = parameter_of(store, "wide.weight");
  weight.mutable_grad() = (at::arange(weight.numel(), at::kFloat) * 1e-3).reshape(weight.sizes());
  optimizer->scale_gradients(factor);
  optimizer->step(0.5);
  const at::Tensor dense = weight.detach().contiguous();
  return {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()};
}

TEST(Optimizer, EveryNumberOfALargeTensorMovesByItsScaledGradient) {
  for (const char* clip_type : {"", "value", "norm", "full_model"}) {
    SolverConfig solver = plain_solver();
    solver.clip_gradients.enabled = *clip_type != 0;
    solver.clip_gradients.clip_type = clip_type;
    solver.clip_gradients.clip_value = 3;
    const std::vector<float> moved = after_wide_step(solver, 0.25);
    ASSERT_EQ(moved.size(), 50000u);
    double squares = 0;
    for (std::size_t i = 0; i < moved.size(); ++i) squares += std::pow(0.25e-3 * static_cast<double>(i), 2);
    const bool by_norm = solver.clip_gradients.enabled && solver.clip_gradients.clip_type != "value";
    const double shrink = by_norm ? 3 / std::sqrt(squares) : 1;
    for (std::size_t i = 0; i < moved.size(); ++i) {
      double gradient = 0.25e-3 * static_cast<double>(i) * shrink;
      if (solver.clip_gradients.clip_type == "value") gradient = std::min(gradient, 3.0);
      ASSERT_NEAR(moved[i], 1 - 0.5 * gradient, 1e-5) << clip_type << ' ' << i;
    }
    const SerialScope serial;
    EXPECT_EQ(after_wide_step(solver, 0.25), moved);
  }
}

TEST(Optimizer, AScaleHoldsForOneStep) {
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, plain_solver());
  set_value(store, "conv.weight", 1);
  set_gradient(store, "conv.weight", 8);
  optimizer.scale_gradients(0.25);
  optimizer.step(1);
  EXPECT_NEAR(value_of(store, "conv.weight"), 1 - 2, 1e-6);
  optimizer.step(1);
  EXPECT_NEAR(value_of(store, "conv.weight"), -1 - (0.9 * 2 + 8), 1e-5);
  optimizer.scale_gradients(0.25);
  optimizer.zero_grad();  // forgets it
  set_gradient(store, "conv.weight", 8);
  optimizer.step(1);
  EXPECT_NEAR(value_of(store, "conv.weight"), -10.8 - (0.9 * 9.8 + 8), 1e-4);
}

TEST(Optimizer, TheFirstGradientThatIsNotFiniteIsNamed) {
  const ParameterStore store(wide_network(), 1);
  const Sgd optimizer(store, plain_solver());
  EXPECT_EQ(optimizer.non_finite_gradient(), "");
  set_gradient(store, "wide.weight", 3e38f);  // finite, though no sum of them is
  EXPECT_EQ(optimizer.non_finite_gradient(), "");
  for (const float value : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    parameter_of(store, "wide.weight").grad().reshape({-1})[40001] = value;
    EXPECT_EQ(optimizer.non_finite_gradient(), "wide.weight");
  }
}

// A state with one group of one parameter, as a checkpoint holds it.
PickleValue state_of(const std::string& name, const Shape& momentum_shape, bool named, int count = 1) {
  PickleValue group = PickleValue::dict();
  PickleValue numbers = PickleValue::list();
  for (int i = 0; i < count; ++i) numbers.push_back(PickleValue::integer(i));
  group.set("params", numbers);
  if (named) group.set("param_names", PickleValue::list({PickleValue::string(name)}));
  PickleValue buffer = PickleValue::dict();
  buffer.set("momentum_buffer", PickleValue::array(NDArray(DType::float32, momentum_shape)));
  PickleValue buffers = PickleValue::dict();
  buffers.set(PickleValue::integer(0), buffer);
  PickleValue state = PickleValue::dict();
  state.set("state", buffers);
  state.set("param_groups", PickleValue::list({group}));
  return state;
}

TEST(Sgd, StatesThatDoNotFitAreRefused) {
  const ParameterStore store(scalar_network(), 1);
  Sgd optimizer(store, plain_solver());
  EXPECT_FALSE(optimizer.load_state(state_of("conv.bias", {1}, false)));  // another program's
  EXPECT_TRUE(optimizer.load_state(state_of("conv.bias", {1}, true)));
  EXPECT_THAT([&] { optimizer.load_state(state_of("other", {1}, true)); },
              ThrowsMessage<WeightsError>("checkpoint: the model does not train 'other'"));
  EXPECT_THAT([&] { optimizer.load_state(state_of("conv.bias", {2}, true)); },
              ThrowsMessage<WeightsError>(
                  "checkpoint: the optimizer's momentum_buffer of conv.bias is [2], the parameter [1]"));
  EXPECT_THAT([&] { optimizer.load_state(state_of("conv.bias", {1}, true, 2)); },
              ThrowsMessage<WeightsError>("checkpoint: an optimizer group names 1 of 2 parameters"));
}

TEST(AdamW, StepsEqualHandWork) {
  SolverConfig solver = plain_solver();
  solver.optimizer = "AdamW";
  solver.betas = {0.5, 0.75};
  solver.eps = 0;
  solver.weight_decay = 0.1;
  const ParameterStore store(scalar_network(), 1);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(store, solver);
  set_value(store, "conv.weight", 1);
  set_gradient(store, "conv.weight", 2);
  optimizer->step(0.5);
  // m = 1, v = 1, both corrected to 2 and 4: a step of 0.5 * 2 / 2 after a decay of 0.05.
  EXPECT_NEAR(value_of(store, "conv.weight"), 0.95 - 0.5, 1e-6);
  set_gradient(store, "conv.weight", -4);
  optimizer->step(0.5);
  // m = 0.5 - 2 = -1.5, corrected by 0.75 to -2; v = 0.75 + 4 = 4.75, corrected by 0.4375.
  EXPECT_NEAR(value_of(store, "conv.weight"), 0.95 * 0.45 + 0.5 * 2 / std::sqrt(4.75 / 0.4375), 1e-6);
}

TEST(AdamW, StateComesBack) {
  SolverConfig solver = plain_solver();
  solver.optimizer = "AdamW";
  const ParameterStore store(scalar_network(), 1), copy(scalar_network(), 1);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(store, solver), other = make_optimizer(copy, solver);
  const auto step = [](const ParameterStore& parameters, Optimizer& which, float gradient) {
    set_gradient(parameters, "conv.weight", gradient);
    which.step(0.1);
  };
  step(store, *optimizer, 1);
  step(copy, *other, 1);
  const std::unique_ptr<Optimizer> resumed = make_optimizer(copy, solver);
  ASSERT_TRUE(resumed->load_state(optimizer->state(0.1)));
  step(store, *optimizer, -3);
  step(copy, *resumed, -3);
  EXPECT_EQ(value_of(copy, "conv.weight"), value_of(store, "conv.weight"));
}

}  // namespace
}  // namespace fastermask
