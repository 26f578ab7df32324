#include "fastermask/data/pasting_mapper.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/data/copy_paste.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

constexpr int kMostPasteSources = 3;  // pictures tried before a sample goes without pasting

// Pasting needs masks, whatever the model learns, and keeps instances that have none.
MapperOptions pasting_options(MapperOptions options) {
  options.masks = true;
  options.bitmasks = false;
  options.keep_maskless = true;
  return options;
}

// A picture that may be pasted from, after the entries `before` the CopyPaste. Nothing when it has no instance.
std::optional<PasteSource> make_paste_source(const Dataset& dataset, const ImageRecord& record,
                                             Span<const AugmentationSpec> before, const MapperOptions& options,
                                             Random& random) {
  PasteSource source;
  const Transforms transforms = choose_from_list(before, record.size(), options.augmentation.red_first, random);
  source.truth = make_ground_truth(dataset, record, transforms, options);
  const auto has_mask = [](const Segmentation& mask) { return !std::holds_alternative<std::monostate>(mask); };
  if (std::none_of(source.truth.masks.begin(), source.truth.masks.end(), has_mask)) return std::nullopt;
  source.image = apply_transforms(transforms, read_record_image(record, options.format));
  return source;
}

// Any other picture of the data set, by a key; its draws follow from the key as well.
void paste_from_another(const Dataset& dataset, const ImageRecord& own, const CopyPasteSpec& spec,
                        Span<const AugmentationSpec> before, const MapperOptions& options, std::uint64_t key,
                        TrainingSample& sample) {
  for (std::uint64_t attempt = 0; attempt < kMostPasteSources; ++attempt) {
    Random random(key, RandomPurpose::copy_paste, attempt);
    const std::int64_t index = random.uniform_int(static_cast<std::int64_t>(dataset.records.size()));
    const ImageRecord& record = dataset.records[static_cast<std::size_t>(index)];
    if (&record == &own) continue;
    try {
      std::optional<PasteSource> source = make_paste_source(dataset, record, before, options, random);
      if (!source) continue;
      paste_instances(spec, *std::move(source), random, sample.image, sample.ground_truth);
      return;
    } catch (const DataError& error) {
      sample.unusable.push_back({index, error.what()});
    }
  }
}

// From what pasting needed to what was asked for.
GroundTruth as_asked(GroundTruth truth, ImageSize size, const MapperOptions& options) {
  if (!options.masks) {
    truth.masks.clear();
    return truth;
  }
  GroundTruth asked;
  for (std::size_t g = 0; g < truth.size(); ++g) {
    Segmentation& mask = truth.masks[g];
    const bool none_given = std::holds_alternative<std::monostate>(mask);
    if (none_given && !options.keep_maskless) continue;
    const auto* polygons = std::get_if<Polygons>(&mask);
    if (options.bitmasks && polygons != nullptr) {
      Rle rle = polygons_to_rle(*polygons, size.height, size.width);
      if (rle_area(rle) == 0) continue;
      mask = std::move(rle);
    }
    asked.boxes.push_back(truth.boxes[g]);
    asked.classes.push_back(truth.classes[g]);
    asked.masks.push_back(std::move(mask));
    if (options.keypoints) asked.keypoints.push_back(std::move(truth.keypoints[g]));
  }
  return asked;
}

}  // namespace

void map_with_pasting(const Dataset& dataset, const ImageRecord& record, const MapperOptions& options, Random& random,
                      TrainingSample& sample) {
  const MapperOptions all = pasting_options(options);
  const Span<const AugmentationSpec> list(options.augmentation.list);
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const auto* next = std::find_if(list.data() + begin, list.data() + list.size(), is_copy_paste);
    const std::size_t end = static_cast<std::size_t>(next - list.data());
    const ImageSize size = begin == 0 ? record.size() : sample.image.size();
    const Transforms transforms =
        choose_from_list(list.subspan(begin, end - begin), size, options.augmentation.red_first, random);
    if (begin == 0) {
      sample.ground_truth = make_ground_truth(dataset, record, transforms, all);
      sample.image = apply_transforms(transforms, read_record_image(record, options.format));
    } else {
      sample.ground_truth = move_ground_truth(dataset, std::move(sample.ground_truth), size, transforms, all);
      sample.image = apply_transforms(transforms, std::move(sample.image));
    }
    sample.transforms.insert(sample.transforms.end(), transforms.begin(), transforms.end());
    if (end < list.size()) {
      const auto& spec = std::get<CopyPasteSpec>(list[end].value);
      const bool paste = random.bernoulli(spec.prob);
      const std::uint64_t key = random.next_u64();
      if (paste) paste_from_another(dataset, record, spec, list.subspan(0, end), all, key, sample);
    }
    begin = end + 1;
  }
  sample.flipped = flips_horizontally(sample.transforms);
  sample.ground_truth = as_asked(std::move(sample.ground_truth), sample.image.size(), options);
}

}  // namespace fastermask
