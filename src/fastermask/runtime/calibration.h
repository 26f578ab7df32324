// Calibration for int8: a float32 network shows its values on example pictures, and from them follow the ranges that
// become 7 bits, and the means that biases need.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/kernels/feature_map.h"
#include "fastermask/runtime/quantisation.h"

namespace fastermask {

// How a range follows from the values seen.
enum class RangeMethod {
  min_max,     // all of them
  percentile,  // all but 0.01 % at each end
  entropy,     // where the clipped and rounded distribution is nearest to the real one (Kullback-Leibler divergence)
};

// "min-max", "percentile" or "entropy"; otherwise Error.
RangeMethod parse_range_method(const std::string& word);

// How often values fell where: bins of equal width around zero, which double their width when a larger value comes.
class ValueHistogram {
 public:
  ValueHistogram();

  // `count` values, `step` apart. Those that are not finite are left out.
  void add(const float* values, std::int64_t count, std::int64_t step = 1);
  // Values that only the extremes count.
  void widen(float low, float high);

  std::int64_t count() const { return count_; }
  // Always with zero in it.
  ActivationRange range(RangeMethod method) const;

 private:
  // The value below which a share of all lie.
  double quantile(double share) const;
  double clipped_by_entropy() const;

  std::vector<std::int64_t> bins_;  // over [-limit_, limit_]
  double limit_;
  std::int64_t count_ = 0;
  float low_ = 0, high_ = 0;
};

class Calibration {
 public:
  // `network` must outlive it.
  explicit Calibration(const Network& network);

  // One value of a graph, as a RunObserver sees them.
  void observe(const Graph& graph, int value, const FeatureMapShape& shape, const float* data);

  // All of integer_layers(), but with `winograd` those 3x3 convolutions that Winograd's way computes faster in floats
  // where integers have no units of their own (has_vnni()): those of the dense part on maps of kMapOfWinograd pixels
  // and more, where its large weights are read often enough. Throws DataError when a value that the layers read was
  // never seen: no picture had what that part of the network is for.
  Quantisation quantisation(RangeMethod method, bool winograd) const;

  static constexpr double kMapOfWinograd = 10000;

 private:
  struct Value {
    ValueHistogram histogram;
    std::vector<double> channel_sums;
    std::int64_t pixels = 0;  // of those in channel_sums
    std::int64_t all_pixels = 0;
  };

  const Network& network_;
  std::set<std::string> layers_;
  std::int64_t pictures_ = 0;
  std::map<std::string, std::map<int, Value>> values_;  // [graph][value] those that the layers read
};

}  // namespace fastermask
