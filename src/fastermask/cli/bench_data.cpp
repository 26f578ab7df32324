// `fastermask bench data`: what bringing training pictures to the network costs, stage by stage.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/bench.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/cli/timing.h"
#include "fastermask/config/load.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/data/preprocess.h"
#include "fastermask/data/synth.h"
#include "fastermask/graph/network.h"
#include "fastermask/runtime/memory_use.h"

namespace fastermask::cli {
namespace {

struct BenchDataOptions {
  std::string config_file;
  std::string dataset;
  int pictures = 200;
  int threads = -1;  // DATALOADER.NUM_WORKERS
  bool json = false;
};

struct DataTimes {
  double open = 0;       // the annotations
  double read = 0;       // bytes of the files, all pictures
  double decode = 0;     // and upright
  double map = 0;        // augmenting, boxes, masks
  double normalise = 0;  // and padding
  double loaded = 0;     // `loaded_pictures` of them by the loader with its threads
  std::size_t loaded_pictures = 0;
  double file_megabytes = 0;
};

// The scenes that stand in for a data set, in a folder that is removed at the end.
class GeneratedScenes {
 public:
  explicit GeneratedScenes(int pictures)
      : folder_((std::filesystem::temp_directory_path() / fmt::format("fastermask-bench-{}", getpid())).string()) {
    SynthOptions synth;
    synth.scene.size = {480, 640};
    synth.train_images = pictures;
    synth.val_images = 1;
    name_ = write_synthetic_dataset(folder_, synth)[0] + ":" + join_path(folder_, "images/train");
  }
  ~GeneratedScenes() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  GeneratedScenes(const GeneratedScenes&) = delete;
  GeneratedScenes& operator=(const GeneratedScenes&) = delete;
  const std::string& name() const { return name_; }

 private:
  std::string folder_;
  std::string name_;
};

DataTimes time_loading(const std::vector<std::string>& names, const Config& config, const BenchDataOptions& options) {
  DataTimes times;
  std::shared_ptr<const Dataset> dataset;
  times.open = seconds_of([&] { dataset = load_datasets(names); });
  LoaderOptions loading = make_training_loader_options(config, build_network(config).size_divisibility, 1);
  const std::size_t pictures =
      std::min<std::size_t>(static_cast<std::size_t>(options.pictures), dataset->records.size());
  std::vector<float> network_input;
  for (std::size_t i = 0; i < pictures; ++i) {
    const ImageRecord& record = dataset->records[i * dataset->records.size() / pictures];
    std::string bytes;
    times.read += seconds_of([&] { bytes = read_file(record.file_name); });
    times.file_megabytes += static_cast<double>(bytes.size()) / 1e6;
    times.decode += seconds_of([&] { decode_image(bytes, record.file_name, loading.mapper.format); });
    Random random(1, RandomPurpose::test, i);
    TrainingSample sample;
    const double decode_again = seconds_of([&] { read_record_image(record, loading.mapper.format); });
    const double whole = seconds_of([&] { sample = map_for_training(*dataset, record, loading.mapper, random); });
    times.map += std::max(0.0, whole - decode_again);
    const ImageSize size = sample.image.size();
    const ImageSize padded = padded_size(Span<const ImageSize>(&size, 1), loading.size_divisibility);
    network_input.resize(static_cast<std::size_t>(padded.height) * static_cast<std::size_t>(padded.width) *
                         loading.pixel_mean.size());
    times.normalise += seconds_of(
        [&] { normalise_into(sample.image, loading.pixel_mean, loading.pixel_std, network_input.data(), padded); });
  }
  if (options.threads >= 0) loading.threads = options.threads;
  TrainingLoader loader(dataset, loading);
  loader.next();  // starts the threads
  times.loaded = seconds_of([&] {
    while (times.loaded_pictures < pictures) times.loaded_pictures += static_cast<std::size_t>(loader.next().size());
  });
  const auto each = static_cast<double>(pictures);
  for (double* stage : {&times.read, &times.decode, &times.map, &times.normalise}) *stage /= each;
  times.file_megabytes /= each;
  return times;
}

int run_bench_data(const CLI::App& command, const BenchDataOptions& options) {
  Config config = load_config(options.config_file, overrides_of(command));
  set_num_threads(1);  // of a stage's kernels; the loader's threads are beside them
  std::vector<std::string> names = config.datasets.train;
  if (!options.dataset.empty()) names = {options.dataset};
  std::unique_ptr<GeneratedScenes> scenes;
  if (names.empty()) {
    scenes = std::make_unique<GeneratedScenes>(options.pictures);
    names = {scenes->name()};
  }
  const DataTimes times = time_loading(names, config, options);
  const int threads = options.threads >= 0 ? options.threads : config.dataloader.num_workers;
  const double one_thread = 1 / (times.read + times.decode + times.map + times.normalise);
  const double rate = static_cast<double>(times.loaded_pictures) / times.loaded;
  if (options.json) {
    const nlohmann::json document = {{"open_seconds", times.open},
                                     {"read_seconds", times.read},
                                     {"decode_seconds", times.decode},
                                     {"map_seconds", times.map},
                                     {"normalise_seconds", times.normalise},
                                     {"file_megabytes", times.file_megabytes},
                                     {"pictures_per_second_one_thread", one_thread},
                                     {"loader_threads", threads},
                                     {"loader_pictures_per_second", rate},
                                     {"peak_resident_bytes", peak_resident_bytes()}};
    fmt::print("{}\n", document.dump(2));
    return 0;
  }
  fmt::print("{}; a picture of {:.2f} MB, one thread\n\n", scenes ? "generated scenes of 640x480" : join(names, ", "),
             times.file_megabytes);
  const auto line = [](const char* stage, double seconds) { fmt::print("{:<32}{:>10.3f}\n", stage, seconds * 1e3); };
  fmt::print("{:<32}{:>10}\n", "stage", "ms");
  line("opening the annotations, once", times.open);
  line("reading the file", times.read);
  line("decoding", times.decode);
  line("augmenting, boxes, masks", times.map);
  line("normalising, padding", times.normalise);
  fmt::print("\n{:.1f} pictures/s in one thread; {:.1f} by the loader with {} threads\n", one_thread, rate, threads);
  fmt::print("Peak memory {:.0f} MB\n", peak_resident_bytes() / 1e6);
  return 0;
}

}  // namespace

void add_bench_data_command(CLI::App& bench) {
  CLI::App* command = bench.add_subcommand("data", "Time reading and preparing training pictures");
  auto options = std::make_shared<BenchDataOptions>();
  command->add_option("--config-file", options->config_file, "YAML config, whose INPUT and DATALOADER keys count");
  command->add_option("--dataset", options->dataset,
                      "name, or ANNOTATIONS.json:IMAGES; otherwise DATASETS.TRAIN, otherwise generated scenes");
  command->add_option("--pictures", options->pictures, "pictures to take")->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "loader threads; otherwise DATALOADER.NUM_WORKERS")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "print one JSON document");
  command->footer("Example: fastermask bench data --dataset annotations/train.json:images/train --threads 2");
  accept_overrides(*command);
  command->callback([command, options] {
    const int status = run_bench_data(*command, *options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
