// A balanced choice of examples for a loss. detectron2 sampling.py subsample_labels.
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/base/span.h"

namespace fastermask {

// How examples are chosen among too many: uniformly at random, or simply the first in index order (without chance, for
// comparing with recorded numbers).
enum class SamplingStrategy { random, first_k };

struct SampledLabels {
  std::vector<int> positives;  // indices; by random order under `random`, rising under `first_k`
  std::vector<int> negatives;
};

// Takes up to int(num_samples * positive_fraction) positives, then negatives until there are num_samples.
//
//   labels            [A]; -1 is ignored, `background_label` is negative, everything else positive
//   random            drawn from twice at most: positives, then negatives; untouched under first_k
//
// Throws Error when num_samples < 0 or positive_fraction is outside [0, 1].
SampledLabels sample_labels(Span<const std::int8_t> labels, int num_samples, double positive_fraction,
                            int background_label, Random& random, SamplingStrategy strategy);
SampledLabels sample_labels(Span<const int> labels, int num_samples, double positive_fraction, int background_label,
                            Random& random, SamplingStrategy strategy);

}  // namespace fastermask
