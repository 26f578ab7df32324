#include "fastermask/data/dataset_stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "fastermask/kernels/resize.h"

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

// IoU of a box with the best of the default anchors when both have the same centre.
double best_anchor_fit(double width, double height) {
  double best = 0;
  for (const double side : {32.0, 64.0, 128.0, 256.0, 512.0}) {
    for (const double ratio : {0.5, 1.0, 2.0}) {
      const double anchor_width = std::sqrt(side * side / ratio);
      const double anchor_height = anchor_width * ratio;
      const double both = std::min(width, anchor_width) * std::min(height, anchor_height);
      best = std::max(best, both / (width * height + side * side - both));
    }
  }
  return best;
}

// Collects the values of a data set, image by image.
struct StatsCollector {
  DatasetStats stats;
  std::vector<double> widths, heights, counts, sides, aspects, fits;
  std::vector<std::vector<double>> class_sides;  // [C]

  void add_instance(const ImageRecord& record, const AnnotationRow& row) {
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
    const ImageSize resized = resize_shortest_edge_size(record.size(), 800, 1333);
    fits.push_back(best_anchor_fit(width * resized.width / record.width, height * resized.height / record.height));
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
      add_instance(record, row);
    }
    for (const int category : present) ++stats.classes[static_cast<std::size_t>(category)].images;
    stats.empty_images += instances == 0;
    counts.push_back(instances);
  }

  double share_of_fits(double iou) const {
    if (fits.empty()) return 0;
    const auto good = std::count_if(fits.begin(), fits.end(), [iou](double fit) { return fit >= iou; });
    return static_cast<double>(good) / static_cast<double>(fits.size());
  }
};

}  // namespace

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
  stats.image_width = distribution_of(std::move(collector.widths));
  stats.image_height = distribution_of(std::move(collector.heights));
  stats.instances_per_image = distribution_of(std::move(collector.counts));
  stats.object_side = distribution_of(std::move(collector.sides));
  stats.object_aspect = distribution_of(std::move(collector.aspects));
  for (std::size_t c = 0; c < stats.classes.size(); ++c) {
    stats.classes[c].object_side = distribution_of(std::move(collector.class_sides[c]));
  }
  stats.anchor_fit_50 = collector.share_of_fits(0.5);
  stats.anchor_fit_70 = collector.share_of_fits(0.7);
  return std::move(collector.stats);
}

}  // namespace fastermask
