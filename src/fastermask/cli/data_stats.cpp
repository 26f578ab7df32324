// `fastermask data stats`.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/data.h"
#include "fastermask/cli/data_stats_page.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/dataset_stats.h"

namespace fastermask::cli {
namespace {

using Json = nlohmann::ordered_json;

struct StatsArguments {
  std::string dataset;
  std::string html;
  bool json = false;
};

Json distribution_json(const Distribution& values) {
  return {{"min", values.smallest},  {"lower_quartile", values.lower_quartile},
          {"median", values.median}, {"upper_quartile", values.upper_quartile},
          {"max", values.largest},   {"mean", values.mean}};
}

Json stats_json(const Dataset& dataset, const DatasetStats& stats) {
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
  out["anchor_fit"] = {{"iou_50", stats.anchor_fit_50}, {"iou_70", stats.anchor_fit_70}};
  out["classes"] = Json::array();
  for (const ClassStats& of_class : stats.classes) {
    out["classes"].push_back({{"name", of_class.name},
                              {"category_id", of_class.category_id},
                              {"instances", of_class.instances},
                              {"images", of_class.images},
                              {"object_side", distribution_json(of_class.object_side)}});
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
  fmt::print(
      "anchors     at short edge 800 the default FPN anchors fit {:.1f} % of the boxes with IoU 0.5, {:.1f} % with "
      "0.7\n\n",
      100 * stats.anchor_fit_50, 100 * stats.anchor_fit_70);
  fmt::print("{:<24}{:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "min", "25 %", "median", "75 %", "max", "mean");
  print_distribution("image width", stats.image_width, 0);
  print_distribution("image height", stats.image_height, 0);
  print_distribution("instances an image", stats.instances_per_image, 1);
  print_distribution("object side, px", stats.object_side, 1);
  print_distribution("object height / width", stats.object_aspect, 2);
  fmt::print("\n{}\n", class_histogram_table(dataset));
}

void run_data_stats(const StatsArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  const Dataset dataset = load_dataset(arguments.dataset);
  const DatasetStats stats = compute_dataset_stats(dataset);
  if (!arguments.html.empty()) write_stats_page(arguments.html, dataset, stats);
  if (arguments.json) {
    fmt::print("{}\n", stats_json(dataset, stats).dump(2));
  } else {
    print_stats(dataset, stats);
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
  command->footer("Example: fastermask data stats annotations/train.json:images --html stats.html");
  command->callback([arguments] { run_data_stats(*arguments); });
}

}  // namespace fastermask::cli
