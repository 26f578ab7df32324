// Configs written for several processes, worked by hand.
#include "fastermask/training/auto_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

Config config_for_eight() {
  Config config;
  config.solver.reference_world_size = 8;
  config.solver.ims_per_batch = 16;
  config.solver.base_lr = 0.02;
  config.solver.max_iter = 90001;
  config.solver.warmup_iters = 1000;
  config.solver.steps = {60000, 80000};
  config.solver.checkpoint_period = 5000;
  config.test.eval_period = 500;
  return config;
}

TEST(AutoScale, OneProcessInsteadOfEight) {
  const Config config = scale_for_world_size(config_for_eight(), 1);
  EXPECT_EQ(config.solver.ims_per_batch, 2);
  EXPECT_DOUBLE_EQ(config.solver.base_lr, 0.0025);
  EXPECT_EQ(config.solver.max_iter, 720008);
  EXPECT_EQ(config.solver.warmup_iters, 8000);
  EXPECT_EQ(config.solver.steps, (std::vector<int>{480000, 640000}));
  EXPECT_EQ(config.solver.checkpoint_period, 40000);
  EXPECT_EQ(config.test.eval_period, 4000);
  EXPECT_EQ(config.solver.reference_world_size, 1);
}

TEST(AutoScale, NothingToDo) {
  Config config = config_for_eight();
  EXPECT_EQ(scale_for_world_size(config, 8).solver.ims_per_batch, 16);
  config.solver.reference_world_size = 0;
  EXPECT_EQ(scale_for_world_size(config, 1).solver.max_iter, 90001);
}

TEST(AutoScale, BatchesMustDivide) {
  Config config = config_for_eight();
  config.solver.ims_per_batch = 12;
  EXPECT_THAT([&] { scale_for_world_size(config, 1); },
              testing::ThrowsMessage<ConfigError>(
                  "config: SOLVER.IMS_PER_BATCH must be a multiple of SOLVER.REFERENCE_WORLD_SIZE, 8, got 12"));
}

}  // namespace
}  // namespace fastermask
