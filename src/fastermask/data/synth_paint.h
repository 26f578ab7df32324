// Shapes and textures of the generated scenes. Internal to the data layer.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/structures/image.h"

namespace fastermask {

using Colour = std::array<double, 3>;  // BGR, 0 .. 255

// True when (u, v) lies in the shape, whose size is about 1 around the origin. `shape` counts synth_class_names().
bool inside_shape(int shape, double u, double v);

// Smooth noise in [-1, 1]: random values on a grid, blended between, over several grid sizes.
class Noise {
 public:
  Noise(Random& random, double cell_pixels, int octaves);
  double at(double x, double y) const;

 private:
  static constexpr int kGrid = 32;
  double cell_;
  int octaves_;
  std::vector<double> values_;  // [kGrid * kGrid], repeating
};

// A colour pattern in the plane: two colours mixed by stripes, checks, speckles, noise or a slope.
class Texture {
 public:
  // Colours at least `distance` from `avoid` in sum over the channels, as far as a few tries find one.
  Texture(Random& random, double scale_pixels, const Colour& avoid, double distance);
  Colour at(double x, double y) const;
  const Colour& base() const { return first_; }

 private:
  double mix_at(double x, double y) const;

  Colour first_{};
  Colour second_{};
  int pattern_;
  double period_;
  double cos_;
  double sin_;
  Noise noise_;
};

}  // namespace fastermask
