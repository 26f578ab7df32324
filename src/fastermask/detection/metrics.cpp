#include "fastermask/detection/metrics.h"

#include <algorithm>
#include <cstddef>

#include "fastermask/base/error.h"

namespace fastermask {

ClassificationMetrics classification_metrics(Span<const float> class_logits, Span<const int> gt_classes,
                                             int num_classes) {
  const std::size_t columns = static_cast<std::size_t>(num_classes) + 1;
  FASTERMASK_CHECK(num_classes >= 1 && class_logits.size() == gt_classes.size() * columns,
                   "classification_metrics: logits must be [{}, {}], got {} values", gt_classes.size(), columns,
                   class_logits.size());
  int right = 0;
  int foreground_right = 0;
  int missed = 0;
  ClassificationMetrics metrics;
  metrics.num_instances = static_cast<int>(gt_classes.size());
  for (std::size_t i = 0; i < gt_classes.size(); ++i) {
    const float* row = class_logits.data() + i * columns;
    const int predicted = static_cast<int>(std::max_element(row, row + columns) - row);
    right += predicted == gt_classes[i] ? 1 : 0;
    if (gt_classes[i] < 0 || gt_classes[i] >= num_classes) continue;
    ++metrics.num_foreground;
    foreground_right += predicted == gt_classes[i] ? 1 : 0;
    missed += predicted == num_classes ? 1 : 0;
  }
  if (metrics.num_instances > 0) metrics.cls_accuracy = static_cast<double>(right) / metrics.num_instances;
  if (metrics.num_foreground > 0) {
    metrics.fg_cls_accuracy = static_cast<double>(foreground_right) / metrics.num_foreground;
    metrics.false_negative = static_cast<double>(missed) / metrics.num_foreground;
  }
  return metrics;
}

MaskMetrics mask_metrics(Span<const float> logits, Span<const std::uint8_t> targets) {
  FASTERMASK_CHECK(logits.size() == targets.size(), "mask_metrics: there must be one target a logit, got {} and {}",
                   targets.size(), logits.size());
  std::int64_t positives = 0;
  std::int64_t wrongly_set = 0;
  std::int64_t wrongly_clear = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool predicted = logits[i] > 0;
    const bool target = targets[i] != 0;
    positives += target ? 1 : 0;
    wrongly_set += predicted && !target ? 1 : 0;
    wrongly_clear += !predicted && target ? 1 : 0;
  }
  const std::int64_t total = static_cast<std::int64_t>(logits.size());
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1));
  };
  return {1.0 - share(wrongly_set + wrongly_clear, total), share(wrongly_set, total - positives),
          share(wrongly_clear, positives)};
}

}  // namespace fastermask
