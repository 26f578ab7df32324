// See iou_isa.h. The loops are written so that the compiler turns each into straight vector code: every lane divides.
#include "fastermask/kernels/iou_isa.h"

#include <cstring>

// Floating-point traps are nobody's concern here; GCC must know it to compare and divide in lanes that are not
// selected. (Clang takes it for granted.)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math")
#endif

namespace fastermask::FASTERMASK_ISA {
namespace {

inline float smaller(float a, float b) { return a < b ? a : b; }
inline float larger(float a, float b) { return a > b ? a : b; }

inline float intersection(const Box& box, const BoxColumns& c, std::size_t i) {
  const float width = larger(smaller(box.x2, c.x2[i]) - larger(box.x1, c.x1[i]), 0.0f);
  const float height = larger(smaller(box.y2, c.y2[i]) - larger(box.y1, c.y1[i]), 0.0f);
  return width * height;
}

// The IoU of two boxes of which the shared area and the sum of the areas are given.
inline float ratio_of(float shared, float areas) {
  const float ratio = shared / (areas - shared);
  return shared > 0 ? ratio : 0.0f;
}

void iou_row(const Box& box_in, const BoxColumns& columns, std::size_t count, float* __restrict out) {
  const Box box = box_in;
  const BoxColumns c = columns;
  const float area = box.area();
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = ratio_of(intersection(box, c, i), area + c.area[i]);
  }
}

float match_row(const Box& gt, std::int32_t gt_index, const BoxColumns& columns, std::size_t count,
                float* __restrict best, std::int32_t* __restrict index) {
  constexpr std::size_t kChunk = 256;
  float row[kChunk];
  std::int32_t largest = 0;  // the bits of floats >= 0 order as the floats do
  for (std::size_t begin = 0; begin < count; begin += kChunk) {
    const std::size_t length = count - begin < kChunk ? count - begin : kChunk;
    const BoxColumns part{columns.x1 + begin, columns.y1 + begin, columns.x2 + begin, columns.y2 + begin,
                          columns.area + begin};
    iou_row(gt, part, length, row);
    float* __restrict best_part = best + begin;
    std::int32_t* __restrict index_part = index + begin;
    for (std::size_t i = 0; i < length; ++i) {
      const bool better = row[i] > best_part[i];
      best_part[i] = better ? row[i] : best_part[i];
      index_part[i] = better ? gt_index : index_part[i];
    }
    for (std::size_t i = 0; i < length; ++i) {
      std::int32_t bits;
      std::memcpy(&bits, &row[i], sizeof(bits));
      largest = bits > largest ? bits : largest;
    }
  }
  float result;
  std::memcpy(&result, &largest, sizeof(result));
  return result;
}

bool any_above(const Box& box_in, const BoxColumns& columns, std::size_t count, float threshold) {
  const Box box = box_in;
  const float area = box.area();
  // Division is slow, and almost all pairs are far from the threshold: a product that errs on the safe side rules those
  // out, sixty-four at a time.
  const float low = threshold * (1.0f - 1e-6f);
  constexpr std::size_t kChunk = 64;
  for (std::size_t begin = 0; begin < count; begin += kChunk) {
    const std::size_t end = begin + kChunk < count ? begin + kChunk : count;
    std::int32_t near = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const float shared = intersection(box, columns, i);
      near |= shared > low * (area + columns.area[i] - shared) ? 1 : 0;
    }
    if (near == 0) continue;
    std::int32_t above = 0;
    for (std::size_t i = begin; i < end; ++i) {
      above |= ratio_of(intersection(box, columns, i), area + columns.area[i]) > threshold ? 1 : 0;
    }
    if (above != 0) return true;
  }
  return false;
}

}  // namespace

extern const OverlapKernels kOverlapKernels;
const OverlapKernels kOverlapKernels{iou_row, match_row, any_above};

}  // namespace fastermask::FASTERMASK_ISA
