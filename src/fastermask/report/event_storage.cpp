#include "fastermask/report/event_storage.h"

#include <algorithm>
#include <cmath>

namespace fastermask {
namespace {

constexpr std::size_t kKeptValues = 1000;  // enough for the remaining time's median

}  // namespace

void ScalarHistory::add(double value) {
  recent_.push_back(value);
  if (recent_.size() > kKeptValues) recent_.pop_front();
  sum_ += value;
  ++count_;
}

double ScalarHistory::median(std::size_t window) const {
  const std::size_t count = std::min(window, recent_.size());
  if (count == 0) return std::nan("");
  std::vector<double> values(recent_.end() - static_cast<std::ptrdiff_t>(count), recent_.end());
  // NaN has no place in an order: a window that holds one has no median, as in NumPy.
  if (std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); })) return std::nan("");
  std::sort(values.begin(), values.end());
  return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

double ScalarHistory::average(std::size_t window) const {
  const std::size_t count = std::min(window, recent_.size());
  if (count == 0) return std::nan("");
  double sum = 0;
  for (std::size_t i = recent_.size() - count; i < recent_.size(); ++i) sum += recent_[i];
  return sum / static_cast<double>(count);
}

double ScalarHistory::global_average() const { return count_ == 0 ? std::nan("") : sum_ / static_cast<double>(count_); }

std::vector<double> ScalarHistory::last(std::size_t window) const {
  const std::size_t count = std::min(window, recent_.size());
  return {recent_.end() - static_cast<std::ptrdiff_t>(count), recent_.end()};
}

EventSnapshot EventStorage::snapshot(std::size_t window) const {
  EventSnapshot snapshot;
  for (const std::string& name : order_) {
    snapshot.series.push_back({name, smoothed_.at(name), histories_.at(name).last(window)});
  }
  return snapshot;
}

void EventStorage::restore(const EventSnapshot& snapshot) {
  begin_iteration(-1);
  for (const EventSnapshot::Series& series : snapshot.series) {
    for (const double value : series.values) put(series.name, value, series.smoothed);
  }
}

void EventStorage::begin_iteration(std::int64_t iteration) { iteration_ = iteration; }

void EventStorage::put(const std::string& name, double value, bool smoothed) {
  if (histories_.count(name) == 0) order_.push_back(name);
  histories_[name].add(value);
  smoothed_[name] = smoothed;
  last_put_[name] = iteration_;
}

const ScalarHistory* EventStorage::history(const std::string& name) const {
  const auto it = histories_.find(name);
  return it == histories_.end() ? nullptr : &it->second;
}

std::map<std::string, double> EventStorage::latest_smoothed(std::size_t window) const {
  std::map<std::string, double> values;
  for (const auto& [name, history] : histories_) {
    if (last_put_.at(name) != iteration_) continue;
    values[name] = smoothed_.at(name) ? history.median(window) : history.latest();
  }
  return values;
}

}  // namespace fastermask
