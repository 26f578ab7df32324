// AMX: eight tiles of 16 x 64 bytes. A core multiplies 16 times as many bfloat16 numbers as float32 ones with them, and
// twice as many bytes again.
#include <cstdint>

#include "fastermask/kernels/half_kernels.h"
#include "fastermask/kernels/tile_product.h"

namespace fastermask::FASTERMASK_ISA {

HalfOps bf16_unit_ops();  // half_kernels_avx512bf16.cpp

namespace {

struct AmxTiles {
  static void configure(int rows, int more_rows) {
    struct alignas(64) {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } config;
    static_assert(sizeof config == 64);
    const int tile_rows[8] = {rows, rows, more_rows, more_rows, rows, more_rows, kTileRows, kTileRows};
    for (int i = 0; i < 8; ++i) {
      config.rows[i] = static_cast<std::uint8_t>(tile_rows[i]);
      config.row_bytes[i] = tile_rows[i] == 0 ? 0 : kTileBytes;
    }
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  static void release() { asm volatile("tilerelease"); }

  template <int kT>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kT));
  }
  template <int kT>
  static void load(const void* address, std::ptrdiff_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(address), "r"(stride), "i"(kT) : "memory");
  }
  template <int kT>
  static void store(void* address, std::ptrdiff_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(address), "r"(stride), "i"(kT) : "memory");
  }
  template <int kC, int kA, int kB>
  static void multiply_halves() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kC), "i"(kA), "i"(kB));
  }
  template <int kC, int kA, int kB>
  static void multiply_bytes() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kC), "i"(kA), "i"(kB));
  }
};

}  // namespace

void multiply_half_panels_amx(const HalfProduct& product) {
  if (product.depth % kTileHalves != 0 || product.a_by_depth) return bf16_unit_ops().multiply_panel(product);
  TileProduct<AmxTiles>::multiply(product);
}

HalfOps amx_ops() {
  HalfOps ops = bf16_unit_ops();
  ops.multiply_panel = multiply_half_panels_amx;
  ops.rows_at_once = kRowsOfTiles;
  return ops;
}

void multiply_integer_panels_amx(const IntegerProduct& product) {
  if (product.depth % kTileBytes != 0) return multiply_integer_panels_vnni(product);
  TileProduct<AmxTiles>::multiply(product);
}

}  // namespace fastermask::FASTERMASK_ISA
