#include "fastermask/cli/anchor_statistics.h"

#include <fmt/format.h>

#include <algorithm>

#include "fastermask/base/text.h"
#include "fastermask/data/loader.h"
#include "fastermask/data/preprocess.h"
#include "fastermask/detection/anchor_coverage.h"
#include "fastermask/graph/network.h"
#include "fastermask/runtime/region_settings.h"

namespace fastermask::cli {
namespace {

constexpr std::uint64_t kStatisticsSeed = 1;

// COCO's ranges of area, in pixels of the network's input.
std::size_t size_group(const Box& box) { return box.area() < 32 * 32 ? 1 : box.area() < 96 * 96 ? 2 : 3; }

std::string numbers_text(const std::vector<double>& numbers) { return fmt::format("{:g}", fmt::join(numbers, ", ")); }

std::string anchors_text(const Config& config, const Network& network) {
  const auto& generator = config.model.anchor_generator;
  std::vector<std::string> levels;
  for (std::size_t i = 0; i < network.rpn_levels.size(); ++i) {
    const std::vector<double>& sizes = generator.sizes[std::min(i, generator.sizes.size() - 1)];
    levels.push_back(fmt::format("{} {}", network.rpn_levels[i].name, numbers_text(sizes)));
  }
  return fmt::format("{}; height / width {}", join(levels, ", "), numbers_text(generator.aspect_ratios.front()));
}

// Adds up the best IoU of boxes.
struct FitCollector {
  std::vector<std::vector<float>> by_group = std::vector<std::vector<float>>(4);
  std::vector<std::vector<float>> by_class;

  void add(const Box& box, int category, float fit) {
    by_group[0].push_back(fit);
    by_group[size_group(box)].push_back(fit);
    by_class[static_cast<std::size_t>(category)].push_back(fit);
  }
};

double share_from(const std::vector<float>& fits, double threshold) {
  if (fits.empty()) return 0;
  const auto good = std::count_if(fits.begin(), fits.end(), [&](float fit) { return fit >= threshold; });
  return static_cast<double>(good) / static_cast<double>(fits.size());
}

}  // namespace

std::optional<AnchorStatistics> compute_anchor_statistics(const Dataset& dataset, const Config& config) {
  const Network network = build_network(config);
  if (network.rpn_levels.empty()) return std::nullopt;
  const AnchorGenerator anchors = make_anchor_generator(config, network);
  LoaderOptions loader = make_training_loader_options(config, network.size_divisibility, kStatisticsSeed);
  loader.mapper.masks = false;
  loader.mapper.keypoints = false;
  FitCollector fits;
  fits.by_class.resize(dataset.class_names.size());
  for (const ImageRecord& record : dataset.records) {
    Random random(kStatisticsSeed, RandomPurpose::augmentation, static_cast<std::uint64_t>(record.id));
    const Transforms transforms = choose_transforms(loader.mapper.augmentation, record.size(), random);
    const GroundTruth truth = make_ground_truth(dataset, record, transforms, loader.mapper);
    const std::vector<ImageSize> sizes = {output_size(transforms, record.size())};
    const std::vector<ImageSize> grids = anchor_grid_sizes(anchors, padded_size(sizes, network.size_divisibility));
    for (std::size_t g = 0; g < truth.size(); ++g) {
      fits.add(truth.boxes[g], truth.classes[g], best_anchor_iou(anchors, grids, truth.boxes[g]));
    }
  }
  AnchorStatistics out;
  out.anchors = anchors_text(config, network);
  out.positive = config.model.rpn.iou_thresholds.back();
  for (int percent = 30; percent <= 95; percent += 5) out.thresholds.push_back(percent / 100.0);
  const char* names[] = {"all", "small", "medium", "large"};
  for (std::size_t i = 0; i < fits.by_group.size(); ++i) {
    const std::vector<float>& of_group = fits.by_group[i];
    AnchorStatistics::Group group;
    group.name = names[i];
    group.boxes = static_cast<std::int64_t>(of_group.size());
    for (const float fit : of_group) group.mean_best_iou += static_cast<double>(fit);
    if (group.boxes > 0) group.mean_best_iou /= static_cast<double>(group.boxes);
    for (const double threshold : out.thresholds) group.shares.push_back(share_from(of_group, threshold));
    out.groups.push_back(std::move(group));
  }
  for (const std::vector<float>& of_class : fits.by_class) {
    out.class_shares.push_back(of_class.empty() ? -1 : share_from(of_class, out.positive));
  }
  return out;
}

}  // namespace fastermask::cli
