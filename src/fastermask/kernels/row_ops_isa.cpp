// Row loops over floats and bytes (see row_ops.h), on the vectors of lanes.h.
#include "fastermask/kernels/row_ops.h"

#include "fastermask/kernels/lanes.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace fastermask::FASTERMASK_ISA {
namespace {

constexpr int kBlock = 8;  // vectors summed side by side, to hide the latency of an addition

const FloatsAt& at(const float* address) { return *reinterpret_cast<const FloatsAt*>(address); }
FloatsAt& at(float* address) { return *reinterpret_cast<FloatsAt*>(address); }

// kVectors vectors from offset i on.
template <int kVectors, class In, class Out>
void sum_block(const In* const* sources, const float* weights, int count, std::ptrdiff_t i, bool add, Out* out) {
  Floats sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = add ? load(out + i + v * kLanes) : Floats{};
  for (int k = 0; k < count; ++k) {
    const In* source = sources[k] + i;
    const float weight = weights[k];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[v] += weight * load(source + v * kLanes);
  }
  for (int v = 0; v < kVectors; ++v) store(out + i + v * kLanes, sums[v]);
}

template <class In, class Out>
void sum_rows(const In* const* sources, const float* weights, int count, std::ptrdiff_t n, bool add, Out* out) {
  std::ptrdiff_t i = 0;
  for (; i + kBlock * kLanes <= n; i += kBlock * kLanes) sum_block<kBlock>(sources, weights, count, i, add, out);
  for (; i + kLanes <= n; i += kLanes) sum_block<1>(sources, weights, count, i, add, out);
  for (; i < n; ++i) {
    float sum = add ? load_one(out + i) : 0.0f;
    for (int k = 0; k < count; ++k) sum += weights[k] * load_one(sources[k] + i);
    store_one(out + i, sum);
  }
}

}  // namespace

void weighted_sum(const float* const* sources, const float* weights, int count, std::ptrdiff_t n, bool add,
                  float* out) {
  sum_rows(sources, weights, count, n, add, out);
}

void weighted_sum_of_bf16(const Bf16* const* sources, const float* weights, int count, std::ptrdiff_t n, bool add,
                          float* out) {
  sum_rows(sources, weights, count, n, add, out);
}

void weighted_sum_to_bf16(const float* const* sources, const float* weights, int count, std::ptrdiff_t n, Bf16* out) {
  sum_rows(sources, weights, count, n, false, out);
}

void weighted_sum_in_bf16(const Bf16* const* sources, const float* weights, int count, std::ptrdiff_t n, Bf16* out) {
  sum_rows(sources, weights, count, n, false, out);
}

float dot(const float* a, const float* b, std::ptrdiff_t n) {
  constexpr int kSums = 16 / kLanes;
  Floats sums[kSums] = {};
  std::ptrdiff_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (int v = 0; v < kSums; ++v) sums[v] += at(a + i + v * kLanes) * at(b + i + v * kLanes);
  }
  float lanes[16];
  for (int v = 0; v < kSums; ++v) at(lanes + v * kLanes) = sums[v];
  for (; i < n; ++i) lanes[i % 16] += a[i] * b[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

void update_maximum(const float* source, std::int32_t index, std::ptrdiff_t n, float* best, std::int32_t* argmax) {
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const bool wins = source[i] > best[i];
    best[i] = wins ? source[i] : best[i];
    argmax[i] = wins ? index : argmax[i];
  }
}

void paste_line(const PasteLine& line, float* values) {
  const float near_across = line.across_near;
  const float far_across = line.across_far;
  const float* nw = line.nw;
  const float* ne = line.ne;
  const float* sw = line.sw;
  const float* se = line.se;
  const std::int32_t* at_index = line.at;
  for (int i = 0; i < line.count; ++i) {
    const float near_part = line.near_part[i];
    const float far_part = line.far_part[i];
    const float near_far = near_part * far_across;
    const float far_near = far_part * near_across;
    const float ne_weight = line.along_columns ? near_far : far_near;
    const float sw_weight = line.along_columns ? far_near : near_far;
    const std::int32_t k = at_index[i];
    values[i] =
        nw[k] * (near_part * near_across) + ne[k] * ne_weight + sw[k] * sw_weight + se[k] * (far_part * far_across);
  }
}

void threshold_line(const float* values, int count, float threshold, std::uint8_t* out) {
  for (int i = 0; i < count; ++i) out[i] = values[i] >= threshold ? 1 : 0;
}

namespace {

constexpr int kFractionBits = 22;
constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

std::uint8_t to_byte(std::int32_t sum) {
  const std::int32_t value = sum >> kFractionBits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

using Bytes4 = std::uint8_t __attribute__((vector_size(4)));
using Ints4 = std::int32_t __attribute__((vector_size(16)));

// Three or four channels: one vector of four lanes holds a pixel.
template <int kChannels>
void resize_row_of_pixels(const std::uint8_t* row, const std::int32_t* starts, const std::int32_t* coefficients,
                          int taps, int width, std::uint8_t* out) {
  for (int x = 0; x < width; ++x) {
    const std::uint8_t* pixel = row + static_cast<std::ptrdiff_t>(starts[x]) * kChannels;
    const std::int32_t* weights = coefficients + static_cast<std::ptrdiff_t>(x) * taps;
    Ints4 sum = {kHalf, kHalf, kHalf, kHalf};
    for (int t = 0; t < taps; ++t, pixel += kChannels) {
      Bytes4 bytes;
      __builtin_memcpy(&bytes, pixel, 4);
      sum += weights[t] * __builtin_convertvector(bytes, Ints4);
    }
    for (int c = 0; c < kChannels; ++c) out[x * kChannels + c] = to_byte(sum[c]);
  }
}

#if defined(__AVX2__)
// A pixel of one row beside the pixel below it: four bytes each, of which the last may belong to the next pixel.
// (By hand: from eight bytes, GCC 12's __builtin_convertvector goes through general registers.)
inline __m256i load_pixel_pair(const std::uint8_t* upper, const std::uint8_t* lower) {
  std::int32_t a = 0;
  std::int32_t b = 0;
  __builtin_memcpy(&a, upper, 4);
  __builtin_memcpy(&b, lower, 4);
  return _mm256_cvtepu8_epi32(_mm_insert_epi32(_mm_cvtsi32_si128(a), b, 1));
}

// Rows in pairs, kPairs of them side by side. kTaps 0: taken from `taps`.
template <int kPairs, int kTaps>
void resize_row_pairs(const std::uint8_t* const* rows, std::ptrdiff_t channels, const std::int32_t* starts,
                      const std::int32_t* coefficients, int taps, int width, std::uint8_t* const* out) {
  const int count = kTaps == 0 ? taps : kTaps;
  for (int x = 0; x < width; ++x) {
    const std::ptrdiff_t from = starts[x] * channels;
    const std::int32_t* weights = coefficients + static_cast<std::ptrdiff_t>(x) * count;
    __m256i sums[kPairs];
    for (int p = 0; p < kPairs; ++p) sums[p] = _mm256_set1_epi32(kHalf);
    for (int t = 0; t < count; ++t) {
      const __m256i weight = _mm256_set1_epi32(weights[t]);
      const std::ptrdiff_t pixel = from + t * channels;
#pragma GCC unroll 2
      for (int p = 0; p < kPairs; ++p) {
        const __m256i pair = load_pixel_pair(rows[2 * p] + pixel, rows[2 * p + 1] + pixel);
        sums[p] = _mm256_add_epi32(sums[p], _mm256_mullo_epi32(weight, pair));
      }
    }
#pragma GCC unroll 2
    for (int p = 0; p < kPairs; ++p) {
      const __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(sums[p], kFractionBits), _mm256_setzero_si256());
      const __m256i bytes = _mm256_packus_epi16(words, words);
      const std::int32_t upper = _mm_cvtsi128_si32(_mm256_castsi256_si128(bytes));
      const std::int32_t lower = _mm_cvtsi128_si32(_mm256_extracti128_si256(bytes, 1));
      // Four bytes are written where three are meant, but for the last, beyond which something else may lie.
      if (x + 1 < width || channels == 4) {
        __builtin_memcpy(out[2 * p] + x * channels, &upper, 4);
        __builtin_memcpy(out[2 * p + 1] + x * channels, &lower, 4);
      } else {
        __builtin_memcpy(out[2 * p] + x * channels, &upper, 3);
        __builtin_memcpy(out[2 * p + 1] + x * channels, &lower, 3);
      }
    }
  }
}

template <int kPairs>
void resize_row_pairs(const std::uint8_t* const* rows, int channels, const std::int32_t* starts,
                      const std::int32_t* coefficients, int taps, int width, std::uint8_t* const* out) {
  if (taps == 2) {  // whenever a picture grows
    resize_row_pairs<kPairs, 2>(rows, channels, starts, coefficients, taps, width, out);
  } else {
    resize_row_pairs<kPairs, 0>(rows, channels, starts, coefficients, taps, width, out);
  }
}
#endif

}  // namespace

void resize_rows(const std::uint8_t* const* rows, int count, int channels, const std::int32_t* starts,
                 const std::int32_t* coefficients, int taps, int width, std::uint8_t* const* out) {
  int y = 0;
#if defined(__AVX2__)
  for (; y + 4 <= count; y += 4) {
    resize_row_pairs<2>(rows + y, channels, starts, coefficients, taps, width, out + y);
  }
  for (; y + 2 <= count; y += 2) {
    resize_row_pairs<1>(rows + y, channels, starts, coefficients, taps, width, out + y);
  }
#endif
  for (; y < count; ++y) resize_row(rows[y], channels, starts, coefficients, taps, width, out[y]);
}

void resize_row(const std::uint8_t* row, int channels, const std::int32_t* starts, const std::int32_t* coefficients,
                int taps, int width, std::uint8_t* out) {
  if (channels == 3) return resize_row_of_pixels<3>(row, starts, coefficients, taps, width, out);
  if (channels == 4) return resize_row_of_pixels<4>(row, starts, coefficients, taps, width, out);
  for (int x = 0; x < width; ++x) {
    const std::uint8_t* pixel = row + static_cast<std::ptrdiff_t>(starts[x]) * channels;
    const std::int32_t* weights = coefficients + static_cast<std::ptrdiff_t>(x) * taps;
    for (int c = 0; c < channels; ++c) {
      std::int32_t sum = kHalf;
      for (int t = 0; t < taps; ++t) sum += weights[t] * pixel[t * channels + c];
      out[x * channels + c] = to_byte(sum);
    }
  }
}

void resize_column(const std::uint8_t* const* rows, const std::int32_t* coefficients, int taps, std::ptrdiff_t n,
                   std::uint8_t* out) {
  constexpr int kChunk = 64;
  std::ptrdiff_t i = 0;
  for (; i + kChunk <= n; i += kChunk) {
    std::int32_t sums[kChunk];
    for (int j = 0; j < kChunk; ++j) sums[j] = kHalf;
    for (int t = 0; t < taps; ++t) {
      const std::uint8_t* row = rows[t] + i;
      const std::int32_t weight = coefficients[t];
      for (int j = 0; j < kChunk; ++j) sums[j] += weight * row[j];
    }
    for (int j = 0; j < kChunk; ++j) out[i + j] = to_byte(sums[j]);
  }
  for (; i < n; ++i) {
    std::int32_t sum = kHalf;
    for (int t = 0; t < taps; ++t) sum += coefficients[t] * rows[t][i];
    out[i] = to_byte(sum);
  }
}

namespace {

#if defined(FASTERMASK_ISA_avx512)
using Bytes16 = std::uint8_t __attribute__((vector_size(16)));
inline Floats bytes_to_floats(const std::uint8_t* bytes) {
  Bytes16 lanes;
  __builtin_memcpy(&lanes, bytes, sizeof lanes);
  return __builtin_convertvector(lanes, Floats);
}
#elif defined(FASTERMASK_ISA_avx2)
inline Floats bytes_to_floats(const std::uint8_t* bytes) {
  std::int64_t lanes = 0;
  __builtin_memcpy(&lanes, bytes, sizeof lanes);
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(lanes)));
}
#else
inline Floats bytes_to_floats(const std::uint8_t* bytes) {
  return Floats{static_cast<float>(bytes[0]), static_cast<float>(bytes[1]), static_cast<float>(bytes[2]),
                static_cast<float>(bytes[3])};
}
#endif

template <bool kDivide>
void normalise_pixels(const std::uint8_t* in, std::ptrdiff_t n, const float* mean, const float* deviation, float* out) {
  constexpr int kStep = 3 * kLanes;
  std::ptrdiff_t i = 0;
  for (; i + kStep <= n; i += kStep) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) {
      Floats values = bytes_to_floats(in + i + v * kLanes) - at(mean + v * kLanes);
      if (kDivide) values /= at(deviation + v * kLanes);
      at(out + i + v * kLanes) = values;
    }
  }
  for (int c = 0; i < n; ++i, ++c) {
    const float value = static_cast<float>(in[i]) - mean[c];
    out[i] = kDivide ? value / deviation[c] : value;
  }
}

}  // namespace

void normalise_row(const std::uint8_t* in, std::ptrdiff_t n, const float* mean, const float* deviation, float* out) {
  bool divide = false;
  for (int c = 0; c < 3; ++c) divide = divide || deviation[c] != 1.0f;
  if (divide) {
    normalise_pixels<true>(in, n, mean, deviation, out);
  } else {
    normalise_pixels<false>(in, n, mean, deviation, out);
  }
}

}  // namespace fastermask::FASTERMASK_ISA
