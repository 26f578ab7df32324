// See winograd_tile.h.
#include "fastermask/kernels/winograd_transforms.h"

namespace fastermask::FASTERMASK_ISA {

void winograd_input(const float* const* pixels, int channels, const WinogradValues& values) {
  transform_window(pixels, channels, values, [](float* address, const Floats& value) { store(address, value); });
}

void winograd_gradient(const float* const* pixels, int channels, const WinogradValues& values) {
  for (int c = 0; c < channels; c += kLanes) {
    Floats half[24];  // [column of the pixels][row]
    for (int x = 0; x < 4; ++x) {
      Floats column[4];
#pragma GCC unroll 4
      for (int y = 0; y < 4; ++y) column[y] = load(pixels[y * 4 + x] + c);
      transform_gradient(column, 1, half + x * 6);
    }
    float* const data = channel_of(values, c);
    for (int y = 0; y < 6; ++y) {
      Floats row[6];
      transform_gradient(half + y, 6, row);
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) store(data + (y * 6 + x) * values.matrix_stride, row[x]);
    }
  }
}

void winograd_output(const float* products, std::ptrdiff_t matrix_stride, const WinogradOutput& output) {
  for (int c = 0; c < output.channels; c += kLanes) {
    Floats half[24];  // [column][row of the output]
    for (int x = 0; x < 6; ++x) {
      Floats column[6];
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) column[y] = load(products + (y * 6 + x) * matrix_stride + c);
      transform_output(column, 1, half + x * 4);
    }
    const Floats bias = output.bias == nullptr ? Floats{} : load(output.bias + c);
    for (int y = 0; y < 4; ++y) {
      Floats row[4];
      transform_output(half + y, 4, row);
      for (int x = 0; x < 4; ++x) {
        float* pixel = output.pixels[y * 4 + x];
        if (pixel == nullptr) continue;
        Floats value = row[x] + bias;
        if (output.residuals != nullptr) value += load(output.residuals[y * 4 + x] + c);
        if (output.relu) value = value < Floats{} ? Floats{} : value;
        if (output.gates != nullptr) value = load(output.gates[y * 4 + x] + c) <= Floats{} ? Floats{} : value;
        store(pixel + c, value);
      }
    }
  }
}

}  // namespace fastermask::FASTERMASK_ISA
