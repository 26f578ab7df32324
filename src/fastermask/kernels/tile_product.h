// Matrix products on units that multiply tiles: 16 rows of 64 bytes times 16 columns of as many, into 16 x 16 sums (AMX).
// A packed panel of bfloat16 pairs, and one of bytes by fours, are such tiles one after the other, so nothing is packed
// anew. `Tiles` stands for the units (tile_product_amx.cpp), or for their copy in plain loops (the unit tests):
//   configure(rows, more_rows)     rows of tiles 0, 1, 4 and of tiles 2, 3, 5; tiles 6 and 7 have 16, all have 64 bytes
//   release()
//   zero<T>(), load<T>(address, stride), store<T>(address, stride)    strides in bytes
//   multiply_halves<C, A, B>()     C += A * B in bfloat16 pairs, summed in float32
//   multiply_bytes<C, A, B>()      the same of unsigned by signed bytes, in 32-bit integers
// Everything is a template of Tiles: files compiled for different instruction sets share no code.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fastermask/kernels/integer_product.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

constexpr int kTileRows = 16;
constexpr int kTileBytes = 64;                         // of a row
constexpr int kTileHalves = kTileBytes / 2;            // depth comes in multiples of this, or of kTileBytes
constexpr int kRowsOfTiles = 2 * kTileRows;            // that are computed together, times two panels
static_assert(kPanelWidth == kTileRows && kIntegerPanelWidth == kTileRows);

template <class Tiles>
class TileProduct {
 public:
  // As multiply_panel() of panel_product.h; the depth of a part is a multiple of kTileHalves, and not a_by_depth.
  static void multiply(const HalfProduct& product) {
    Operands operands;
    operands.a = reinterpret_cast<const char*>(product.a);
    operands.a_stride = product.a_stride * kHalf;
    operands.panel = reinterpret_cast<const char*>(product.panel);
    operands.panel_stride = product.panel_stride * kHalf;
    operands.parts = product.parts;
    operands.depth = product.depth * kHalf;
    operands.part_stride = product.part_stride * kHalf;
    operands.part_offsets = product.part_offsets;
    run<Halves>(operands, product);
  }

  // As multiply_integer_panel(); the depth of a part is a multiple of kTileBytes.
  static void multiply(const IntegerProduct& product) {
    Operands operands;
    operands.a = reinterpret_cast<const char*>(product.a);
    operands.a_stride = product.a_stride;
    operands.panel = reinterpret_cast<const char*>(product.panel);
    operands.panel_stride = product.panel_stride;
    operands.parts = product.parts;
    operands.depth = product.depth;
    operands.part_stride = product.part_stride;
    run<Bytes>(operands, product);
  }

 private:
  static constexpr std::ptrdiff_t kHalf = sizeof(Bf16);
  static constexpr int kSumColumns = 2 * kTileRows;

  struct Halves {
    using Sum = float;
    template <int kC, int kA, int kB>
    static void add() {
      Tiles::template multiply_halves<kC, kA, kB>();
    }
  };
  struct Bytes {
    using Sum = std::int32_t;
    template <int kC, int kA, int kB>
    static void add() {
      Tiles::template multiply_bytes<kC, kA, kB>();
    }
  };

  // In bytes.
  struct Operands {
    const char* a = nullptr;
    std::ptrdiff_t a_stride = 0;
    const char* panel = nullptr;
    std::ptrdiff_t panel_stride = 0;
    int parts = 1;
    int depth = 0;
    std::ptrdiff_t part_stride = 0;
    const std::ptrdiff_t* part_offsets = nullptr;  // in bfloat16 numbers

    const char* part(int index) const {
      return a + (part_offsets != nullptr ? part_offsets[index] * kHalf : index * part_stride);
    }
  };

  template <class Kind, class Product>
  static void run(const Operands& operands, const Product& product) {
    const bool both = product.columns > kPanelWidth;
    int row = 0;
    if (product.rows >= kRowsOfTiles) {
      Tiles::configure(kTileRows, kTileRows);
      for (; row + kRowsOfTiles <= product.rows; row += kRowsOfTiles)
        both ? block<Kind, 2, 2>(operands, product, row) : block<Kind, 2, 1>(operands, product, row);
    }
    const int left = product.rows - row;
    if (left > kTileRows) {
      Tiles::configure(kTileRows, left - kTileRows);
      both ? block<Kind, 2, 2>(operands, product, row) : block<Kind, 2, 1>(operands, product, row);
    } else if (left > 0) {
      Tiles::configure(left, 0);
      both ? block<Kind, 1, 2>(operands, product, row) : block<Kind, 1, 1>(operands, product, row);
    }
    Tiles::release();
  }

  // kA tiles of rows, kB panels.
  template <class Kind, int kA, int kB, class Product>
  static void block(const Operands& operands, const Product& product, int first_row) {
    Tiles::template zero<0>();
    if (kB == 2) Tiles::template zero<1>();
    if (kA == 2) Tiles::template zero<2>();
    if (kA == 2 && kB == 2) Tiles::template zero<3>();
    const std::ptrdiff_t stride = operands.a_stride;
    const char* panel = operands.panel;
    for (int part = 0; part < operands.parts; ++part) {
      const char* a = operands.part(part) + first_row * stride;
      for (int k = 0; k < operands.depth; k += kTileBytes, a += kTileBytes, panel += kTileRows * kTileBytes) {
        Tiles::template load<6>(panel, kTileBytes);
        if (kB == 2) Tiles::template load<7>(panel + operands.panel_stride, kTileBytes);
        Tiles::template load<4>(a, stride);
        Kind::template add<0, 4, 6>();
        if (kB == 2) Kind::template add<1, 4, 7>();
        if (kA == 2) {
          Tiles::template load<5>(a + kTileRows * stride, stride);
          Kind::template add<2, 5, 6>();
          if (kB == 2) Kind::template add<3, 5, 7>();
        }
      }
    }
    alignas(64) typename Kind::Sum sums[kRowsOfTiles][kSumColumns];
    constexpr std::ptrdiff_t kSumsStride = sizeof sums[0];
    Tiles::template store<0>(&sums[0][0], kSumsStride);
    if (kB == 2) Tiles::template store<1>(&sums[0][kTileRows], kSumsStride);
    if (kA == 2) Tiles::template store<2>(&sums[kTileRows][0], kSumsStride);
    if (kA == 2 && kB == 2) Tiles::template store<3>(&sums[kTileRows][kTileRows], kSumsStride);
    const int rows = std::min(product.rows - first_row, kA * kTileRows);
    for (int r = 0; r < rows; ++r) {
      for (int panel_index = 0; panel_index < kB; ++panel_index) {
        const int first = panel_index * kPanelWidth;
        const int columns = std::min(product.columns - first, kPanelWidth);
        if (columns == kPanelWidth) {  // whose loops have a fixed length
          finish<kPanelWidth>(product, first_row + r, first, kPanelWidth, kB * kPanelWidth, &sums[r][first]);
        } else {
          finish<0>(product, first_row + r, first, columns, kB * kPanelWidth, &sums[r][first]);
        }
      }
    }
  }

  static const float* residual_row(const HalfProduct& product, int row) {
    if (product.residual == nullptr) return nullptr;
    return product.residual + ((row + product.residual_phase) >> product.residual_shift) * product.residual_stride;
  }

  // What follows the sums of one row's columns [first, first + columns). kColumns: as many, or 0.
  template <int kColumns>
  static void finish(const HalfProduct& product, int row, int first, int columns, int, const float* sums) {
    const int count = kColumns > 0 ? kColumns : columns;
    float values[kPanelWidth];
    float* const c = product.c + row * product.c_stride + first;
    if (product.accumulate) {
      for (int n = 0; n < count; ++n) values[n] = sums[n] + c[n];
    } else if (product.bias != nullptr) {
      for (int n = 0; n < count; ++n) values[n] = sums[n] + product.bias[first + n];
    } else {
      for (int n = 0; n < count; ++n) values[n] = sums[n];
    }
    if (const float* residual = residual_row(product, row)) {
      for (int n = 0; n < count; ++n) values[n] += residual[first + n];
    }
    if (product.relu) {
      for (int n = 0; n < count; ++n) values[n] = values[n] < 0 ? 0.0f : values[n];
    }
    if (product.gate != nullptr) {
      const float* const gate = product.gate + row * product.c_stride + first;
      for (int n = 0; n < count; ++n) values[n] = gate[n] <= 0 ? 0.0f : values[n];
    }
    for (int n = 0; n < count; ++n) c[n] = values[n];
  }

  // Likewise, a whole panel's; `width`: columns of sums_before and of sums.
  template <int>
  static void finish(const IntegerProduct& product, int row, int first, int, int width, const std::int32_t* sums) {
    const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(row) * width + first;
    const std::int32_t* const before = product.sums_before;
    for (int n = 0; n < kPanelWidth; ++n) product.sums[place + n] = sums[n] + (before == nullptr ? 0 : before[place + n]);
  }
};

}  // namespace fastermask
