// A decoded picture: 8-bit, interleaved channels, BGR unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include "fastermask/base/uninitialised.h"
#include "fastermask/structures/box.h"

namespace fastermask {

struct Image {
  int height = 0;
  int width = 0;
  int channels = 3;
  UninitialisedVector<std::uint8_t> pixels;  // [height, width, channels]

  // Black.
  Image() = default;
  Image(int image_height, int image_width, int image_channels = 3)
      : height(image_height), width(image_width), channels(image_channels),
        pixels(static_cast<std::size_t>(image_height) * static_cast<std::size_t>(image_width) *
                   static_cast<std::size_t>(image_channels),
               0) {}

  // Its pixels unset, for those who write them all.
  static Image unset(int height, int width, int channels = 3) {
    Image image;
    image.height = height;
    image.width = width;
    image.channels = channels;
    image.pixels.resize(image.row_bytes() * static_cast<std::size_t>(height));
    return image;
  }

  ImageSize size() const { return {height, width}; }
  std::size_t row_bytes() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels); }
  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
};

}  // namespace fastermask
