// What follows integer sums, against the obvious loop, and the copies against each other.
#include "fastermask/kernels/integer_finish.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "fastermask/base/random.h"

namespace fastermask {
namespace {

std::vector<Isa> finishing_isas() {
  std::vector<Isa> found = {Isa::generic};
  if (best_isa() != Isa::generic) found.push_back(Isa::avx2);
  if (best_isa() == Isa::avx512) found.push_back(Isa::avx512);
  return found;
}

struct FinishCase {
  int rows, columns, panels_at_once, residual_shift;
  bool residual, relu;
};

struct Finished {
  std::vector<float> values;
  std::vector<std::uint8_t> bytes;
};

class Finish {
 public:
  explicit Finish(const FinishCase& test)
      : test_(test), panels_((test.columns + kIntegerPanelWidth - 1) / kIntegerPanelWidth) {
    Random random(static_cast<std::uint64_t>(test.columns), RandomPurpose::test);
    const auto width = static_cast<std::size_t>(panels_ * kIntegerPanelWidth);
    sums_.resize(static_cast<std::size_t>(test.rows) * width);
    for (std::int32_t& sum : sums_) sum = random.uniform_int(40000) - 20000;
    scale_.resize(width);
    bias_.resize(width);
    for (float& scale : scale_) scale = static_cast<float>(random.uniform(1e-4, 3e-4));
    for (float& bias : bias_) bias = static_cast<float>(random.uniform(-1, 1));
    residual_.resize(static_cast<std::size_t>(test.rows + 1) * kStride);
    for (float& value : residual_) value = static_cast<float>(random.uniform(-2, 2));
  }

  // Beyond the columns nothing may be touched.
  static constexpr int kStride = 301;
  static constexpr float kUntouched = 77;
  static constexpr std::uint8_t kUntouchedByte = 200;

  std::int32_t sum(int row, int column) const {
    const int panel = column / kIntegerPanelWidth, group = panel / test_.panels_at_once * test_.panels_at_once;
    const int width = std::min(test_.panels_at_once, panels_ - group);
    return sums_[static_cast<std::size_t>((group * test_.rows + row * width + panel - group) * kIntegerPanelWidth +
                                          column % kIntegerPanelWidth)];
  }

  double expected(int row, int column) const {
    const auto n = static_cast<std::size_t>(column);
    double value = static_cast<double>(sum(row, column)) * scale_[n] + bias_[n];
    if (test_.residual)
      value += residual_[static_cast<std::size_t>((row + test_.residual_shift) >> test_.residual_shift) * kStride + n];
    return test_.relu ? std::max(value, 0.0) : value;
  }

  float& bias(int column) { return bias_[static_cast<std::size_t>(column)]; }

  Finished run(Isa isa, bool values, bool bytes, bool in_place = false) const {
    const std::size_t size = static_cast<std::size_t>(test_.rows) * kStride;
    Finished result{std::vector<float>(size, kUntouched), std::vector<std::uint8_t>(size, kUntouchedByte)};
    IntegerFinish finish;
    finish.sums = sums_.data();
    finish.panels_at_once = test_.panels_at_once;
    finish.rows = test_.rows;
    finish.columns = test_.columns;
    finish.scale = scale_.data();
    finish.bias = bias_.data();
    if (in_place) std::copy_n(residual_.begin(), size, result.values.begin());
    if (test_.residual) finish.residual = in_place ? result.values.data() : residual_.data();
    finish.residual_stride = kStride;
    finish.residual_shift = finish.residual_phase = test_.residual_shift;
    finish.relu = test_.relu;
    if (values) finish.c = result.values.data();
    if (bytes) finish.q = result.bytes.data();
    finish.c_stride = finish.q_stride = kStride;
    finish.range = kRange;
    integer_ops(isa).finish(finish);
    return result;
  }

  static constexpr ActivationRange kRange{0.05f, 30};

 private:
  FinishCase test_;
  int panels_;
  std::vector<std::int32_t> sums_;
  std::vector<float> scale_, bias_, residual_;
};

float upper_half(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x8000u) & 0xffff0000u;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::vector<float> floats_of(const std::vector<Bf16>& halves) {
  std::vector<float> values(halves.size());
  widen_bf16(halves.data(), values.data(), static_cast<std::int64_t>(halves.size()));
  return values;
}

// Values and residuals of 16 bits against those of 32.
void compare_halves(int columns, int shift) {
  constexpr int kRows = 5;
  Random random(7, RandomPurpose::test);
  const auto width =
      static_cast<std::size_t>((columns + kIntegerPanelWidth - 1) / kIntegerPanelWidth * kIntegerPanelWidth);
  std::vector<std::int32_t> sums(kRows * width);
  for (std::int32_t& sum : sums) sum = random.uniform_int(40000) - 20000;
  const std::vector<float> scale(width, 1e-4f), bias(width, 0.25f);
  const auto size = static_cast<std::size_t>(kRows * columns);
  std::vector<float> residual(size);
  for (float& value : residual) value = upper_half(static_cast<float>(random.uniform(-2, 2)));
  std::vector<Bf16> half_residual(size);
  narrow_to_bf16(residual.data(), half_residual.data(), static_cast<std::int64_t>(size));
  for (const Isa isa : finishing_isas()) {
    std::vector<float> values(size);
    std::vector<Bf16> halves(size + 1, Bf16{0x4242});
    std::vector<std::uint8_t> bytes(size), bytes_of_halves(size);
    IntegerFinish finish;
    finish.sums = sums.data();
    finish.panels_at_once = 2;
    finish.rows = kRows;
    finish.columns = columns;
    finish.scale = scale.data();
    finish.bias = bias.data();
    finish.residual_stride = finish.c_stride = finish.q_stride = columns;
    finish.residual_shift = shift;
    finish.range = {0.05f, 30};
    finish.residual = residual.data();
    finish.c = values.data();
    finish.q = bytes.data();
    integer_ops(isa).finish(finish);
    finish.residual = nullptr;
    finish.half_residual = half_residual.data();
    finish.c = nullptr;
    finish.half_c = halves.data();
    finish.q = bytes_of_halves.data();
    integer_ops(isa).finish(finish);
    EXPECT_EQ(bytes_of_halves, bytes);
    EXPECT_EQ(halves.back().bits, 0x4242) << "written behind the last row";
    halves.pop_back();
    for (float& value : values) value = upper_half(value);
    EXPECT_EQ(floats_of(halves), values) << columns << " columns, isa " << static_cast<int>(isa);
    if (shift > 0) continue;
    std::vector<Bf16> in_place = half_residual;
    finish.half_residual = finish.half_c = in_place.data();
    integer_ops(isa).finish(finish);
    EXPECT_EQ(floats_of(in_place), values);
  }
}

void compare_finish(const FinishCase& test) {
  const Finish finish(test);
  std::vector<Finished> of_isas;
  for (const Isa isa : finishing_isas()) {
    const Finished both = finish.run(isa, true, true);
    for (int row = 0; row < test.rows; ++row) {
      for (int n = 0; n < Finish::kStride; ++n) {
        const auto at = static_cast<std::size_t>(row * Finish::kStride + n);
        if (n >= test.columns) {
          ASSERT_EQ(both.values[at], Finish::kUntouched);
          ASSERT_EQ(both.bytes[at], Finish::kUntouchedByte);
          continue;
        }
        const double value = finish.expected(row, n);
        ASSERT_NEAR(both.values[at], value, 1e-5) << "row " << row << " column " << n;
        const double q = std::min(std::max(value / Finish::kRange.scale + Finish::kRange.zero, 0.0), 127.0);
        ASSERT_NEAR(both.bytes[at], q, 0.501) << "row " << row << " column " << n;
      }
    }
    EXPECT_EQ(finish.run(isa, true, false).values, both.values);
    EXPECT_EQ(finish.run(isa, false, true).bytes, both.bytes);
    if (test.residual && test.residual_shift == 0) {
      const std::vector<float> replaced = finish.run(isa, true, false, true).values;
      for (std::size_t i = 0; i < replaced.size(); ++i) {
        if (static_cast<int>(i % Finish::kStride) < test.columns) ASSERT_EQ(replaced[i], both.values[i]);
      }
    }
    of_isas.push_back(both);
  }
  if (of_isas.size() < 3) return;
  EXPECT_EQ(of_isas[1].values, of_isas[2].values);
  EXPECT_EQ(of_isas[1].bytes, of_isas[2].bytes);
}

TEST(IntegerFinish, EqualsThePlainLoop) {
  for (const int columns : {1, 16, 20, 32, 48, 64, 100, 128, 240, 300}) {
    for (const int panels_at_once : {1, 2}) {
      compare_finish({5, columns, panels_at_once, 0, false, true});
      compare_finish({3, columns, panels_at_once, 0, true, true});
      compare_finish({4, columns, panels_at_once, 1, true, false});
    }
  }
}

TEST(IntegerFinish, OfHalfTheBitsIsTheFloatsRounded) {
  for (const int columns : {1, 20, 64, 90, 128}) {
    for (const int shift : {0, 1}) compare_halves(columns, shift);
  }
}

TEST(IntegerFinish, ClipsWhatHasNoNumber) {
  for (const int columns : {64, 20}) {
    for (const Isa isa : finishing_isas()) {
      Finish finish({1, columns, 1, 0, false, false});
      finish.bias(0) = 1e30f;
      finish.bias(1) = -1e30f;
      finish.bias(2) = std::numeric_limits<float>::quiet_NaN();
      finish.bias(3) = std::numeric_limits<float>::infinity();
      const std::vector<std::uint8_t> bytes = finish.run(isa, false, true).bytes;
      EXPECT_EQ(std::vector<std::uint8_t>(bytes.begin(), bytes.begin() + 4),
                (std::vector<std::uint8_t>{127, 0, 0, 127}));
    }
  }
}

}  // namespace
}  // namespace fastermask
