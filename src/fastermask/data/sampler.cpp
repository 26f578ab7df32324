#include "fastermask/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/data/dataset.h"

namespace fastermask {

TrainingSampler::TrainingSampler(std::int64_t size, std::uint64_t seed, bool shuffle)
    : size_(size), seed_(seed), shuffle_(shuffle) {
  FASTERMASK_CHECK(size >= 1, "sampler: the data set must hold at least one image, got {}", size);
}

TrainingSampler::TrainingSampler(std::vector<double> repeats, std::uint64_t seed, bool shuffle)
    : TrainingSampler(static_cast<std::int64_t>(repeats.size()), seed, shuffle) {
  for (const double repeat : repeats) {
    FASTERMASK_CHECK(repeat >= 1, "sampler: repeat factors must be at least 1, got {}", repeat);
  }
  repeats_ = std::move(repeats);
}

TrainingSampler::Epoch TrainingSampler::make_epoch(std::int64_t number, std::int64_t begin) const {
  Random random(seed_, RandomPurpose::shuffle, static_cast<std::uint64_t>(number));
  Epoch epoch;
  epoch.number = number;
  epoch.begin = begin;
  if (repeats_.empty() && shuffle_) {
    epoch.order = random.permutation(size_);
    return epoch;
  }
  std::vector<std::int64_t> images;
  for (std::int64_t i = 0; i < size_; ++i) {
    double times = 1;
    if (!repeats_.empty()) {
      const double repeat = repeats_[static_cast<std::size_t>(i)];
      times = std::floor(repeat) + (random.uniform() < repeat - std::floor(repeat) ? 1 : 0);
    }
    images.insert(images.end(), static_cast<std::size_t>(times), i);
  }
  if (!shuffle_) {
    epoch.order = std::move(images);
    return epoch;
  }
  for (const std::int64_t place : random.permutation(static_cast<std::int64_t>(images.size()))) {
    epoch.order.push_back(images[static_cast<std::size_t>(place)]);
  }
  return epoch;
}

std::int64_t TrainingSampler::index_at(std::int64_t position) const {
  FASTERMASK_CHECK(position >= 0, "sampler: position must not be negative, got {}", position);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (repeats_.empty()) {
    const std::int64_t epoch = position / size_;
    if (!shuffle_) return position % size_;
    if (current_.number != epoch) current_ = make_epoch(epoch, epoch * size_);
  } else {
    // Epochs differ in length, so their beginnings are found by going through them.
    if (current_.number < 0 || position < current_.begin) current_ = make_epoch(0, 0);
    while (position >= current_.begin + static_cast<std::int64_t>(current_.order.size())) {
      current_ = make_epoch(current_.number + 1, current_.begin + static_cast<std::int64_t>(current_.order.size()));
    }
  }
  return current_.order[static_cast<std::size_t>(position - current_.begin)];
}

namespace {

std::vector<std::int64_t> random_subset(std::int64_t size, double ratio, std::uint64_t seed) {
  FASTERMASK_CHECK(size >= 1, "sampler: the data set must hold at least one image, got {}", size);
  FASTERMASK_CHECK(ratio >= 0 && ratio <= 1, "sampler: the share of images must be in [0, 1], got {}", ratio);
  const auto count = static_cast<std::int64_t>(static_cast<double>(size) * ratio);
  return Random(seed, RandomPurpose::subset).sample(size, std::max<std::int64_t>(count, 1));
}

}  // namespace

RandomSubsetSampler::RandomSubsetSampler(std::int64_t size, double ratio, std::uint64_t seed, bool shuffle)
    : subset_(random_subset(size, ratio, seed)), order_(static_cast<std::int64_t>(subset_.size()), seed, shuffle) {}

std::int64_t RandomSubsetSampler::index_at(std::int64_t position) const {
  return subset_[static_cast<std::size_t>(order_.index_at(position))];
}

ClassAwareSampler::ClassAwareSampler(const Dataset& dataset, std::uint64_t seed) : seed_(seed) {
  images_of_.resize(dataset.class_names.size());
  for (std::size_t i = 0; i < dataset.records.size(); ++i) {
    const ImageRecord& record = dataset.records[i];
    for (std::uint32_t a = 0; a < record.annotation_count; ++a) {
      const AnnotationRow& row = dataset.table.row(record.first_annotation + a);
      if (row.crowd) continue;
      std::vector<std::int64_t>& images = images_of_[static_cast<std::size_t>(row.category)];
      if (images.empty() || images.back() != static_cast<std::int64_t>(i)) {
        images.push_back(static_cast<std::int64_t>(i));
      }
    }
  }
  images_of_.erase(
      std::remove_if(images_of_.begin(), images_of_.end(), [](const auto& images) { return images.empty(); }),
      images_of_.end());
  if (images_of_.empty()) {
    fail<DataError>("dataset: {}: DATALOADER.SAMPLER_TRAIN ClassAwareSampler needs instances, but there are none",
                    dataset.name);
  }
}

std::int64_t ClassAwareSampler::index_at(std::int64_t position) const {
  FASTERMASK_CHECK(position >= 0, "sampler: position must not be negative, got {}", position);
  Random random(seed_, RandomPurpose::shuffle, static_cast<std::uint64_t>(position));
  const auto pick = [&random](std::size_t count) {
    return static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(count)));
  };
  const std::vector<std::int64_t>& images = images_of_[pick(images_of_.size())];
  return images[pick(images.size())];
}

std::vector<double> repeat_factors(const Dataset& dataset, double threshold, bool square_root) {
  std::vector<std::set<int>> classes;  // [image]
  std::vector<double> images_with(dataset.class_names.size());
  for (const ImageRecord& record : dataset.records) {
    std::set<int> present;
    for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
      present.insert(dataset.table.row(record.first_annotation + i).category);
    }
    for (const int category : present) images_with[static_cast<std::size_t>(category)] += 1;
    classes.push_back(std::move(present));
  }
  const double count = static_cast<double>(dataset.records.size());
  std::vector<double> repeats;
  for (const std::set<int>& present : classes) {
    double repeat = 1;
    for (const int category : present) {
      const double ratio = threshold / (images_with[static_cast<std::size_t>(category)] / count);
      repeat = std::max(repeat, square_root ? std::sqrt(ratio) : ratio);
    }
    repeats.push_back(repeat);
  }
  return repeats;
}

std::pair<std::int64_t, std::int64_t> inference_shard(std::int64_t size, int rank, int world_size) {
  FASTERMASK_CHECK(world_size >= 1 && rank >= 0 && rank < world_size, "sampler: rank {} of {} processes", rank,
                   world_size);
  const std::int64_t share = (size + world_size - 1) / world_size;
  const std::int64_t begin = std::min(size, share * rank);
  return {begin, std::min(size, begin + share)};
}

}  // namespace fastermask
