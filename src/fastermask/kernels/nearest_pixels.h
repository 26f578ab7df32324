// Which pixels a nearest-neighbour resize takes. Internal to the kernels.
#pragma once

#include <cstddef>
#include <vector>

namespace fastermask {

// [out]: the input pixel each output pixel takes, rising; -1 for none, at the end. Pillow steps along by adding, which
// may differ in the last bit from multiplying: src/libImaging/Geometry.c.
inline std::vector<int> nearest_source_pixels(int in, int out) {
  std::vector<int> pixels(static_cast<std::size_t>(out));
  const double step = static_cast<double>(in) / out;
  double position = step * 0.5;
  for (int& pixel : pixels) {
    pixel = static_cast<int>(position);
    if (pixel >= in) pixel = -1;
    position += step;
  }
  return pixels;
}

}  // namespace fastermask
