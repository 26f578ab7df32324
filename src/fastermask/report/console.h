// The training log's line, as scripts grep it. detectron2 utils/events.py CommonMetricPrinter (July 2020).
#pragma once

#include <cstdint>
#include <string>

#include "fastermask/report/event_storage.h"

namespace fastermask {

// Seconds to go: the median of the last 1000 iteration times, times max_iteration - iteration; NaN without timing. As
// the reference has it, the iteration just done still counts as one to go.
double remaining_seconds(const EventStorage& storage, std::int64_t max_iteration);

// " eta: 0:01:02  iter: 19  total_loss: 1.234  loss_cls: 0.456  ...  time: 0.2345  data_time: 0.0123  lr: 0.000400":
// losses (every name with "loss" in it, in the order they first came) are medians of the last 20, `time` is the average
// of all iterations, `data_time` of the last 20, eta remaining_seconds(), left out without timing. Memory is not shown:
// that field is for CUDA.
std::string training_log_line(const EventStorage& storage, std::int64_t max_iteration);

}  // namespace fastermask
