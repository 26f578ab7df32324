// Rounding to bfloat16: values worked by hand, and every instruction set's copy alike.
#include "fastermask/kernels/bf16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "fastermask/base/random.h"

namespace fastermask {
namespace {

float rounded(float value) {
  float result = 0;
  round_to_bf16(&value, &result, 1);
  return result;
}

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(rounded(1.0f), 1.0f);
  EXPECT_EQ(rounded(1.0f + 1.0f / 512), 1.0f);                   // a quarter of the last place
  EXPECT_EQ(rounded(1.0f + 1.0f / 256), 1.0f);                   // a tie: down to even
  EXPECT_EQ(rounded(1.0f + 3.0f / 256), 1.0f + 2.0f / 128);      // a tie: up to even
  EXPECT_EQ(rounded(-1.0f - 1.5f / 256), -1.0f - 1.0f / 128);
  EXPECT_EQ(rounded(3.14159274f), 3.140625f);
  EXPECT_EQ(rounded(0.0f), 0.0f);
  EXPECT_EQ(bits_of(rounded(-0.0f)), bits_of(-0.0f));
}

TEST(Bf16, KeepsWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rounded(infinity), infinity);
  EXPECT_EQ(rounded(-infinity), -infinity);
  EXPECT_TRUE(std::isnan(rounded(std::nanf(""))));
  EXPECT_TRUE(std::isnan(rounded(-std::nanf("0x7fff"))));
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), infinity);  // beyond the largest bfloat16 by more than half
}

TEST(Bf16, IsTheNearestOfItsNeighboursEverywhere) {
  Random random(3, RandomPurpose::test, 1);
  std::vector<float> values(1 << 17), result(values.size());
  for (float& value : values) value = static_cast<float>(random.normal() * std::exp(20 * random.normal()));
  round_to_bf16(values.data(), result.data(), static_cast<std::int64_t>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(bits_of(result[i]) & 0xFFFFu, 0u);
    const double step = std::ldexp(1.0, std::max(std::ilogb(values[i]), -126) - 7);
    ASSERT_LE(std::abs(static_cast<double>(result[i]) - values[i]), step / 2) << values[i];
  }
}

}  // namespace
}  // namespace fastermask
