// The innermost loops of the kernels over rows of numbers and bytes, compiled once per instruction set. All copies give
// the same bits: they multiply and add in the same order, without fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

// A line of a pasted mask: pixel i samples four neighbours, whose values lie at nw[at[i]], ne[at[i]], sw[at[i]],
// se[at[i]].
struct PasteLine {
  const float* nw;
  const float* ne;
  const float* sw;
  const float* se;
  const std::int32_t* at;   // [count]
  const float* near_part;   // [count] weight of the nearer neighbour along the line
  const float* far_part;    // [count] weight of the further one
  float across_near;        // weights across the line
  float across_far;
  bool along_columns;       // the line runs down a column (else along a row): decides what ne and sw are weighted by
  int count;
};

inline constexpr int kNormalisePattern = 48;  // floats: three vectors of the widest instruction set

FASTERMASK_DECLARE_COPIES(
    // out[i] (+)= sum over k of weights[k] * sources[k][i], i < n; overwrites out unless `add`.
    void weighted_sum(const float* const* sources, const float* weights, int count, std::ptrdiff_t n, bool add,
                      float* out);

    // The same from and to bfloat16 numbers: sums are of floats, rounded at their end.
    void weighted_sum_of_bf16(const Bf16* const* sources, const float* weights, int count, std::ptrdiff_t n, bool add,
                              float* out);
    void weighted_sum_to_bf16(const float* const* sources, const float* weights, int count, std::ptrdiff_t n,
                              Bf16* out);
    void weighted_sum_in_bf16(const Bf16* const* sources, const float* weights, int count, std::ptrdiff_t n, Bf16* out);

    // best[i] = max(best[i], source[i]); where source wins, argmax[i] = index.
    void update_maximum(const float* source, std::int32_t index, std::ptrdiff_t n, float* best, std::int32_t* argmax);

    // Bilinear samples of a soft mask, and whether they reach a threshold (0 or 1).
    void paste_line(const PasteLine& line, float* values);
    void threshold_line(const float* values, int count, float threshold, std::uint8_t* out);

    // Resampling along a row: output pixel x is the rounded sum over t < taps of coefficients[x * taps + t] times input
    // pixel starts[x] + t. Coefficients have 22 fractional bits. The input row may be read up to 4 bytes past its end.
    void resize_row(const std::uint8_t* row, int channels, const std::int32_t* starts, const std::int32_t* coefficients,
                    int taps, int width, std::uint8_t* out);

    // The same for `count` rows at once (any number; four share the look-ups of weights), none of whose sums is
    // negative or above a byte: coefficients are at least 0 and add up to 1. channels is 3 or 4.
    void resize_rows(const std::uint8_t* const* rows, int count, int channels, const std::int32_t* starts,
                     const std::int32_t* coefficients, int taps, int width, std::uint8_t* const* out);

    // Resampling across rows: out[i] is the rounded sum over t < taps of coefficients[t] * rows[t][i].
    void resize_column(const std::uint8_t* const* rows, const std::int32_t* coefficients, int taps, std::ptrdiff_t n,
                       std::uint8_t* out);

    // out[i] = (in[i] - mean[i % 3]) / deviation[i % 3], i < n. mean and deviation hold their three values sixteen
    // times over (kNormalisePattern).
    void normalise_row(const std::uint8_t* in, std::ptrdiff_t n, const float* mean, const float* deviation, float* out);

    // Sum over i < n of a[i] * b[i], in sixteen partial sums: the same bits on every instruction set.
    float dot(const float* a, const float* b, std::ptrdiff_t n))

// Pointers to the copies for one instruction set.
struct RowOps {
  decltype(&generic::weighted_sum) weighted_sum;
  decltype(&generic::weighted_sum_of_bf16) weighted_sum_of_bf16;
  decltype(&generic::weighted_sum_to_bf16) weighted_sum_to_bf16;
  decltype(&generic::weighted_sum_in_bf16) weighted_sum_in_bf16;
  decltype(&generic::update_maximum) update_maximum;
  decltype(&generic::paste_line) paste_line;
  decltype(&generic::threshold_line) threshold_line;
  decltype(&generic::resize_row) resize_row;
  decltype(&generic::resize_rows) resize_rows;
  decltype(&generic::resize_column) resize_column;
  decltype(&generic::normalise_row) normalise_row;
  decltype(&generic::dot) dot;
};

// The copies for an instruction set (which the processor must have), and those for this machine.
RowOps row_ops(Isa isa);
const RowOps& row_ops();

}  // namespace fastermask
