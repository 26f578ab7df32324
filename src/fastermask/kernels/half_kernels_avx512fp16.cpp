// See half_kernels.h: products of float16 numbers, 32 columns at a time.
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "fastermask/kernels/fp16_scaling.h"
#include "fastermask/kernels/half_kernels.h"

namespace fastermask::FASTERMASK_ISA {

// winograd_avx512fp16.cpp
float winograd_input_fp16(const float* const* pixels, int channels, const WinogradFp16& values);

namespace {

constexpr int kColumns = 2 * kPanelWidth;
constexpr int kRows = 12;  // two vectors of sums each; two of weights and one of a row's numbers are beside them

// Calls `body` with 0 ... kCount - 1 as constants, so that arrays they index can be registers.
template <class Body, int... kIndices>
[[gnu::always_inline]] inline void each_of(const Body& body, std::integer_sequence<int, kIndices...>) {
  (body(std::integral_constant<int, kIndices>{}), ...);
}
template <int kCount, class Body>
[[gnu::always_inline]] inline void each(const Body& body) {
  each_of(body, std::make_integer_sequence<int, kCount>{});
}

// The pair of numbers `kStrides` strides of so many bytes behind `first`, in all lanes. By these instructions, as a
// pointer serves three rows: there are not enough registers for one each.
template <int kStrides>
inline __m512h pair_in_all_lanes(const Fp16* first, std::ptrdiff_t stride) {
  __m512i pairs;
  if constexpr (kStrides == 0) asm("vpbroadcastd (%1), %0" : "=v"(pairs) : "r"(first));
  if constexpr (kStrides == 1) asm("vpbroadcastd (%1,%2), %0" : "=v"(pairs) : "r"(first), "r"(stride));
  if constexpr (kStrides == 2) asm("vpbroadcastd (%1,%2,2), %0" : "=v"(pairs) : "r"(first), "r"(stride));
  return _mm512_castsi512_ph(pairs);
}

// The sums of some rows over some depth, of two panels: of each column over even steps of depth and over odd ones.
template <int kR>
struct PairSums {
  __m512h first[kR], second[kR];

  [[gnu::always_inline]] inline PairSums() {
    each<kR>([&](auto r) __attribute__((always_inline)) { first[r] = second[r] = _mm512_setzero_ph(); });
  }

  // Adds two steps of depth; `panel` points to them in the first panel, `threes` in every third row.
  [[gnu::always_inline]] inline void add(const Fp16* panel, std::ptrdiff_t panel_stride, const Fp16* const* threes,
                                         std::ptrdiff_t row_bytes) {
    constexpr int kAhead = 8 * kPanelWidth;  // weights stream from the second-level cache
    __builtin_prefetch(panel + kAhead);
    __builtin_prefetch(panel + panel_stride + kAhead);
    const __m512h weights = _mm512_load_ph(panel), more = _mm512_load_ph(panel + panel_stride);
    each<kR>([&](auto r) __attribute__((always_inline)) {
      const __m512h pair = pair_in_all_lanes<r % 3>(threes[r / 3], row_bytes);
      first[r] = _mm512_fmadd_ph(pair, weights, first[r]);
      second[r] = _mm512_fmadd_ph(pair, more, second[r]);
    });
  }
};

// Each column's two sums together, as floats.
inline __m512 column_sums(__m512h pairs) {
  const __m512i turned = _mm512_rol_epi32(_mm512_castph_si512(pairs), 16);
  const __m512h both = _mm512_add_ph(pairs, _mm512_castsi512_ph(turned));
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_castph_si512(both)));
}

// What is added to a row.
const float* residual_row(const Fp16Product& product, int row) {
  return product.residual + ((row + product.residual_phase) >> product.residual_shift) * product.residual_stride;
}

// Where rows of floats lie.
template <class Float>
struct FloatRows {
  Float* data;
  std::ptrdiff_t stride;
  Float* row(int r) const { return data + r * stride; }
};

// `value`, or 0 where the gate is at most 0.
inline __m512 gated(__m512 value, const float* gate) {
  const __mmask16 open = _mm512_cmp_ps_mask(_mm512_loadu_ps(gate), _mm512_setzero_ps(), _CMP_NLE_UQ);
  return _mm512_maskz_mov_ps(open, value);
}

// to = start + sums * scale * row_scale, for rows from `first_row` on; kFinish: then residual, relu and gate.
template <bool kFinish, int kR>
[[gnu::always_inline]] inline void lay_down(const Fp16Product& product, int first_row, const PairSums<kR>& sums,
                                            const FloatRows<const float>& start, const FloatRows<float>& to) {
  const __m512 scale = _mm512_loadu_ps(product.scale), more_scale = _mm512_loadu_ps(product.scale + kPanelWidth);
  each<kR>([&](auto r) __attribute__((always_inline)) {
    const __m512 row_scale = _mm512_set1_ps(product.row_scale[(first_row + r) * product.row_scale_stride]);
    const float* const from = start.row(r);
    __m512 low = _mm512_fmadd_ps(column_sums(sums.first[r]), _mm512_mul_ps(scale, row_scale), _mm512_loadu_ps(from));
    __m512 high = _mm512_fmadd_ps(column_sums(sums.second[r]), _mm512_mul_ps(more_scale, row_scale),
                                  _mm512_loadu_ps(from + kPanelWidth));
    if constexpr (kFinish) {
      if (product.residual != nullptr) {
        const float* const residual = residual_row(product, first_row + r);
        low = _mm512_add_ps(low, _mm512_loadu_ps(residual));
        high = _mm512_add_ps(high, _mm512_loadu_ps(residual + kPanelWidth));
      }
      if (product.relu) {  // in this order NaN stays
        low = _mm512_max_ps(_mm512_setzero_ps(), low);
        high = _mm512_max_ps(_mm512_setzero_ps(), high);
      }
      if (product.gate != nullptr) {
        const float* const gate = product.gate + (first_row + r) * product.c_stride;
        low = gated(low, gate);
        high = gated(high, gate + kPanelWidth);
      }
    }
    _mm512_storeu_ps(to.row(r), low);
    _mm512_storeu_ps(to.row(r) + kPanelWidth, high);
  });
}

// The panels behind those of a product, which are multiplied next: brought to the second-level cache meanwhile.
struct PanelsAhead {
  const Fp16* next;
  const Fp16* end;
};

template <int kR>
void multiply_rows(const Fp16Product& product, int first_row, PanelsAhead& panels_ahead) {
  alignas(64) float memory[kR][kColumns];  // sums of several parts
  alignas(64) static constexpr float kZeros[kColumns] = {};
  const FloatRows<float> sums{memory[0], kColumns};
  const FloatRows<float> output{product.c + first_row * product.c_stride, product.c_stride};
  FloatRows<const float> start{product.bias == nullptr ? kZeros : product.bias, 0};
  if (product.accumulate) start = {output.data, output.stride};
  const bool finish = product.residual != nullptr || product.relu || product.gate != nullptr;
  const std::ptrdiff_t row_bytes = product.a_stride * static_cast<std::ptrdiff_t>(sizeof(Fp16));
  const std::ptrdiff_t panel_stride = product.panel_stride;
  PanelsAhead ahead = panels_ahead;
  const Fp16* panel = product.panel;
  const Fp16* rows = product.a + first_row * product.a_stride;
  constexpr int kThrees = (kR + 2) / 3;
  for (int part = 0; part < product.parts; ++part, rows += product.part_stride) {
    int begin = 0;
    do {  // also without depth: then only the finishing
      const int end = std::min(begin + kFp16Depth, product.depth);
      const bool last = part + 1 == product.parts && end == product.depth;
      const Fp16* threes[kThrees];
      each<kThrees>([&](auto i)
                        __attribute__((always_inline)) { threes[i] = rows + 3 * i * product.a_stride + begin; });
      PairSums<kR> some;
      int k = begin;
      const auto step = [&]() __attribute__((always_inline)) {
        some.add(panel, panel_stride, threes, row_bytes);
        each<kThrees>([&](auto i) __attribute__((always_inline)) { threes[i] += 2; });
        panel += 2 * kPanelWidth;
        k += 2;
      };
      if (last) {  // what is written and added at the end: on its way while the sums are made
        for (int r = 0; r < kR && k < end; ++r) {
          __builtin_prefetch(output.row(r), 1);
          __builtin_prefetch(output.row(r) + kPanelWidth, 1);
          step();
        }
        const auto prefetch_while = [&](const auto& row_of) __attribute__((always_inline)) {
          for (int r = 0; r < kR && k < end; ++r) {
            __builtin_prefetch(row_of(r));
            __builtin_prefetch(row_of(r) + kPanelWidth);
            step();
          }
        };
        if (product.residual != nullptr) prefetch_while([&](int r) { return residual_row(product, first_row + r); });
        if (product.gate != nullptr)
          prefetch_while([&](int r) { return product.gate + (first_row + r) * product.c_stride; });
      }
      while (k < end) {
        if (k % 8 == 0 && ahead.next < ahead.end) {
          __builtin_prefetch(ahead.next, 0, 2);
          ahead.next += 2 * kPanelWidth;
        }
        step();
      }
      if (last && finish) {
        lay_down<true>(product, first_row, some, start, output);
      } else {
        lay_down<false>(product, first_row, some, start, last ? output : sums);
      }
      start = {sums.data, sums.stride};
      begin = end;
    } while (begin < product.depth);
  }
  panels_ahead = ahead;
}

// As many rows together as there are, in a few sizes.
template <int kR>
int multiply_while(const Fp16Product& product, int row, PanelsAhead& ahead) {
  for (; row + kR <= product.rows; row += kR) multiply_rows<kR>(product, row, ahead);
  return row;
}

void multiply_fp16_panels(const Fp16Product& product) {
  const std::ptrdiff_t size = 2 * static_cast<std::ptrdiff_t>(product.parts) * product.depth * kPanelWidth;
  PanelsAhead ahead{product.panel + 2 * product.panel_stride, product.panel + 2 * product.panel_stride + size};
  int row = multiply_while<kRows>(product, 0, ahead);
  row = multiply_while<8>(product, row, ahead);
  row = multiply_while<4>(product, row, ahead);
  row = multiply_while<2>(product, row, ahead);
  multiply_while<1>(product, row, ahead);
}

float narrow_to_fp16(const float* in, Fp16* out, std::ptrdiff_t count) {
  __m512 sizes = _mm512_setzero_ps();
  for (std::ptrdiff_t i = 0; i < count; i += 16)
    sizes = larger_sizes(sizes, _mm512_maskz_loadu_ps(lanes_there(count - i), in + i));
  const float power = power_for(_mm512_reduce_max_ps(sizes), 15);
  const __m512 powers = _mm512_set1_ps(power);
  for (std::ptrdiff_t i = 0; i < count; i += 16) {
    const __mmask16 there = lanes_there(count - i);
    _mm256_mask_storeu_epi16(out + i, there, as_fp16(_mm512_mul_ps(_mm512_maskz_loadu_ps(there, in + i), powers)));
  }
  return 1 / power;
}

// Two steps of depth of a panel, as floats.
struct WeightPair {
  explicit WeightPair(const Bf16* pairs) {
    const __m512i both = _mm512_loadu_si512(pairs);
    first = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    second = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
  __m512 first, second;
};

void raise_scales(const Bf16* panel, std::ptrdiff_t depth, int tap_depth, float* scale) {
  __m512 most = _mm512_set1_ps(std::ldexp(1.0f, -101)), sum = _mm512_setzero_ps();
  int in_tap = 0;
  for (std::ptrdiff_t k = 0; k < depth; k += 2, panel += 2 * kPanelWidth) {
    if (in_tap % kFp16Depth == 0) sum = _mm512_setzero_ps();
    const WeightPair pair(panel);
    sum = _mm512_add_ps(sum, _mm512_add_ps(_mm512_abs_ps(pair.first), _mm512_abs_ps(pair.second)));
    most = _mm512_max_ps(most, sum);
    in_tap = in_tap + 2 == tap_depth ? 0 : in_tap + 2;
  }
  float sizes[kPanelWidth];
  _mm512_storeu_ps(sizes, most);
  for (int n = 0; n < kPanelWidth; ++n) scale[n] = std::max(scale[n], power_above(sizes[n]));
}

void pack_panel(const Bf16* panel, std::ptrdiff_t depth, const float* scale, Fp16* out) {
  const __m512 factor = _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_loadu_ps(scale));  // powers of two: exact
  for (std::ptrdiff_t k = 0; k < depth; k += 2, panel += 2 * kPanelWidth, out += 2 * kPanelWidth) {
    const WeightPair pair(panel);
    _mm512_storeu_si512(
        out, paired(as_fp16(_mm512_mul_ps(pair.first, factor)), as_fp16(_mm512_mul_ps(pair.second, factor))));
  }
}

}  // namespace

Fp16Ops fp16_unit_ops() {
  return {multiply_fp16_panels, narrow_to_fp16, winograd_input_fp16, raise_scales, pack_panel, kRows};
}

}  // namespace fastermask::FASTERMASK_ISA
