#include "fastermask/report/palette.h"

#include <algorithm>
#include <cmath>

namespace fastermask {
namespace {

using PaletteColour = std::array<std::uint8_t, 3>;

// Okabe and Ito, "Color Universal Design" (2008), without black; BGR.
constexpr std::array<PaletteColour, 7> kOkabeIto = {{{0x00, 0x9F, 0xE6},    // orange
                                                     {0xE9, 0xB4, 0x56},    // sky blue
                                                     {0x73, 0x9E, 0x00},    // bluish green
                                                     {0xA7, 0x79, 0xCC},    // reddish purple
                                                     {0x42, 0xE4, 0xF0},    // yellow
                                                     {0x00, 0x5E, 0xD5},    // vermilion
                                                     {0xB2, 0x72, 0x00}}};  // blue

// Hue in degrees, saturation and lightness in 0 .. 1.
PaletteColour from_hsl(double hue, double saturation, double lightness) {
  const double amplitude = saturation * std::min(lightness, 1 - lightness);
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue / 30, 12.0);
    const double value = lightness - amplitude * std::max(-1.0, std::min({k - 3, 9 - k, 1.0}));
    return static_cast<std::uint8_t>(std::lround(255 * value));
  };
  return {channel(4), channel(8), channel(0)};
}

double linear_light(std::uint8_t value) {
  const double v = value / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

}  // namespace

PaletteColour palette_colour(int index) {
  const auto number = static_cast<std::size_t>(std::max(index, 0));
  if (number < kOkabeIto.size()) return kOkabeIto[number];
  const std::size_t later = number - kOkabeIto.size();
  const double lightness[3] = {0.45, 0.72, 0.58};
  return from_hsl(std::fmod(300 + 137.50776405 * static_cast<double>(later), 360.0), 0.75, lightness[later % 3]);
}

bool wants_dark_text(const PaletteColour& bgr) {
  const double luminance =
      0.0722 * linear_light(bgr[0]) + 0.7152 * linear_light(bgr[1]) + 0.2126 * linear_light(bgr[2]);
  // Contrast is (lighter + 0.05) / (darker + 0.05): black wins above the luminance where both give the same.
  return (luminance + 0.05) * (luminance + 0.05) > 1.05 * 0.05;
}

}  // namespace fastermask
