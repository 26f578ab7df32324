// Deformable sampling against its plain twin, and its gradients against differences.
#include "fastermask/kernels/deform_conv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/ref_deform_conv.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<float> deform_numbers(std::size_t count, std::uint64_t seed, double limit) {
  Random random(seed, RandomPurpose::test);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(-limit, limit));
  return values;
}

struct DeformCase {
  DeformShape shape;
  DeformParams params;

  std::size_t pixels() const {
    return static_cast<std::size_t>(shape.batch * deform_output_size(shape.height, params) *
                                    deform_output_size(shape.width, params));
  }
  std::size_t input_size() const {
    return static_cast<std::size_t>(shape.batch * shape.height * shape.width * shape.channels);
  }
  std::size_t offset_size() const { return pixels() * static_cast<std::size_t>(deform_offset_channels(params)); }
  std::size_t column_size() const {
    return pixels() * static_cast<std::size_t>(params.kernel * params.kernel * shape.channels);
  }
};

const DeformCase kDeformCases[] = {
    {{2, 7, 9, 40}, {3, 1, 1, 1, 1, false}},
    {{2, 9, 8, 36}, {3, 2, 1, 1, 2, false}},
    {{1, 11, 10, 24}, {3, 1, 2, 2, 4, true}},
    {{3, 6, 5, 5}, {1, 1, 0, 1, 1, true}},
};

TEST(DeformColumns, EqualsItsPlainTwin) {
  for (const DeformCase& c : kDeformCases) {
    const auto input = deform_numbers(c.input_size(), 1, 1), offsets = deform_numbers(c.offset_size(), 2, 4);
    std::vector<float> got(c.column_size(), 7), expected(c.column_size());
    deform_columns(c.shape, c.params, input.data(), offsets.data(), got.data());
    ref_deform_columns(c.shape, c.params, input.data(), offsets.data(), expected.data());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-6) << i;
  }
}

// 2 x 3 pixels 1 .. 6: without offsets each tap reads its neighbour, 0 outside; half a pixel right averages two.
TEST(DeformColumns, MovesEachTapByItsOwnOffset) {
  const std::vector<float> input = {1, 2, 3, 4, 5, 6};
  const DeformShape shape{1, 2, 3, 1};
  const DeformParams params;
  std::vector<float> offsets(6 * 18), columns(6 * 9);
  deform_columns(shape, params, input.data(), offsets.data(), columns.data());
  EXPECT_THAT(std::vector<float>(columns.begin(), columns.begin() + 9), ElementsAre(0, 0, 0, 0, 1, 2, 0, 4, 5));
  offsets[2 * 4 + 1] = 0.5f;                                 // pixel 0, centre tap: right
  offsets[2 * 5] = 1;                                        // right tap: down
  offsets[2 * 8] = std::numeric_limits<float>::quiet_NaN();  // lower right tap: nowhere
  offsets[2 * 7] = std::numeric_limits<float>::infinity();
  deform_columns(shape, params, input.data(), offsets.data(), columns.data());
  EXPECT_THAT(std::vector<float>(columns.begin(), columns.begin() + 9), ElementsAre(0, 0, 0, 0, 1.5, 5, 0, 0, 0));
}

// The sum of columns times `weights`, whose gradient is asked for.
double weighted_columns(const DeformCase& c, const std::vector<float>& input, const std::vector<float>& offsets,
                        const std::vector<float>& weights) {
  std::vector<float> columns(c.column_size());
  ref_deform_columns(c.shape, c.params, input.data(), offsets.data(), columns.data());
  double sum = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) sum += static_cast<double>(columns[i]) * weights[i];
  return sum;
}

TEST(DeformColumns, GradientsEqualDifferences) {
  for (const DeformCase& c : kDeformCases) {
    auto input = deform_numbers(c.input_size(), 1, 1), offsets = deform_numbers(c.offset_size(), 2, 2);
    const auto weights = deform_numbers(c.column_size(), 3, 1);
    std::vector<float> grad_input(c.input_size()), grad_offsets(c.offset_size(), 7);
    deform_columns_backward_input(c.shape, c.params, offsets.data(), weights.data(), grad_input.data());
    deform_columns_backward_offsets(c.shape, c.params, input.data(), offsets.data(), weights.data(),
                                    grad_offsets.data());
    const auto difference = [&](float& value, double step) {
      const float kept = value;
      value = static_cast<float>(kept + step);
      const double up = weighted_columns(c, input, offsets, weights);
      value = static_cast<float>(kept - step);
      const double down = weighted_columns(c, input, offsets, weights);
      value = kept;
      return (up - down) / (2 * step);
    };
    for (std::size_t i = 0; i < input.size(); i += 53) ASSERT_NEAR(grad_input[i], difference(input[i], 0.5), 1e-4) << i;
    int compared = 0;
    for (std::size_t i = 0; i < offsets.size(); i += 41) {
      const double whole = std::abs(offsets[i] - std::round(offsets[i]));
      if (whole < 2e-3) continue;  // the slope changes at whole pixels
      ASSERT_NEAR(grad_offsets[i], difference(offsets[i], 1e-3), 5e-3) << i;
      compared += std::abs(grad_offsets[i]) > 0.05;
    }
    EXPECT_GT(compared, 2);
  }
}

TEST(DeformColumns, DoNotDependOnTheNumberOfThreads) {
  const DeformCase& c = kDeformCases[1];
  const auto input = deform_numbers(c.input_size(), 1, 1), offsets = deform_numbers(c.offset_size(), 2, 3);
  const auto gradient = deform_numbers(c.column_size(), 3, 1);
  const auto run = [&] {
    std::vector<float> all(c.column_size() + c.input_size() + c.offset_size());
    deform_columns(c.shape, c.params, input.data(), offsets.data(), all.data());
    deform_columns_backward_input(c.shape, c.params, offsets.data(), gradient.data(), all.data() + c.column_size());
    deform_columns_backward_offsets(c.shape, c.params, input.data(), offsets.data(), gradient.data(),
                                    all.data() + c.column_size() + c.input_size());
    return all;
  };
  const std::vector<float> several = run();
  const SerialScope serial;
  EXPECT_EQ(run(), several);
}

TEST(DeformColumns, RefusesWhatDoesNotFit) {
  DeformParams params;
  params.offset_groups = 3;
  EXPECT_THAT(
      [&] {
        deform_columns({1, 4, 4, 4}, params, nullptr, nullptr, nullptr);
      },
      ThrowsMessage<Error>("deform_conv: 4 channels cannot be divided into 3 offset groups"));
  EXPECT_THAT(
      [] {
        deform_output_size(2, {5, 1, 0, 1, 1, false});
      },
      ThrowsMessage<Error>(HasSubstr("too few for a kernel of 5")));
}

TEST(RowOps, DotGivesTheSameBitsOnEveryInstructionSet) {
  const auto a = deform_numbers(203, 1, 1), b = deform_numbers(203, 2, 1);
  for (const std::ptrdiff_t n : {std::ptrdiff_t{0}, std::ptrdiff_t{7}, std::ptrdiff_t{64}, std::ptrdiff_t{203}}) {
    double expected = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i)
      expected += static_cast<double>(a[static_cast<std::size_t>(i)]) * b[static_cast<std::size_t>(i)];
    const float got = row_ops().dot(a.data(), b.data(), n);
    EXPECT_NEAR(got, expected, 1e-5);
    EXPECT_EQ(row_ops(Isa::generic).dot(a.data(), b.data(), n), got);
  }
}

}  // namespace
}  // namespace fastermask
