// LoaderOptions from the config.
#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/loader.h"

namespace fastermask {
namespace {

FlipMode parse_flip(const std::string& name) {
  if (name == "none") return FlipMode::none;
  return name == "vertical" ? FlipMode::vertical : FlipMode::horizontal;
}

CropMode parse_crop(const CropConfig& crop) {
  if (!crop.enabled) return CropMode::none;
  if (crop.type == "relative") return CropMode::relative;
  if (crop.type == "relative_range") return CropMode::relative_range;
  return crop.type == "absolute" ? CropMode::absolute : CropMode::absolute_range;
}

// Proposals from files are resized and mirrored with their picture, and nothing else.
void check_proposals_follow(const std::vector<AugmentationSpec>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& value = list[i].value;
    const auto* flip = std::get_if<RandomFlipSpec>(&value);
    const bool follows =
        std::holds_alternative<ResizeSpec>(value) || std::holds_alternative<ResizeShortestEdgeSpec>(value) ||
        std::holds_alternative<ResizeScaleSpec>(value) || (flip != nullptr && flip->horizontal) ||
        std::holds_alternative<RandomBrightnessSpec>(value) || std::holds_alternative<RandomContrastSpec>(value) ||
        std::holds_alternative<RandomSaturationSpec>(value) || std::holds_alternative<RandomLightingSpec>(value);
    if (follows) continue;
    fail<ConfigError>(
        "config: INPUT.AUGMENTATIONS[{}]: {}: not supported together with MODEL.LOAD_PROPOSALS, whose boxes follow "
        "resizing, horizontal flips and colours alone",
        i, std::visit([](const auto& spec) { return spec.kName; }, value));
  }
}

LoaderOptions common_loader_options(const Config& config, int size_divisibility) {
  LoaderOptions options;
  options.threads = config.dataloader.num_workers;
  options.size_divisibility = size_divisibility;
  options.pixel_mean.assign(config.model.pixel_mean.begin(), config.model.pixel_mean.end());
  options.pixel_std.assign(config.model.pixel_std.begin(), config.model.pixel_std.end());
  options.mapper.format = parse_pixel_format(config.input.format);
  if (config.input.fix_shape.size() == 2) options.fixed_size = {config.input.fix_shape[1], config.input.fix_shape[0]};
  const std::size_t channels = options.mapper.format == PixelFormat::gray ? 1 : 3;
  if (options.pixel_mean.size() != channels || options.pixel_std.size() != channels) {
    fail<ConfigError>(
        "config: MODEL.PIXEL_MEAN and MODEL.PIXEL_STD must have {} values for INPUT.FORMAT {}, got {} and {}", channels,
        config.input.format, options.pixel_mean.size(), options.pixel_std.size());
  }
  return options;
}

}  // namespace

LoaderOptions make_training_loader_options(const Config& config, int size_divisibility, std::uint64_t seed, int rank,
                                           int world_size) {
  LoaderOptions options = common_loader_options(config, size_divisibility);
  if (config.solver.ims_per_batch % world_size != 0) {
    fail<ConfigError>("config: SOLVER.IMS_PER_BATCH must be a multiple of the {} processes, got {}", world_size,
                      config.solver.ims_per_batch);
  }
  options.batch_size = config.solver.ims_per_batch / world_size;
  options.seed = seed;
  options.rank = rank;
  options.world_size = world_size;
  options.aspect_grouping = config.dataloader.aspect_ratio_grouping;
  options.max_bad_share = config.dataloader.max_bad_share;
  if (config.dataloader.sampler_train == "RepeatFactorTrainingSampler") {
    options.repeat_threshold = config.dataloader.repeat_threshold;
    options.repeat_sqrt = config.dataloader.repeat_sqrt;
  }
  options.class_aware = config.dataloader.sampler_train == "ClassAwareSampler";
  if (config.dataloader.sampler_train == "RandomSubsetTrainingSampler") {
    options.subset_ratio = config.dataloader.random_subset_ratio;
  }
  options.mapper.masks = config.model.mask_on;
  options.mapper.bitmasks = config.input.mask_format == "bitmask";
  options.mapper.keypoints = config.model.keypoint_on;
  AugmentationOptions& augmentation = options.mapper.augmentation;
  augmentation.min_sizes = config.input.min_size_train;
  augmentation.min_size_range = config.input.min_size_train_sampling == "range";
  augmentation.max_size = config.input.max_size_train;
  augmentation.flip = parse_flip(config.input.random_flip);
  augmentation.crop = parse_crop(config.input.crop);
  augmentation.crop_height = config.input.crop.size.at(0);
  augmentation.crop_width = config.input.crop.size.at(1);
  augmentation.list = parse_augmentations(config.input.augmentations);
  if (!augmentation.list.empty()) {
    log_info("data.dataset_mapper",
             "Augmentations used in training: [{}]; INPUT.MIN_SIZE_TRAIN, MAX_SIZE_TRAIN, RANDOM_FLIP and CROP are not",
             join(config.input.augmentations, ", "));
  }
  augmentation.red_first = options.mapper.format == PixelFormat::rgb;
  if (config.model.load_proposals) check_proposals_follow(augmentation.list);
  return options;
}

LoaderOptions make_inference_loader_options(const Config& config, int size_divisibility) {
  LoaderOptions options = common_loader_options(config, size_divisibility);
  options.batch_size = 1;
  options.shuffle = false;
  options.aspect_grouping = false;
  options.mapper.augmentation.min_sizes = {config.input.min_size_test};
  options.mapper.augmentation.max_size = config.input.max_size_test;
  return options;
}

}  // namespace fastermask
