// The whole way of training pictures, from JPEG to a normalised batch, with the classic keys and with lists of
// augmentations, in the calling thread. Data: ANNOTATIONS.json:IMAGES in $FASTERMASK_BENCH_DATA, or generated scenes of
// 640 x 480.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "fastermask/base/log.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/data/synth.h"

namespace fastermask {
namespace {

std::shared_ptr<const Dataset> bench_dataset() {
  static const std::shared_ptr<const Dataset> dataset = [] {
    set_console_log_level(LogLevel::error);
    if (const char* name = std::getenv("FASTERMASK_BENCH_DATA")) return load_datasets({name});
    const std::string folder = (std::filesystem::temp_directory_path() / "fastermask-loader-bench").string();
    SynthOptions synth;
    synth.scene.size = {480, 640};
    synth.train_images = 32;
    synth.val_images = 1;
    const std::vector<std::string> files = write_synthetic_dataset(folder, synth);
    return load_datasets({files[0] + ":" + folder + "/images/train"});
  }();
  return dataset;
}

void load_pictures(benchmark::State& state, const std::vector<std::string>& augmentations) {
  LoaderOptions options;
  options.threads = 0;
  options.batch_size = 2;
  options.mapper.masks = true;
  options.mapper.augmentation.min_sizes = {800};
  options.mapper.augmentation.flip = FlipMode::horizontal;
  options.mapper.augmentation.list = parse_augmentations(augmentations);
  TrainingLoader loader(bench_dataset(), options);
  for (auto _ : state) benchmark::DoNotOptimize(loader.next());
  state.SetItemsProcessed(state.iterations() * options.batch_size);
}

constexpr const char* kJitter = "ResizeScale(0.1, 2.0, 1024, 1024)";
constexpr const char* kFixedCrop = "FixedSizeCrop((1024, 1024))";

void classic_800(benchmark::State& state) { load_pictures(state, {}); }
void list_800(benchmark::State& state) { load_pictures(state, {"ResizeShortestEdge(800, 1333)", "RandomFlip()"}); }
void jitter_1024(benchmark::State& state) { load_pictures(state, {kJitter, kFixedCrop, "RandomFlip()"}); }
void jitter_and_paste_1024(benchmark::State& state) {
  load_pictures(state, {kJitter, kFixedCrop, "RandomFlip()", "CopyPaste(prob=1)"});
}
void jitter_and_colours_1024(benchmark::State& state) {
  load_pictures(state, {kJitter, kFixedCrop, "RandomFlip()", "RandomBrightness(0.5, 1.5)", "RandomContrast(0.5, 1.5)",
                        "RandomSaturation(0.5, 1.5)"});
}
void turned_800(benchmark::State& state) {
  load_pictures(state, {"ResizeShortestEdge(800, 1333)", "RandomRotation([-30, 30], expand=False)"});
}
BENCHMARK(classic_800)->Unit(benchmark::kMillisecond);
BENCHMARK(list_800)->Unit(benchmark::kMillisecond);
BENCHMARK(jitter_1024)->Unit(benchmark::kMillisecond);
BENCHMARK(jitter_and_paste_1024)->Unit(benchmark::kMillisecond);
BENCHMARK(jitter_and_colours_1024)->Unit(benchmark::kMillisecond);
BENCHMARK(turned_800)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fastermask
