// AMX's tiles in plain loops: what TileProduct needs of them, on any machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/tile_product.h"

namespace fastermask {

struct EmulatedTiles {
  struct Tile {
    int rows = 0;
    alignas(64) unsigned char bytes[kTileRows][kTileBytes];
  };
  static Tile* tiles() {
    static Tile all[8];
    return all;
  }
  static bool& configured() {
    static bool is = false;
    return is;
  }
  static Tile& tile(int index) {
    Tile& found = tiles()[index];
    if (!configured() || found.rows == 0) throw std::logic_error("a tile is used that is not configured");
    return found;
  }

  static void configure(int rows, int more_rows) {
    if (rows < 0 || rows > kTileRows || more_rows < 0 || more_rows > kTileRows)
      throw std::logic_error("a tile cannot have as many rows");
    const int all[8] = {rows, rows, more_rows, more_rows, rows, more_rows, kTileRows, kTileRows};
    for (int i = 0; i < 8; ++i) {
      tiles()[i].rows = all[i];
      std::memset(tiles()[i].bytes, 0, sizeof tiles()[i].bytes);  // as the instruction does
    }
    configured() = true;
  }
  static void release() { configured() = false; }

  template <int kT>
  static void zero() {
    std::memset(tile(kT).bytes, 0, sizeof tile(kT).bytes);
  }
  template <int kT>
  static void load(const void* address, std::ptrdiff_t stride) {
    Tile& loaded = tile(kT);
    std::memset(loaded.bytes, 0, sizeof loaded.bytes);
    for (int r = 0; r < loaded.rows; ++r)
      std::memcpy(loaded.bytes[r], static_cast<const char*>(address) + r * stride, kTileBytes);
  }
  template <int kT>
  static void store(void* address, std::ptrdiff_t stride) {
    const Tile& stored = tile(kT);
    for (int r = 0; r < stored.rows; ++r)
      std::memcpy(static_cast<char*>(address) + r * stride, stored.bytes[r], kTileBytes);
  }

  template <class Value>
  static Value& value(Tile& of, int row, int index) {
    return reinterpret_cast<Value*>(of.bytes[row])[index];
  }
  static float half(Tile& of, int row, int index) {
    const std::uint32_t bits = static_cast<std::uint32_t>(value<Bf16>(of, row, index).bits) << 16;
    float number = 0;
    std::memcpy(&number, &bits, sizeof number);
    return number;
  }

  template <int kC, int kA, int kB>
  static void multiply_halves() {
    Tile &c = tile(kC), &a = tile(kA), &b = tile(kB);
    for (int m = 0; m < c.rows; ++m) {
      for (int k = 0; k < b.rows; ++k) {
        for (int n = 0; n < kTileBytes / 4; ++n) {
          for (int i = 0; i < 2; ++i) value<float>(c, m, n) += half(a, m, 2 * k + i) * half(b, k, 2 * n + i);
        }
      }
    }
  }
  template <int kC, int kA, int kB>
  static void multiply_bytes() {
    Tile &c = tile(kC), &a = tile(kA), &b = tile(kB);
    for (int m = 0; m < c.rows; ++m) {
      for (int k = 0; k < b.rows; ++k) {
        for (int n = 0; n < kTileBytes / 4; ++n) {
          for (int i = 0; i < 4; ++i) {
            value<std::int32_t>(c, m, n) +=
                value<std::uint8_t>(a, m, 4 * k + i) * value<std::int8_t>(b, k, 4 * n + i);
          }
        }
      }
    }
  }
};

}  // namespace fastermask
