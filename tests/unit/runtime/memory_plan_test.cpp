// Values that live at the same time never overlap; others share memory.
#include "fastermask/runtime/memory_plan.h"

#include <gtest/gtest.h>

#include "fastermask/base/random.h"
#include "fastermask/runtime/arena.h"

namespace fastermask {
namespace {

TEST(MemoryPlan, AChainNeedsTwoPlaces) {
  std::vector<ValueLife> lives(1);  // the input needs none
  for (int i = 0; i < 6; ++i) lives.push_back({160, i, i + 1});
  const MemoryPlan plan = plan_memory(lives);
  EXPECT_EQ(plan.offsets[0], -1);
  EXPECT_EQ(plan.floats, 320);
}

TEST(MemoryPlan, TakingOverNeedsNoFurtherPlace) {
  const MemoryPlan plan = plan_memory({{64, 0, 1}, {64, 1, 2, 0}, {16, 2, 3}});
  EXPECT_EQ(plan.offsets[0], plan.offsets[1]);
  EXPECT_EQ(plan.floats, 80);
}

TEST(MemoryPlan, RandomLivesNeverOverlap) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed, RandomPurpose::test);
    std::vector<ValueLife> lives;
    std::int64_t sum = 0;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random.uniform_int(30));
      lives.push_back({random.uniform_int(1000), first, first + static_cast<int>(random.uniform_int(10))});
      sum += (lives.back().floats + 15) / 16 * 16;
    }
    const MemoryPlan plan = plan_memory(lives);
    EXPECT_LT(plan.floats, sum);
    for (std::size_t a = 0; a < lives.size(); ++a) {
      if (lives[a].floats == 0) continue;
      EXPECT_LE(plan.offsets[a] + lives[a].floats, plan.floats);
      for (std::size_t b = 0; b < a; ++b) {
        const bool together = lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
        if (lives[b].floats == 0 || !together) continue;
        EXPECT_TRUE(plan.offsets[a] + lives[a].floats <= plan.offsets[b] ||
                    plan.offsets[b] + lives[b].floats <= plan.offsets[a])
            << "seed " << seed << ", values " << a << " and " << b;
      }
    }
  }
}

TEST(ArenaPool, GivesTheSameMemoryAgain) {
  ArenaPool pool;
  float* first = nullptr;
  {
    const std::shared_ptr<float> block = pool.take(1000);
    first = block.get();
    EXPECT_NE(pool.take(10).get(), first);
  }
  EXPECT_EQ(pool.take(900).get(), first);
}

TEST(ArenaPool, BlocksOutliveThePool) {
  std::shared_ptr<float> block;
  {
    ArenaPool pool;
    block = pool.take(16);
  }
  block.get()[15] = 1;
  EXPECT_EQ(block.get()[15], 1);
}

}  // namespace
}  // namespace fastermask
