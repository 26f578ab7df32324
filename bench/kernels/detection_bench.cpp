// Times of the kernels between the network's dense parts, at the sizes of a ResNet-50 FPN on 800 x 1216 pictures.
#include <benchmark/benchmark.h>

#include "fastermask/base/random.h"
#include "fastermask/kernels/iou.h"
#include "fastermask/kernels/nms.h"
#include "fastermask/kernels/resize.h"
#include "fastermask/kernels/roi_align.h"

namespace fastermask {
namespace {

constexpr ImageSize kPicture = {800, 1216};

std::vector<Box> random_boxes(std::int64_t count) {
  Random random(1, RandomPurpose::test);
  std::vector<Box> boxes;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = random.uniform(0, kPicture.width - 16), y = random.uniform(0, kPicture.height - 16);
    const double width = random.uniform(16, kPicture.width - x), height = random.uniform(16, kPicture.height - y);
    boxes.push_back({static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                     static_cast<float>(y + height)});
  }
  return boxes;
}

std::vector<float> random_values(std::size_t count) {
  Random random(2, RandomPurpose::test);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform());
  return values;
}

void bench_pairwise_iou(benchmark::State& state) {
  const std::vector<Box> anchors = random_boxes(state.range(0)), truth = random_boxes(20);
  std::vector<float> out(anchors.size() * truth.size());
  for (auto _ : state) pairwise_iou(truth, anchors, Span<float>(out));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}
BENCHMARK(bench_pairwise_iou)->Arg(2000)->Arg(240000)->Unit(benchmark::kMicrosecond);

void bench_nms(benchmark::State& state) {
  const std::vector<Box> boxes = random_boxes(state.range(0));
  const std::vector<float> scores = random_values(boxes.size());
  for (auto _ : state) benchmark::DoNotOptimize(nms(boxes, scores, 0.7));
}
BENCHMARK(bench_nms)->Arg(1000)->Arg(4000)->Unit(benchmark::kMicrosecond);

// The largest level, p2, with RoIs of its size.
struct RoiAlignScene {
  explicit RoiAlignScene(std::int64_t rois_wanted, std::int64_t pooled) {
    level.batch = 1;
    level.height = kPicture.height / 4;
    level.width = kPicture.width / 4;
    level.channels = 256;
    level.spatial_scale = 0.25F;
    const std::size_t channels = static_cast<std::size_t>(level.channels);
    features =
        random_values(static_cast<std::size_t>(level.height) * static_cast<std::size_t>(level.width) * channels);
    level.data = features.data();
    for (const Box& box : random_boxes(rois_wanted)) {
      rois.push_back({0, 0, {box.x1, box.y1, box.x1 + 112, box.y1 + 112}});  // FPN gives p2 boxes of up to 112 pixels
    }
    params.pooled_height = params.pooled_width = static_cast<int>(pooled);
    size = rois.size() * static_cast<std::size_t>(pooled * pooled) * channels;
  }

  FeatureLevel level;
  std::vector<float> features;
  std::vector<Roi> rois;
  RoiAlignParams params;
  std::size_t size = 0;  // of what is pooled
};

// Arguments: RoIs, pooled size. Number: what is pooled.
template <class Number>
void bench_roi_align(benchmark::State& state) {
  const RoiAlignScene scene(state.range(0), state.range(1));
  std::vector<Number> output(scene.size);
  for (auto _ : state)
    roi_align_forward(Span<const FeatureLevel>(&scene.level, 1), scene.rois, scene.params, output.data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_TEMPLATE(bench_roi_align, float)
    ->Args({1000, 7})
    ->Args({100, 14})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_TEMPLATE(bench_roi_align, Bf16)
    ->Args({1000, 7})
    ->Args({100, 14})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// Both in bfloat16, features too.
void bench_roi_align_in_bf16(benchmark::State& state) {
  const RoiAlignScene scene(state.range(0), state.range(1));
  std::vector<Bf16> features(scene.features.size()), output(scene.size);
  narrow_to_bf16(scene.features.data(), features.data(), static_cast<std::int64_t>(features.size()));
  const FeatureLevel& of = scene.level;
  const HalfFeatureLevel level{features.data(), of.batch, of.height, of.width, of.channels, of.spatial_scale};
  for (auto _ : state)
    roi_align_forward(Span<const HalfFeatureLevel>(&level, 1), scene.rois, scene.params, output.data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bench_roi_align_in_bf16)->Args({1000, 7})->Args({100, 14})->Unit(benchmark::kMillisecond)->UseRealTime();

template <class Number>
void bench_roi_align_backward(benchmark::State& state) {
  const RoiAlignScene scene(state.range(0), state.range(1));
  const std::vector<Number> gradient(scene.size);
  std::vector<float> features(scene.features.size());
  const FeatureLevel& of = scene.level;
  const FeatureLevelGradient level{features.data(), of.batch, of.height, of.width, of.channels, of.spatial_scale};
  for (auto _ : state)
    roi_align_backward(Span<const FeatureLevelGradient>(&level, 1), scene.rois, scene.params, gradient.data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_TEMPLATE(bench_roi_align_backward, float)
    ->Args({1000, 7})
    ->Args({100, 14})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_TEMPLATE(bench_roi_align_backward, Bf16)
    ->Args({1000, 7})
    ->Args({100, 14})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void bench_resize(benchmark::State& state) {
  Image image(480, 640);
  Random random(3, RandomPurpose::test);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.uniform_int(256));
  for (auto _ : state) benchmark::DoNotOptimize(resize_bilinear(image, {800, 1067}));
}
BENCHMARK(bench_resize)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace fastermask
