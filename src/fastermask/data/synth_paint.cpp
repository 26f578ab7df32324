#include "fastermask/data/synth_paint.h"

#include <algorithm>
#include <cmath>

namespace fastermask {
namespace {

constexpr double kSynthPi = 3.14159265358979323846;

// The radius, in direction `angle`, of a figure whose corners alternate between radius 1 and `inner`.
double star_radius(double angle, int corners, double inner) {
  const double sector = kSynthPi / corners;
  double within = std::fmod(std::abs(angle), 2 * sector);
  if (within > sector) within = 2 * sector - within;
  // Where the ray meets the segment from (1, 0) to inner * (cos sector, sin sector).
  const double x = inner * std::cos(sector);
  const double y = inner * std::sin(sector);
  return y / (std::sin(within) * (1 - x) + std::cos(within) * y);
}

double smooth(double t) { return t * t * (3 - 2 * t); }

Colour random_colour(Random& random) {
  return {random.uniform(20, 235), random.uniform(20, 235), random.uniform(20, 235)};
}

double colour_distance(const Colour& a, const Colour& b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

}  // namespace

bool inside_shape(int shape, double u, double v) {
  const double radius = std::hypot(u, v);
  switch (shape) {
    case 0: return radius <= 0.95;                                    // disc
    case 1: return std::abs(u) <= 0.8 && std::abs(v) <= 0.8;          // square
    case 2: return radius <= star_radius(std::atan2(v, u), 3, 0.5);   // triangle
    case 3: return radius <= star_radius(std::atan2(v, u), 5, 0.42);  // star
    case 4: return radius <= 0.95 && radius >= 0.52;                  // ring
    case 5: return radius <= 0.95 && std::hypot(u - 0.5, v) >= 0.75;  // crescent
    default: return std::max(std::abs(u), std::abs(v)) <= 0.95 && std::min(std::abs(u), std::abs(v)) <= 0.3;  // cross
  }
}

Noise::Noise(Random& random, double cell_pixels, int octaves)
    : cell_(cell_pixels), octaves_(octaves), values_(kGrid * kGrid) {
  for (double& value : values_) value = random.uniform(-1, 1);
}

double Noise::at(double x, double y) const {
  double sum = 0;
  double weight = 0.5;
  double scale = 1 / cell_;
  for (int octave = 0; octave < octaves_; ++octave, weight *= 0.5, scale *= 2) {
    const double fx = x * scale + 7.3 * octave;
    const double fy = y * scale + 3.1 * octave;
    const double x0 = std::floor(fx);
    const double y0 = std::floor(fy);
    const auto value = [this](double gx, double gy) {
      const std::size_t column = static_cast<std::size_t>(static_cast<std::int64_t>(gx)) % kGrid;
      const std::size_t row = static_cast<std::size_t>(static_cast<std::int64_t>(gy)) % kGrid;
      return values_[row * kGrid + column];
    };
    const double tx = smooth(fx - x0);
    const double ty = smooth(fy - y0);
    const double top = value(x0, y0) * (1 - tx) + value(x0 + 1, y0) * tx;
    const double bottom = value(x0, y0 + 1) * (1 - tx) + value(x0 + 1, y0 + 1) * tx;
    sum += weight * (top * (1 - ty) + bottom * ty);
  }
  return sum;
}

Texture::Texture(Random& random, double scale_pixels, const Colour& avoid, double distance)
    : pattern_(static_cast<int>(random.uniform_int(5))),
      period_(scale_pixels * random.uniform(0.5, 1.5)),
      noise_(random, scale_pixels, 3) {
  const double angle = random.uniform(0, 2 * kSynthPi);
  cos_ = std::cos(angle);
  sin_ = std::sin(angle);
  first_ = random_colour(random);
  for (int tries = 0; tries < 12 && colour_distance(first_, avoid) < distance; ++tries) first_ = random_colour(random);
  const double difference = random.uniform(25, 60) * (random.bernoulli(0.5) ? 1 : -1);
  for (std::size_t c = 0; c < 3; ++c) second_[c] = first_[c] + difference + random.uniform(-15, 15);
}

double Texture::mix_at(double x, double y) const {
  const double u = (x * cos_ + y * sin_) / period_;
  const double v = (y * cos_ - x * sin_) / period_;
  switch (pattern_) {
    case 0: return 0.5 + 0.5 * noise_.at(x, y);             // clouds
    case 1: return 0.5 + 0.5 * std::sin(2 * kSynthPi * u);  // stripes
    case 2:
      return (static_cast<int>(std::floor(u)) + static_cast<int>(std::floor(v))) % 2 == 0 ? 0.15 : 0.85;  // checks
    case 3: return noise_.at(x * 4, y * 4) > 0.25 ? 0.9 : 0.2;                                            // speckles
    default: return std::clamp(0.5 + 0.12 * u, 0.0, 1.0);                                                 // a slope
  }
}

Colour Texture::at(double x, double y) const {
  const double mix = mix_at(x, y);
  const double grain = 8 * noise_.at(x * 3 + 100, y * 3 + 100);
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c) colour[c] = first_[c] * (1 - mix) + second_[c] * mix + grain;
  return colour;
}

}  // namespace fastermask
