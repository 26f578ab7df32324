#include "fastermask/runtime/calibration.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/runtime/compiled_weights.h"

namespace fastermask {
namespace {

constexpr std::size_t kBins = 4096;
constexpr double kTail = 1e-4;                    // left out at each end by `percentile`
constexpr std::int64_t kPixelsCounted = 1 << 11;  // of a map, in its histogram and means

std::size_t layer_index(int index) { return static_cast<std::size_t>(index); }

// D(P || Q) of the bins [begin, end), what lies outside added to the ends, when they are merged into 128 levels.
double divergence(const std::vector<std::int64_t>& bins, std::size_t begin, std::size_t end) {
  std::vector<double> p(bins.begin() + static_cast<std::ptrdiff_t>(begin),
                        bins.begin() + static_cast<std::ptrdiff_t>(end));
  const std::vector<double> inside = p;
  for (std::size_t i = 0; i < begin; ++i) p.front() += static_cast<double>(bins[i]);
  for (std::size_t i = end; i < bins.size(); ++i) p.back() += static_cast<double>(bins[i]);
  const std::size_t levels = static_cast<std::size_t>(kIntegerActivationMax) + 1;
  std::vector<double> q(p.size(), 0.0);
  double q_total = 0, p_total = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::size_t first = p.size() * level / levels, last = p.size() * (level + 1) / levels;
    double total = 0, filled = 0;
    for (std::size_t i = first; i < last; ++i) {
      total += inside[i];
      filled += p[i] > 0 ? 1 : 0;
    }
    for (std::size_t i = first; i < last; ++i) q[i] = p[i] > 0 ? total / filled : 0;
  }
  for (std::size_t i = 0; i < p.size(); ++i) {
    p_total += p[i];
    q_total += q[i];
  }
  if (!(p_total > 0) || !(q_total > 0)) return HUGE_VAL;
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0) sum += p[i] / p_total * std::log(p[i] / p_total / std::max(q[i] / q_total, 1e-12));
  }
  return sum;
}

}  // namespace

RangeMethod parse_range_method(const std::string& word) {
  if (word == "min-max") return RangeMethod::min_max;
  if (word == "percentile") return RangeMethod::percentile;
  if (word == "entropy") return RangeMethod::entropy;
  fail("calibration: the method '{}' is none of min-max, percentile, entropy", word);
}

ValueHistogram::ValueHistogram() : bins_(kBins, 0), limit_(1.0 / 1024) {}

void ValueHistogram::add(const float* values, std::int64_t count, std::int64_t step) {
  const auto half = static_cast<double>(kBins / 2);
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = values[i * step];
    if (!std::isfinite(value)) continue;
    while (std::fabs(value) >= limit_) {
      std::vector<std::int64_t> wider(kBins, 0);
      for (std::size_t b = 0; b < kBins; ++b) wider[kBins / 4 + b / 2] += bins_[b];
      bins_ = std::move(wider);
      limit_ *= 2;
    }
    const double place = std::floor(value / limit_ * half + half);
    ++bins_[static_cast<std::size_t>(std::clamp(place, 0.0, 2 * half - 1))];
    ++count_;
    low_ = std::min(low_, static_cast<float>(value));
    high_ = std::max(high_, static_cast<float>(value));
  }
}

void ValueHistogram::widen(float low, float high) {
  if (std::isfinite(low)) low_ = std::min(low_, low);
  if (std::isfinite(high)) high_ = std::max(high_, high);
}

double ValueHistogram::quantile(double share) const {
  const double wanted = share * static_cast<double>(count_);
  double seen = 0;
  for (std::size_t b = 0; b < kBins; ++b) {
    seen += static_cast<double>(bins_[b]);
    if (seen >= wanted) return limit_ * (2 * (static_cast<double>(b) + 0.5) / static_cast<double>(kBins) - 1);
  }
  return limit_;
}

// The distance from zero beyond which values are clipped.
double ValueHistogram::clipped_by_entropy() const {
  const auto bin_of = [&](double value) {
    const double place = (value / limit_ + 1) * static_cast<double>(kBins / 2);
    return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(kBins - 1)));
  };
  const double farthest = std::max(-static_cast<double>(low_), static_cast<double>(high_));
  double best = farthest, least = HUGE_VAL;
  for (double limit = farthest;; limit *= 0.97) {
    const std::size_t begin = bin_of(std::max<double>(low_, -limit));
    const std::size_t end = bin_of(std::min<double>(high_, limit)) + 1;
    if (end < begin + static_cast<std::size_t>(kIntegerActivationMax) + 1) break;  // fewer bins than levels
    const double found = divergence(bins_, begin, end);
    if (found < least) {
      least = found;
      best = limit;
    }
  }
  return best;
}

ActivationRange ValueHistogram::range(RangeMethod method) const {
  double low = low_, high = high_;
  if (method == RangeMethod::percentile && count_ > 0) {
    low = std::max(low, std::min(0.0, quantile(kTail)));
    high = std::min(high, std::max(0.0, quantile(1 - kTail)));
  } else if (method == RangeMethod::entropy && count_ > 0) {
    const double limit = clipped_by_entropy();
    low = std::max(low, -limit);
    high = std::min(high, limit);
  }
  ActivationRange range;
  if (!(high - low > 1e-12)) return range;  // nothing but zeros
  range.scale = static_cast<float>((high - low) / kIntegerActivationMax);
  range.zero = static_cast<int>(std::lround(-low / range.scale));
  return range;
}

Calibration::Calibration(const Network& network) : network_(network), layers_(integer_layers(network)) {
  for (const Graph* graph : network_.graphs()) {
    for (const FusedStep& step : fuse(*graph).steps) {
      if (layers_.count(graph->layers[layer_index(step.layer)].name) > 0) values_[graph->name][step.input];
    }
  }
}

void Calibration::observe(const Graph& graph, int value, const FeatureMapShape& shape, const float* data) {
  if (value == 0 && graph.name == network_.dense.name) pictures_ += shape.batch;
  const auto values = values_.find(graph.name);
  if (values == values_.end()) return;
  const auto found = values->second.find(value);
  if (found == values->second.end() || shape.size() == 0) return;
  Value& seen = found->second;
  float low = 0, high = 0;
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    low = std::min(low, data[i]);
    high = std::max(high, data[i]);
  }
  seen.histogram.widen(low, high);
  seen.all_pixels += shape.pixels();
  // Of large maps some pixels stand for all; an odd distance, so that no column is met again and again.
  const std::int64_t step = std::max<std::int64_t>(1, shape.pixels() / kPixelsCounted) | 1;
  seen.channel_sums.resize(static_cast<std::size_t>(shape.channels), 0.0);
  for (std::int64_t pixel = 0; pixel < shape.pixels(); pixel += step) {
    const float* const channels = data + pixel * shape.channels;
    seen.histogram.add(channels, shape.channels);
    for (std::size_t c = 0; c < seen.channel_sums.size(); ++c) seen.channel_sums[c] += channels[c];
    ++seen.pixels;
  }
}

Quantisation Calibration::quantisation(RangeMethod method, bool winograd) const {
  Quantisation result;
  result.layers = layers_;
  std::map<std::string, std::pair<std::vector<double>, double>> sums;  // [layer] of channels, and of pixels
  std::map<std::string, double> winograd_pixels;                       // [layer]
  for (const Graph* graph : network_.graphs()) {
    for (const FusedStep& step : fuse(*graph).steps) {
      const std::string& name = graph->layers[layer_index(step.layer)].name;
      if (layers_.count(name) == 0) continue;
      const Value& seen = values_.at(graph->name).at(step.input);
      if (seen.pixels == 0) {
        fail<DataError>(
            "calibration: no picture reached {} ({}); give pictures on which the model finds something", name,
            graph->name);
      }
      result.ranges[graph->name][step.input] = seen.histogram.range(method);
      auto& [channels, pixels] = sums[name];
      channels.resize(seen.channel_sums.size(), 0.0);
      for (std::size_t c = 0; c < channels.size(); ++c) channels[c] += seen.channel_sums[c];
      pixels += static_cast<double>(seen.pixels);
      if (winograd && graph == &network_.dense && PackedConvolution::winograd_fits(step_geometry(*graph, step)))
        winograd_pixels[name] += static_cast<double>(seen.all_pixels);
    }
  }
  for (const auto& [name, pixels] : winograd_pixels) {
    if (pixels >= kMapOfWinograd * static_cast<double>(std::max<std::int64_t>(pictures_, 1)))
      result.layers.erase(name);
  }
  for (const auto& [name, sum] : sums) {
    for (const double channel : sum.first) {
      const double mean = channel / sum.second;
      result.input_means[name].push_back(std::isfinite(mean) ? static_cast<float>(mean) : 0.0f);
    }
  }
  return result;
}

}  // namespace fastermask
