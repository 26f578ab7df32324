// See feature_map.h. Plain loops, which the compiler turns into vectors of each instruction set, but for what exchanges
// rows and columns.
#include "fastermask/kernels/feature_map.h"

#include "fastermask/kernels/lanes.h"

namespace fastermask::FASTERMASK_ISA {

void max_of_pixels(const float* const* pixels, int count, int channels, float* out) {
  const float* first = pixels[0];
  for (int c = 0; c < channels; ++c) out[c] = first[c];
  for (int i = 1; i < count; ++i) {
    const float* in = pixels[i];
    for (int c = 0; c < channels; ++c) out[c] = out[c] >= in[c] || out[c] != out[c] ? out[c] : in[c];
  }
}

void scale_shift_pixel(const float* in, const float* scale, const float* shift, int channels, bool relu, float* out) {
  if (relu) {
    for (int c = 0; c < channels; ++c) {
      const float value = in[c] * scale[c] + shift[c];
      out[c] = value < 0.0f ? 0.0f : value;
    }
  } else {
    for (int c = 0; c < channels; ++c) out[c] = in[c] * scale[c] + shift[c];
  }
}

void add_moments(const float* in, std::int64_t pixels, int channels, double* sums, double* squares) {
  for (std::int64_t p = 0; p < pixels; ++p, in += channels) {
    for (int c = 0; c < channels; ++c) {
      const double value = static_cast<double>(in[c]);
      sums[c] += value;
      squares[c] += value * value;
    }
  }
}

void add_rows(const float* a, const float* b, float factor, bool relu, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float sum = factor * (a[i] + b[i]);
    out[i] = relu && sum < 0.0f ? 0.0f : sum;
  }
}

namespace {

// Exchanges rows and columns of kLanes vectors: in each step, numbers whose row and column differ in one bit.
inline void turn_square(Floats* rows) {
#pragma GCC unroll 4
  for (int step = kLanes / 2; step > 0; step /= 2) {
    Words low, high;  // lanes of (row, row + step) laid end to end
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const bool upper = (lane & static_cast<unsigned>(step)) != 0;
      low[lane] = upper ? lane - static_cast<unsigned>(step) + kLanes : lane;
      high[lane] = upper ? lane + kLanes : lane + static_cast<unsigned>(step);
    }
#pragma GCC unroll 16
    for (int row = 0; row < kLanes; ++row) {
      if ((row & step) != 0) continue;
      const Floats first = rows[row], second = rows[row + step];
      rows[row] = __builtin_shuffle(first, second, low);
      rows[row + step] = __builtin_shuffle(first, second, high);
    }
  }
}

// [rows, columns] to [columns, rows]: squares of kLanes, then what is left of rows and columns.
template <class In, class Out>
void turn(const In* in, int rows, int columns, Out* out) {
  const int whole_rows = rows / kLanes * kLanes, whole_columns = columns / kLanes * kLanes;
  const std::ptrdiff_t in_row = columns, out_row = rows;
  for (int c = 0; c < whole_columns; c += kLanes) {
    for (int r = 0; r < whole_rows; r += kLanes) {
      Floats square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = load(in + (r + i) * in_row + c);
      turn_square(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) store(out + (c + i) * out_row + r, square[i]);
    }
    for (int r = whole_rows; r < rows; ++r) {
      for (int i = 0; i < kLanes; ++i) store_one(out + (c + i) * out_row + r, load_one(in + r * in_row + c + i));
    }
  }
  for (int c = whole_columns; c < columns; ++c) {
    for (int r = 0; r < rows; ++r) store_one(out + c * out_row + r, load_one(in + r * in_row + c));
  }
}

}  // namespace

void turn_matrix(const float* in, int rows, int columns, float* out) { turn(in, rows, columns, out); }
void turn_matrix_of_bf16(const Bf16* in, int rows, int columns, float* out) { turn(in, rows, columns, out); }
void turn_matrix_to_bf16(const float* in, int rows, int columns, Bf16* out) { turn(in, rows, columns, out); }

}  // namespace fastermask::FASTERMASK_ISA
