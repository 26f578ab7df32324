// The numbers of a training run over its iterations: the last ones of each, their medians and averages.
// detectron2 utils/events.py EventStorage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace fastermask {

// One scalar over time: its latest values and the sum of all.
class ScalarHistory {
 public:
  void add(double value);
  double latest() const { return recent_.back(); }
  // Of the last `window` values (up to 1000); NaN when there are none.
  double median(std::size_t window) const;
  double average(std::size_t window) const;
  double global_average() const;
  // The last `window` values, oldest first.
  std::vector<double> last(std::size_t window) const;

 private:
  std::deque<double> recent_;
  double sum_ = 0;
  std::int64_t count_ = 0;
};

// The end of every history, so that a training that goes on elsewhere reports the same medians.
struct EventSnapshot {
  struct Series {
    std::string name;
    bool smoothed = true;
    std::vector<double> values;  // oldest first
  };
  std::vector<Series> series;  // in the order their names first came
};

class EventStorage {
 public:
  // The last `window` values of everything, and putting them in front of what is still to come (nothing was put yet).
  EventSnapshot snapshot(std::size_t window = 20) const;
  void restore(const EventSnapshot& snapshot);

  // Starts a new iteration: values put from now on are its own.
  void begin_iteration(std::int64_t iteration);
  std::int64_t iteration() const { return iteration_; }

  // Records a value. `smoothed` values are reported as the median of the last 20, others as they are.
  void put(const std::string& name, double value, bool smoothed = true);

  // nullptr when nothing of that name was put yet.
  const ScalarHistory* history(const std::string& name) const;

  // Names in the order they first came.
  const std::vector<std::string>& names() const { return order_; }

  // What was put in this iteration, smoothed where it is to be: what metrics.json and TensorBoard get.
  std::map<std::string, double> latest_smoothed(std::size_t window = 20) const;

 private:
  std::int64_t iteration_ = 0;
  std::map<std::string, ScalarHistory> histories_;
  std::map<std::string, bool> smoothed_;
  std::map<std::string, std::int64_t> last_put_;  // name -> iteration
  std::vector<std::string> order_;
};

}  // namespace fastermask
