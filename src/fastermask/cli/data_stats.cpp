// `fastermask data stats`.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <optional>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/anchor_statistics.h"
#include "fastermask/cli/data.h"
#include "fastermask/cli/data_stats_page.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/dataset_stats.h"

namespace fastermask::cli {
namespace {

using Json = nlohmann::ordered_json;

struct StatsArguments {
  std::string dataset;
  std::string config_file;
  std::string html;
  bool json = false;
};

Json distribution_json(const Distribution& values) {
  return {{"min", values.smallest},  {"lower_quartile", values.lower_quartile},
          {"median", values.median}, {"upper_quartile", values.upper_quartile},
          {"max", values.largest},   {"mean", values.mean}};
}

Json histogram_json(const Histogram& histogram) { return {{"edges", histogram.edges}, {"counts", histogram.counts}}; }

Json anchors_json(const AnchorStatistics& anchors) {
  Json out = {{"anchors", anchors.anchors}, {"thresholds", anchors.thresholds}, {"positive", anchors.positive}};
  for (const AnchorStatistics::Group& group : anchors.groups) {
    out[group.name] = {{"boxes", group.boxes}, {"mean_best_iou", group.mean_best_iou}, {"shares", group.shares}};
  }
  return out;
}

Json stats_json(const Dataset& dataset, const DatasetStats& stats, const std::optional<AnchorStatistics>& anchors) {
  Json out;
  out["name"] = dataset.name;
  out["images"] = stats.images;
  out["empty_images"] = stats.empty_images;
  out["wide_images"] = stats.wide_images;
  out["instances"] = stats.instances;
  out["crowds"] = stats.crowds;
  out["with_polygons"] = stats.with_polygons;
  out["with_rle"] = stats.with_rle;
  out["with_keypoints"] = stats.with_keypoints;
  out["object_sizes"] = {
      {"small", stats.small_objects}, {"medium", stats.medium_objects}, {"large", stats.large_objects}};
  out["image_width"] = distribution_json(stats.image_width);
  out["image_height"] = distribution_json(stats.image_height);
  out["instances_per_image"] = distribution_json(stats.instances_per_image);
  out["object_side"] = distribution_json(stats.object_side);
  out["object_aspect"] = distribution_json(stats.object_aspect);
  out["object_side_histogram"] = histogram_json(stats.object_sides);
  out["object_aspect_histogram"] = histogram_json(stats.object_aspects);
  out["instances_per_image_histogram"] = histogram_json(stats.instances_images);
  if (anchors) out["anchor_coverage"] = anchors_json(*anchors);
  out["classes"] = Json::array();
  for (std::size_t c = 0; c < stats.classes.size(); ++c) {
    const ClassStats& of_class = stats.classes[c];
    Json row = {{"name", of_class.name},
                {"category_id", of_class.category_id},
                {"instances", of_class.instances},
                {"images", of_class.images},
                {"object_side", distribution_json(of_class.object_side)}};
    if (anchors && anchors->class_shares[c] >= 0) row["anchor_coverage"] = anchors->class_shares[c];
    out["classes"].push_back(std::move(row));
  }
  return out;
}

void print_distribution(const char* title, const Distribution& values, int decimals) {
  fmt::print("{:<24}{:>9.{p}f} {:>9.{p}f} {:>9.{p}f} {:>9.{p}f} {:>9.{p}f} {:>9.{p}f}\n", title, values.smallest,
             values.lower_quartile, values.median, values.upper_quartile, values.largest, values.mean,
             fmt::arg("p", decimals));
}

void print_stats(const Dataset& dataset, const DatasetStats& stats) {
  const double instances = static_cast<double>(std::max<std::int64_t>(stats.instances, 1));
  fmt::print("{}\n\n", dataset.name);
  fmt::print("images      {} ({} wider than high, {} without objects)\n", stats.images, stats.wide_images,
             stats.empty_images);
  fmt::print("instances   {} of {} classes, and {} crowd regions\n", stats.instances, dataset.num_classes(),
             stats.crowds);
  fmt::print("masks       {} as polygons, {} as RLE, {} none\n", stats.with_polygons, stats.with_rle,
             stats.instances - stats.with_polygons - stats.with_rle);
  if (stats.with_keypoints > 0) fmt::print("keypoints   {} instances with visible ones\n", stats.with_keypoints);
  fmt::print("sizes       {:.1f} % small (area under 32x32), {:.1f} % medium, {:.1f} % large (from 96x96)\n",
             100 * static_cast<double>(stats.small_objects) / instances,
             100 * static_cast<double>(stats.medium_objects) / instances,
             100 * static_cast<double>(stats.large_objects) / instances);
  fmt::print("\n");
  fmt::print("{:<24}{:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "min", "25 %", "median", "75 %", "max", "mean");
  print_distribution("image width", stats.image_width, 0);
  print_distribution("image height", stats.image_height, 0);
  print_distribution("instances an image", stats.instances_per_image, 1);
  print_distribution("object side, px", stats.object_side, 1);
  print_distribution("object height / width", stats.object_aspect, 2);
}

// A line a size; a column for every second threshold.
void print_anchors(const AnchorStatistics& anchors) {
  fmt::print("\nanchors of {}\nshare of boxes whose best anchor has an IoU of at least\n{:<12}{:>9}", anchors.anchors,
             "", "boxes");
  for (std::size_t t = 0; t < anchors.thresholds.size(); t += 2) fmt::print(" {:>7.1f}", anchors.thresholds[t]);
  fmt::print("   mean IoU\n");
  for (const AnchorStatistics::Group& group : anchors.groups) {
    fmt::print("{:<12}{:>9}", group.name, group.boxes);
    for (std::size_t t = 0; t < group.shares.size(); t += 2) fmt::print(" {:>5.1f} %", 100 * group.shares[t]);
    fmt::print("   {:>8.3f}\n", group.mean_best_iou);
  }
}

// The config asked for, or detectron2's usual FPN.
Config stats_config(const CLI::App& command, const StatsArguments& arguments) {
  std::vector<std::string> pairs;
  if (arguments.config_file.empty()) {
    pairs = {"MODEL.BACKBONE.NAME",          "build_resnet_fpn_backbone",
             "MODEL.RESNETS.OUT_FEATURES",   "['res2', 'res3', 'res4', 'res5']",
             "MODEL.FPN.IN_FEATURES",        "['res2', 'res3', 'res4', 'res5']",
             "MODEL.ANCHOR_GENERATOR.SIZES", "[[32], [64], [128], [256], [512]]",
             "MODEL.RPN.IN_FEATURES",        "['p2', 'p3', 'p4', 'p5', 'p6']",
             "MODEL.ROI_HEADS.NAME",         "StandardROIHeads",
             "MODEL.ROI_HEADS.IN_FEATURES",  "['p2', 'p3', 'p4', 'p5']",
             "MODEL.ROI_BOX_HEAD.NAME",      "FastRCNNConvFCHead",
             "MODEL.ROI_BOX_HEAD.NUM_FC",    "2"};
  }
  for (const std::string& word : overrides_of(command)) pairs.push_back(word);
  return load_config(arguments.config_file, pairs);
}

void run_data_stats(const CLI::App& command, const StatsArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  const Config config = stats_config(command, arguments);
  const Dataset dataset = load_dataset(arguments.dataset);
  const DatasetStats stats = compute_dataset_stats(dataset);
  const std::optional<AnchorStatistics> anchors = compute_anchor_statistics(dataset, config);
  if (!arguments.html.empty()) write_stats_page(arguments.html, dataset, stats, anchors);
  if (arguments.json) {
    fmt::print("{}\n", stats_json(dataset, stats, anchors).dump(2));
  } else {
    print_stats(dataset, stats);
    if (anchors) print_anchors(*anchors);
    fmt::print("\n{}\n", class_histogram_table(dataset));
    if (!arguments.html.empty()) fmt::print("\nWritten: {}\n", arguments.html);
  }
}

}  // namespace

void add_data_stats(CLI::App& data) {
  CLI::App* command = data.add_subcommand("stats", "Count and measure what a data set holds");
  auto arguments = std::make_shared<StatsArguments>();
  command->add_option("dataset", arguments->dataset, "ANNOTATIONS.json:IMAGE_FOLDER, or a registered name")->required();
  command->add_flag("--json", arguments->json, "print one JSON document");
  command->add_option("--html", arguments->html, "also write a page with charts and pictures to this file");
  command->add_option(
      "--config-file", arguments->config_file,
      "config whose anchors and resizing the boxes are held against; without it, detectron2's usual FPN");
  command->footer(
      "Example: fastermask data stats annotations/train.json:images --html stats.html \\\n"
      "  --config-file configs/tiny/nuclei_mask_rcnn_R_18_FPN.yaml INPUT.MIN_SIZE_TRAIN \"(320, 384)\"");
  accept_overrides(*command);
  command->callback([command, arguments] { run_data_stats(*command, *arguments); });
}

}  // namespace fastermask::cli
