#include "fastermask/data/dataset_stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace fastermask {
namespace {

constexpr double kSmallArea = 32 * 32;
constexpr double kMediumArea = 96 * 96;

// The value below which `share` of the sorted values lie, between neighbours by straight line.
double sorted_quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const std::size_t low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Distribution distribution_of(std::vector<double> values) {
  Distribution out;
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  out.count = static_cast<std::int64_t>(values.size());
  out.smallest = values.front();
  out.lower_quartile = sorted_quantile(values, 0.25);
  out.median = sorted_quantile(values, 0.5);
  out.upper_quartile = sorted_quantile(values, 0.75);
  out.largest = values.back();
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return out;
}

// Counts values by edges that rise.
Histogram histogram_of(const std::vector<double>& values, std::vector<double> edges) {
  Histogram histogram;
  histogram.counts.assign(edges.size() - 1, 0);
  for (const double value : values) {
    const auto above = std::upper_bound(edges.begin(), edges.end(), value);
    const std::ptrdiff_t bin = std::clamp<std::ptrdiff_t>(above - edges.begin() - 1, 0,
                                                          static_cast<std::ptrdiff_t>(histogram.counts.size()) - 1);
    ++histogram.counts[static_cast<std::size_t>(bin)];
  }
  histogram.edges = std::move(edges);
  return histogram;
}

// Images by their number of instances.
Histogram instances_histogram(const std::vector<double>& counts) {
  std::vector<double> edges = {0, 1, 2, 3, 4, 5};
  const double most = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
  while (edges.back() <= most) edges.push_back((edges.back() - 1) * 2 + 1);
  return histogram_of(counts, std::move(edges));
}

// Collects the values of a data set, image by image.
struct StatsCollector {
  DatasetStats stats;
  std::vector<double> widths, heights, counts, sides, aspects;
  std::vector<std::vector<double>> class_sides;  // [C]

  void add_instance(const AnnotationRow& row) {
    const double width = row.xywh[2];
    const double height = row.xywh[3];
    ++stats.instances;
    ++stats.classes[static_cast<std::size_t>(row.category)].instances;
    ++(row.area < kSmallArea    ? stats.small_objects
       : row.area < kMediumArea ? stats.medium_objects
                                : stats.large_objects);
    if (!(width > 0 && height > 0)) return;
    sides.push_back(std::sqrt(width * height));
    class_sides[static_cast<std::size_t>(row.category)].push_back(sides.back());
    aspects.push_back(height / width);
  }

  void add_image(const Dataset& dataset, const ImageRecord& record) {
    ++stats.images;
    stats.wide_images += record.width > record.height;
    widths.push_back(record.width);
    heights.push_back(record.height);
    int instances = 0;
    std::set<int> present;
    for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
      const AnnotationRow& row = dataset.table.row(record.first_annotation + i);
      if (row.crowd) {
        ++stats.crowds;
        continue;
      }
      stats.with_polygons += row.kind == SegmentationKind::polygons;
      stats.with_rle += row.kind == SegmentationKind::rle;
      stats.with_keypoints += dataset.table.visible_keypoints(row) > 0;
      ++instances;
      present.insert(row.category);
      add_instance(row);
    }
    for (const int category : present) ++stats.classes[static_cast<std::size_t>(category)].images;
    stats.empty_images += instances == 0;
    counts.push_back(instances);
  }
};

}  // namespace

Histogram octave_histogram(const std::vector<double>& values, int low, int high, int steps) {
  std::vector<double> edges;
  for (int step = low * steps; step <= high * steps; ++step) edges.push_back(std::exp2(1.0 * step / steps));
  return histogram_of(values, std::move(edges));
}

DatasetStats compute_dataset_stats(const Dataset& dataset) {
  StatsCollector collector;
  for (std::size_t c = 0; c < dataset.class_names.size(); ++c) {
    ClassStats of_class;
    of_class.name = dataset.class_names[c];
    of_class.category_id = dataset.category_ids[c];
    collector.stats.classes.push_back(std::move(of_class));
  }
  collector.class_sides.resize(dataset.class_names.size());
  for (const ImageRecord& record : dataset.records) collector.add_image(dataset, record);
  DatasetStats& stats = collector.stats;
  stats.object_sides = octave_histogram(collector.sides, 0, 11, 2);
  stats.object_aspects = octave_histogram(collector.aspects, -4, 4, 2);
  stats.instances_images = instances_histogram(collector.counts);
  stats.image_width = distribution_of(std::move(collector.widths));
  stats.image_height = distribution_of(std::move(collector.heights));
  stats.instances_per_image = distribution_of(std::move(collector.counts));
  stats.object_side = distribution_of(std::move(collector.sides));
  stats.object_aspect = distribution_of(std::move(collector.aspects));
  for (std::size_t c = 0; c < stats.classes.size(); ++c) {
    stats.classes[c].object_side = distribution_of(std::move(collector.class_sides[c]));
  }
  return std::move(collector.stats);
}

}  // namespace fastermask
