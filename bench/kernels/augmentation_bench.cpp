// Moving masks on their runs beside the plain twins that decode them, and the pixel loops of augmentations. Masks are
// stars of the size given (the argument), in a picture of 640 x 480 that is resized to 1067 x 800.
#include <benchmark/benchmark.h>

#include <cmath>

#include "fastermask/base/random.h"
#include "fastermask/kernels/colour.h"
#include "fastermask/kernels/ref_rle_geometry.h"
#include "fastermask/kernels/resize.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/warp.h"

namespace fastermask {
namespace {

Rle star_mask(double radius) {
  Polygon star;
  for (int i = 0; i < 20; ++i) {
    const double r = radius * (i % 2 == 0 ? 1 : 0.6);
    star.push_back(320 + r * std::cos(0.314159265 * i));
    star.push_back(240 + r * std::sin(0.314159265 * i));
  }
  return polygons_to_rle({star}, 480, 640);
}

Image noise_image(int height, int width) {
  Random random(1, RandomPurpose::test);
  Image image(height, width);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.next_u32());
  return image;
}

template <class Run>
void time_mask(benchmark::State& state, const Run& run) {
  const Rle mask = star_mask(static_cast<double>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(run(mask));
}

void resize_runs(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return rle_resize_nearest(mask, {800, 1067}); });
}
void resize_bitmap(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return ref::rle_resize_nearest(mask, {800, 1067}); });
}
void flip_runs(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return rle_flip_horizontal(mask); });
}
void flip_bitmap(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return ref::rle_flip_horizontal(mask); });
}
void crop_runs(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return rle_crop(mask, 40, 60, 400, 500); });
}
void crop_bitmap(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return ref::rle_crop(mask, 40, 60, 400, 500); });
}
void pad_runs(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return rle_pad(mask, 0, 0, 1024, 1024); });
}
void pad_bitmap(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return ref::rle_pad(mask, 0, 0, 1024, 1024); });
}
void turn_mask(benchmark::State& state) {
  time_mask(state, [](const Rle& mask) { return warp_affine_nearest(mask, {0.9, 0.3, 0, -0.3, 0.9, 90}, {640, 800}); });
}
BENCHMARK(resize_runs)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(resize_bitmap)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(flip_runs)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(flip_bitmap)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(crop_runs)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(crop_bitmap)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(pad_runs)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(pad_bitmap)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);
BENCHMARK(turn_mask)->Arg(20)->Arg(200)->Unit(benchmark::kMicrosecond);

// Large-scale jitter at its largest: 640 x 480 to 2048 x 1536, of which 1024 x 1024 stay.
void jitter_part(benchmark::State& state) {
  const Image image = noise_image(480, 640);
  for (auto _ : state) benchmark::DoNotOptimize(resize_bilinear_part(image, {1536, 2048}, 300, 500, {1024, 1024}));
}
void jitter_whole(benchmark::State& state) {
  const Image image = noise_image(480, 640);
  for (auto _ : state) {
    benchmark::DoNotOptimize(crop_image(resize_bilinear(image, {1536, 2048}), 300, 500, {1024, 1024}));
  }
}
void turn_image(benchmark::State& state) {
  const Image image = noise_image(800, 1067);
  for (auto _ : state) {
    benchmark::DoNotOptimize(warp_affine(image, {0.966, 0.259, 0, -0.259, 0.966, 276}, {1049, 1238}));
  }
}
void contrast(benchmark::State& state) {
  Image image = noise_image(800, 1067);
  for (auto _ : state) scale_colours(image, 1.0, 0.0 * mean_colour(image));
}
void saturation(benchmark::State& state) {
  Image image = noise_image(800, 1067);
  for (auto _ : state) saturate_colours(image, 1.0, false);
}
BENCHMARK(jitter_part)->Unit(benchmark::kMillisecond);
BENCHMARK(jitter_whole)->Unit(benchmark::kMillisecond);
BENCHMARK(turn_image)->Unit(benchmark::kMillisecond);
BENCHMARK(contrast)->Unit(benchmark::kMillisecond);
BENCHMARK(saturation)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fastermask
