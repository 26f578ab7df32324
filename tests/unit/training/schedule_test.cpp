// Learning rates worked by hand.
#include "fastermask/training/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

SolverConfig steps_solver() {
  SolverConfig solver;
  solver.base_lr = 0.1;
  solver.max_iter = 100;
  solver.steps = {60, 80};
  solver.gamma = 0.5;
  solver.warmup_iters = 10;
  solver.warmup_factor = 0.2;
  return solver;
}

TEST(Schedule, StepsFallAtTheirIterationAfterALinearWarmUp) {
  const SolverConfig solver = steps_solver();
  EXPECT_NEAR(learning_rate(solver, 0), 0.02, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 5), 0.06, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 10), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 59), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 60), 0.05, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 80), 0.025, 1e-12);
}

TEST(Schedule, AConstantWarmUpStaysAtItsFactor) {
  SolverConfig solver = steps_solver();
  solver.warmup_method = "constant";
  EXPECT_NEAR(learning_rate(solver, 9), 0.02, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 10), 0.1, 1e-12);
}

TEST(Schedule, StepsBeyondTheEndNeverCome) {
  SolverConfig solver = steps_solver();
  solver.steps = {60, 200};
  EXPECT_NEAR(learning_rate(solver, 99), 0.05, 1e-12);
}

TEST(Schedule, TheCosineFallsToItsEnd) {
  SolverConfig solver = steps_solver();
  solver.lr_scheduler_name = "WarmupCosineLR";
  solver.warmup_iters = 0;
  solver.base_lr_end = 0.02;
  EXPECT_NEAR(learning_rate(solver, 0), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 50), 0.06, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 100), 0.02, 1e-12);
}

TEST(Schedule, FixedGammaDecaysInEqualParts) {
  SolverConfig solver = steps_solver();
  solver.lr_scheduler_name = "WarmupStepWithFixedGammaLR";
  solver.warmup_iters = 0;
  solver.num_decays = 3;  // four parts of 25
  EXPECT_NEAR(learning_rate(solver, 24), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 25), 0.05, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 99), 0.0125, 1e-12);
}

TEST(Schedule, APolynomialFallsToItsConstantEnding) {
  SolverConfig solver = steps_solver();
  solver.lr_scheduler_name = "WarmupPolyLR";
  solver.warmup_iters = 0;
  solver.poly_lr_power = 2;
  solver.poly_lr_constant_ending = 0.04;
  EXPECT_NEAR(learning_rate(solver, 0), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 50), 0.025, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 90), 0.004, 1e-12);
}

TEST(Schedule, OneCycleRisesAndFalls) {
  SolverConfig solver = steps_solver();
  solver.lr_scheduler_name = "OneCycleLR";
  solver.max_iter = 101;
  solver.one_cycle = {0.21 * 100 / 101, 10, 100};  // the top at iteration 20
  EXPECT_NEAR(learning_rate(solver, 0), 0.01, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 10), 0.055, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 20), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 60), 0.05005, 1e-12);
  EXPECT_NEAR(learning_rate(solver, 100), 0.0001, 1e-12);
}

TEST(Schedule, UnknownNamesAreRefused) {
  SolverConfig solver = steps_solver();
  solver.lr_scheduler_name = "Exponential";
  EXPECT_THAT([&] { learning_rate(solver, 50); },
              testing::ThrowsMessage<ConfigError>("config: SOLVER.LR_SCHEDULER_NAME: not supported: 'Exponential'"));
}

}  // namespace
}  // namespace fastermask
