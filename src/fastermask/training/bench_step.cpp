#include "fastermask/training/bench_step.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/training/frozen_init.h"
#include "fastermask/training/memory.h"
#include "fastermask/training/optimizer.h"
#include "fastermask/training/rcnn.h"
#include "fastermask/training/threads.h"

namespace fastermask {
namespace {

// Until memory does not grow any more.
constexpr int kWarmUpSteps = 3;

double seconds_since_start(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double middle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Polygon octagon(double x, double y, double radius) {
  Polygon polygon;
  for (int corner = 0; corner < 8; ++corner) {
    polygon.push_back(x + radius * std::cos(0.785398 * corner));
    polygon.push_back(y + radius * std::sin(0.785398 * corner));
  }
  return polygon;
}

// The size of a step's pictures: 32 pixels lower from step to step and as much wider, or the other way round, when each
// is to have its own.
ImageSize step_size(const BenchStepOptions& options, int step) {
  if (!options.new_sizes || step == 0) return {options.height, options.width};
  constexpr int kStep = 32;
  const int away = (step + 1) / 2 * (step % 2 == 0 ? kStep : -kStep);
  const int height = std::max(options.height + away, kStep);
  const double area = static_cast<double>(options.height) * options.width;
  return {height, std::max(static_cast<int>(std::lround(area / height / kStep)), 1) * kStep};
}

Batch made_up_batch(const Config& config, const BenchStepOptions& options, ImageSize size) {
  Batch batch;
  batch.height = size.height;
  batch.width = size.width;
  Random random(1, RandomPurpose::test);
  batch.images.resize(static_cast<std::size_t>(options.batch) * static_cast<std::size_t>(size.height) *
                      static_cast<std::size_t>(size.width) * 3);
  for (float& value : batch.images) value = static_cast<float>(random.uniform(-100.0, 100.0));
  for (int i = 0; i < options.batch; ++i) {
    GroundTruth truth;
    for (int k = 0; k < options.objects; ++k) {
      const double radius = random.uniform(10.0, 100.0);
      const double x = random.uniform(radius, size.width - radius);
      const double y = random.uniform(radius, size.height - radius);
      truth.boxes.push_back({static_cast<float>(x - radius), static_cast<float>(y - radius),
                             static_cast<float>(x + radius), static_cast<float>(y + radius)});
      truth.classes.push_back(static_cast<int>(random.uniform_int(config.model.roi_heads.num_classes)));
      if (config.model.mask_on) truth.masks.emplace_back(Polygons{octagon(x, y, radius)});
    }
    batch.ground_truths.push_back(std::move(truth));
    batch.image_sizes.push_back(size);
    batch.original_sizes.push_back(size);
    batch.image_ids.push_back(i);
    batch.file_names.push_back("made up");
    batch.flipped.push_back(false);
  }
  return batch;
}

// What the machine does at that moment, in FLOP/s: neighbours may use its cores, too.
class Yardsticks {
 public:
  void measure() {
    const at::NoGradGuard no_grad;
    const at::Tensor rows = at::full({1000, 12544}, 0.5), matrix = at::full({1024, 12544}, 0.01);
    linear_.push_back(2.0 * 1000 * 12544 * 1024 / seconds_of([&] { at::linear(rows, matrix); }));
    const at::Tensor maps = at::full({1, 256, 200, 304}, 0.5), kernels = at::full({256, 256, 3, 3}, 0.01);
    convolution_.push_back(2.0 * 256 * 256 * 9 * 200 * 304 /
                           seconds_of([&] { at::conv2d(maps, kernels, {}, 1, 1); }));
  }
  double linear() const { return middle(linear_); }
  double convolution() const { return middle(convolution_); }

 private:
  template <typename Work>
  static double seconds_of(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return seconds_since_start(start);
  }

  std::vector<double> linear_, convolution_;
};

}  // namespace

BenchStepTimes bench_training_step(const Config& config, const BenchStepOptions& options) {
  keep_freed_memory();
  use_compute_threads();
  TrainableRcnn model(config, 1);
  balance_frozen_norms(model);
  model.set_own_kernels(!options.exact);
  const Precision precision = precision_on("cpu", precision_plan(config).precision, !options.exact);
  model.set_precision(precision);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(model.parameters(), config.solver);
  std::unique_ptr<TrainingLoader> loader;
  if (!options.datasets.empty()) {
    loader =
        std::make_unique<TrainingLoader>(load_datasets(options.datasets, {false, 0, dataset_loading(config)}),
                                         make_training_loader_options(config, model.network().size_divisibility, 1));
  }
  std::vector<double> data, forward, backward, update, whole;
  BenchStepTimes times;
  StepClock clock;
  model.set_clock(&clock);
  Yardsticks yardsticks;
  for (int i = 0; i < kWarmUpSteps + options.repeat; ++i) {
    const auto before = std::chrono::steady_clock::now();
    const Batch batch = loader != nullptr ? loader->next() : made_up_batch(config, options, step_size(options, i));
    const double waited = loader != nullptr ? seconds_since_start(before) : 0;
    StepContext context;
    context.iteration = i;
    context.seed = 1;
    const auto start = std::chrono::steady_clock::now();
    const StepLosses step = model.compute_losses(batch, context);
    const at::Tensor total = step.total();
    const double after_forward = seconds_since_start(start);
    clock.begin_backward();
    total.backward();
    clock.stop();
    const double after_backward = seconds_since_start(start);
    if (!optimizer->non_finite_gradient().empty()) fail("bench train: a gradient is not finite");  // as a training looks
    optimizer->step(1e-6);
    optimizer->zero_grad();
    const double end = seconds_since_start(start);
    const auto found = step.metrics.find("roi_head/num_fg_samples");
    if (found != step.metrics.end()) times.foreground = found->second;
    if (i < kWarmUpSteps) {
      clock.clear();
      continue;
    }
    if (i == kWarmUpSteps || options.new_sizes) {  // else before the yardsticks have needed some
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      times.peak_memory_mib = static_cast<double>(usage.ru_maxrss) / 1024;
    }
    if (i == kWarmUpSteps) Yardsticks().measure();  // the first time, LibTorch prepares
    yardsticks.measure();
    data.push_back(waited);
    forward.push_back(after_forward);
    backward.push_back(after_backward - after_forward);
    update.push_back(end - after_backward);
    whole.push_back(waited + end);
    times.batch = batch.size();
  }
  times.precision = precision_name(precision);
  times.data = middle(data);
  times.forward = middle(forward);
  times.backward = middle(backward);
  times.optimiser = middle(update);
  times.whole = middle(whole);
  for (const StepClock::Stage& stage : clock.stages()) {
    const double steps = options.repeat;
    times.stages.push_back({stage.name, stage.forward / steps, stage.backward / steps, stage.forward_flops / steps,
                            stage.backward_flops / steps});
  }
  times.linear_flops = yardsticks.linear();
  times.convolution_flops = yardsticks.convolution();
  return times;
}

}  // namespace fastermask
