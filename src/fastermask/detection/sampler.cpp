#include "fastermask/detection/sampler.h"

#include <algorithm>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

std::vector<int> choose(const std::vector<int>& candidates, int count, Random& random, SamplingStrategy strategy) {
  const int available = static_cast<int>(candidates.size());
  const int taken = std::min(available, count);
  if (strategy == SamplingStrategy::first_k) return {candidates.begin(), candidates.begin() + taken};
  std::vector<int> chosen;
  chosen.reserve(static_cast<std::size_t>(taken));
  for (const std::int64_t i : random.sample(available, taken)) {
    chosen.push_back(candidates[static_cast<std::size_t>(i)]);
  }
  return chosen;
}

template <class Label>
SampledLabels sample_any_labels(Span<const Label> labels, int num_samples, double positive_fraction,
                                int background_label, Random& random, SamplingStrategy strategy) {
  FASTERMASK_CHECK(num_samples >= 0, "sample_labels: num_samples must not be negative, got {}", num_samples);
  FASTERMASK_CHECK(positive_fraction >= 0 && positive_fraction <= 1,
                   "sample_labels: positive_fraction must be in [0, 1], got {}", positive_fraction);
  std::vector<int> positives;
  std::vector<int> negatives;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const int label = labels[i];
    if (label == -1) continue;
    (label == background_label ? negatives : positives).push_back(static_cast<int>(i));
  }
  SampledLabels sampled;
  const int most_positives = static_cast<int>(num_samples * positive_fraction);
  sampled.positives = choose(positives, most_positives, random, strategy);
  sampled.negatives = choose(negatives, num_samples - static_cast<int>(sampled.positives.size()), random, strategy);
  return sampled;
}

}  // namespace

SampledLabels sample_labels(Span<const std::int8_t> labels, int num_samples, double positive_fraction,
                            int background_label, Random& random, SamplingStrategy strategy) {
  return sample_any_labels(labels, num_samples, positive_fraction, background_label, random, strategy);
}

SampledLabels sample_labels(Span<const int> labels, int num_samples, double positive_fraction, int background_label,
                            Random& random, SamplingStrategy strategy) {
  return sample_any_labels(labels, num_samples, positive_fraction, background_label, random, strategy);
}

}  // namespace fastermask
