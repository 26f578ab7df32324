// Loader threads: decode, augment, normalise and pad straight into the batch, ahead of the consumer.
//
// What is in a batch depends only on (data set, options, iteration): not on the number of threads, on timing, or on
// restarts. The plan of a batch (which images) follows from the sampler and, with aspect grouping, from the sizes in
// the JSON; a loader that starts at iteration k replays the plan from 0 without touching a picture (about 10 ns an
// image). Random choices for a sample are keyed by (seed, its position in the stream, image id).
//   N images a batch   H, W padded height and width
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/dataset.h"
#include "fastermask/data/mapper.h"

namespace fastermask {

struct Batch {
  std::int64_t iteration = 0;              // inference: number of the batch
  UninitialisedVector<float> images;       // [N, H, W, 3] normalised, zero-padded
  int height = 0;                          // H
  int width = 0;                           // W
  std::vector<ImageSize> image_sizes;      // [N] of the network's input, unpadded
  std::vector<GroundTruth> ground_truths;  // [N]; empty for inference
  std::vector<std::int64_t> image_ids;     // [N]
  std::vector<std::string> file_names;     // [N]
  std::vector<ImageSize> original_sizes;   // [N]
  std::vector<bool> flipped;               // [N]

  int size() const { return static_cast<int>(image_sizes.size()); }
};

struct LoaderOptions {
  int batch_size = 1;  // images a batch of this process
  int threads = 1;     // 0: load in next()
  int prefetch = 2;    // batches kept ready beyond those being made
  std::uint64_t seed = 0;
  bool shuffle = true;          // off: file order
  bool aspect_grouping = true;  // batches of only wide (w > h) or only other images
  int rank = 0;                 // of world_size processes: takes images rank, rank + world_size, ... of each batch
  int world_size = 1;
  int size_divisibility = 32;
  ImageSize fixed_size;  // not 0: pad every batch to this size (INPUT.FIX_SHAPE); larger images are an error
  std::vector<float> pixel_mean = {103.53f, 116.28f, 123.675f};
  std::vector<float> pixel_std = {1, 1, 1};
  double repeat_threshold = 0;  // > 0: RepeatFactorTrainingSampler
  bool repeat_sqrt = true;
  bool class_aware = false;    // ClassAwareSampler
  double subset_ratio = 1;     // < 1: RandomSubsetSampler
  double max_bad_share = 0.1;  // training stops when more than this share of the data set proved unreadable
  MapperOptions mapper;
};

// Options for training (augmentations on) and for inference (MIN_SIZE_TEST, no flip, batch 1) from the config.
// `size_divisibility` is the backbone's. SOLVER.IMS_PER_BATCH must be a multiple of world_size: ConfigError.
LoaderOptions make_training_loader_options(const Config& config, int size_divisibility, std::uint64_t seed,
                                           int rank = 0, int world_size = 1);
LoaderOptions make_inference_loader_options(const Config& config, int size_divisibility);

// An endless stream of training batches. Not thread-safe: one consumer.
class TrainingLoader {
 public:
  TrainingLoader(std::shared_ptr<const Dataset> dataset, LoaderOptions options, std::int64_t first_iteration = 0);
  ~TrainingLoader();
  TrainingLoader(const TrainingLoader&) = delete;
  TrainingLoader& operator=(const TrainingLoader&) = delete;

  // The next batch, in iteration order. A picture that cannot be used is logged with its reason, remembered, and
  // replaced by another of the same kind (wide or not), chosen by a function of its place. Throws DataError, naming the
  // files, when more than max_bad_share of the images are bad.
  Batch next();

  // Seconds next() waited for loader threads, in total.
  double wait_seconds() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// The images of a data set once, in order, resized and normalised, without ground truth; throws on a bad picture.
class InferenceLoader {
 public:
  // Reads images [begin, end) (end -1: to the last).
  InferenceLoader(std::shared_ptr<const Dataset> dataset, LoaderOptions options, std::int64_t begin = 0,
                  std::int64_t end = -1);
  ~InferenceLoader();
  InferenceLoader(const InferenceLoader&) = delete;
  InferenceLoader& operator=(const InferenceLoader&) = delete;

  // Fills `batch` with the next images; false, leaving it alone, when there are none. The last batch may be smaller.
  bool next(Batch& batch);

  std::int64_t image_count() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace fastermask
