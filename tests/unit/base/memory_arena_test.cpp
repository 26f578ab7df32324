#include "fastermask/base/memory_arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "fastermask/base/random.h"

namespace fastermask {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

TEST(MemoryArena, GivesFreedMemoryOutAgainAndJoinsNeighbours) {
  MemoryArena arena(std::size_t{1} << 30);
  void* const a = arena.allocate(10 * kMegabyte);
  void* const b = arena.allocate(20 * kMegabyte);
  void* const c = arena.allocate(30 * kMegabyte);
  ASSERT_TRUE(a != nullptr && b != nullptr && c != nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 64, 0u);
  EXPECT_TRUE(arena.release(b));
  EXPECT_EQ(arena.allocate(20 * kMegabyte), b) << "the smallest block that fits";
  EXPECT_TRUE(arena.release(a));
  EXPECT_TRUE(arena.release(b));
  EXPECT_EQ(arena.allocate(29 * kMegabyte), a) << "two neighbours serve one that neither holds";
  EXPECT_TRUE(arena.release(a));
  EXPECT_TRUE(arena.release(c));
  EXPECT_EQ(arena.usage().used, 0u);
}

TEST(MemoryArena, RefusesWhatIsNotItsOwn) {
  MemoryArena arena(0);
  int other = 0;
  EXPECT_FALSE(arena.release(&other));
  void* const block = arena.allocate(kMegabyte);
  EXPECT_FALSE(arena.release(static_cast<char*>(block) + 64));
  EXPECT_TRUE(arena.release(block));
  EXPECT_FALSE(arena.release(block)) << "twice";
}

TEST(MemoryArena, SaysWhenThereIsNoMore) {
  MemoryArena arena(0);
  EXPECT_EQ(arena.allocate(std::size_t{1} << 62), nullptr);
  EXPECT_EQ(arena.allocate(std::size_t{1} << 50), nullptr) << "more addresses than there are";
  void* const block = arena.allocate(kMegabyte);
  EXPECT_NE(block, nullptr) << "a refusal does no harm";
  arena.release(block);
}

TEST(MemoryArena, KeepsNoMoreUnusedThanItMay) {
  MemoryArena arena(40 * kMegabyte);
  std::vector<void*> blocks;
  for (int i = 0; i < 16; ++i) {
    blocks.push_back(arena.allocate(20 * kMegabyte));
    std::memset(blocks.back(), i, 20 * kMegabyte);
  }
  EXPECT_GE(arena.usage().reserved, 320 * kMegabyte);
  for (std::size_t i = 0; i < blocks.size(); i += 2) {
    arena.release(blocks[i]);
    EXPECT_LE(arena.usage().unused, 40 * kMegabyte);
  }
  for (std::size_t i = 1; i < blocks.size(); i += 2) {  // what is in use beside memory given back is untouched
    const auto* bytes = static_cast<const unsigned char*>(blocks[i]);
    for (std::size_t at = 0; at < 20 * kMegabyte; at += 4096 - 64) ASSERT_EQ(bytes[at], i) << at;
    ASSERT_EQ(bytes[20 * kMegabyte - 1], i);
  }
  for (std::size_t i = 1; i < blocks.size(); i += 2) arena.release(blocks[i]);
  EXPECT_LE(arena.usage().unused, 40 * kMegabyte);
  EXPECT_LE(arena.usage().reserved, 256 * kMegabyte) << "regions that nobody uses go back whole";
}

TEST(MemoryArena, ThreadsNeverShareABlock) {
  MemoryArena arena(64 * kMegabyte);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&arena, &wrong, t] {
      Random random(static_cast<std::uint64_t>(t), RandomPurpose::test);
      struct Held {
        std::uint32_t* words;
        std::size_t count;
        std::uint32_t mark;
      };
      std::vector<Held> held;
      for (std::uint32_t i = 0; i < 400; ++i) {
        const std::size_t count = 70000 + random.uniform_int(200000);
        auto* words = static_cast<std::uint32_t*>(arena.allocate(4 * count));
        const std::uint32_t mark = i * 4 + static_cast<std::uint32_t>(t);
        for (std::size_t at = 0; at < count; at += 1000) words[at] = mark;
        words[count - 1] = mark;
        held.push_back({words, count, mark});
        if (held.size() < 8) continue;
        const std::size_t chosen = random.uniform_int(held.size());
        const Held block = held[chosen];
        for (std::size_t at = 0; at < block.count; at += 1000)
          wrong[static_cast<std::size_t>(t)] += block.words[at] != block.mark;
        wrong[static_cast<std::size_t>(t)] += block.words[block.count - 1] != block.mark;
        if (!arena.release(block.words)) ++wrong[static_cast<std::size_t>(t)];
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(chosen));
      }
      for (const Held& block : held) arena.release(block.words);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
  EXPECT_EQ(arena.usage().used, 0u);
}

}  // namespace
}  // namespace fastermask
