#include "fastermask/kernels/colour.h"

#include <algorithm>
#include <cstdint>

#include "fastermask/kernels/colour_isa.h"

namespace fastermask {
namespace {

using ColourTable = std::array<std::uint8_t, 256>;

template <class T>
std::uint8_t clip_and_cut(T value) {
  return static_cast<std::uint8_t>(std::clamp(value, T{0}, T{255}));
}

}  // namespace

void scale_colours(Image& image, double weight, double offset) {
  static const auto scale = FASTERMASK_PICK_COPY(scale_bytes, best_isa());
  scale(image.pixels.data(), image.pixels.size(), static_cast<float>(weight), static_cast<float>(offset));
}

void shift_colours(Image& image, const std::array<double, 3>& offset) {
  if (image.channels != 3) return;
  std::array<ColourTable, 3> tables{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t p = 0; p < 256; ++p) tables[c][p] = clip_and_cut(offset[c] + static_cast<double>(p));
  }
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) image.pixels[i + c] = tables[c][image.pixels[i + c]];
  }
}

double mean_colour(const Image& image) {
  if (image.pixels.empty()) return 0;
  static const auto sum = FASTERMASK_PICK_COPY(sum_bytes, best_isa());
  return static_cast<double>(sum(image.pixels.data(), image.pixels.size())) / static_cast<double>(image.pixels.size());
}

void saturate_colours(Image& image, double weight, bool red_first) {
  if (image.channels != 3) return;
  static const auto saturate = FASTERMASK_PICK_COPY(saturate_pixels, best_isa());
  saturate(image.pixels.data(), image.pixels.size() / 3, weight, red_first ? 0 : 2);
}

}  // namespace fastermask
