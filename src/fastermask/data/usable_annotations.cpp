#include "fastermask/data/usable_annotations.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/coco.h"
#include "fastermask/data/coco_fields.h"
#include "fastermask/data/dataset_check.h"
#include "fastermask/data/derived_files.h"
#include "fastermask/data/mask_files.h"

namespace fastermask {
namespace {

constexpr const char* kUsableModule = "data.datasets.coco";
constexpr std::size_t kFaultsLogged = 100;

// Below this, parsing a file takes some hundredths of a second and an index would only be litter.
constexpr std::int64_t kIndexFromBytes = 8 << 20;

double share_of(std::int64_t part, std::int64_t all) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(all, 1));
}

void log_faults(const CheckReport& report) {
  std::size_t logged = 0;
  std::size_t faults = 0;
  for (const DataProblem& problem : report.problems) {
    if (!is_error(problem.kind)) continue;
    if (++faults > kFaultsLogged) continue;
    ++logged;
    log_warning(kUsableModule, "{}, image {}, annotation {}: {}: {}; {}", report.name, problem.image_id,
                problem.annotation_id, problem_name(problem.kind), problem.message,
                problem.repair.empty() ? "not repaired" : problem.repair);
  }
  if (faults > logged)
    log_warning(kUsableModule, "... and {} more; 'fastermask data check' lists all", faults - logged);
  log_warning(kUsableModule, "{}: left out {} of {} images and {} of {} annotations, as they cannot be used",
              report.name, report.repair.images_removed, report.images, report.repair.annotations_removed,
              report.annotations);
}

// load_coco, with masks in PNG files read.
Dataset load_with_masks(const DatasetLocation& location) {
  CocoOptions options;
  options.name = location.name;
  options.index_from_bytes = kIndexFromBytes;
  try {
    return load_coco(location.annotation_file, location.image_root, options);
  } catch (const coco::MaskFileFound&) {
    return load_coco(resolve_mask_files(location).annotation_file, location.image_root, options);
  }
}

// What `data check` finds in the JSON alone, and the file without it.
CheckReport find_faults(const DatasetLocation& location) {
  CheckOptions options;
  options.repair = true;
  options.pictures = false;
  options.errors_only = true;
  return check_dataset(location, options);
}

}  // namespace

Dataset load_usable_annotations(const DatasetLocation& location, double max_bad_share) {
  try {
    return load_with_masks(location);
  } catch (const DataError& error) {
    if (max_bad_share <= 0 || !is_file(location.annotation_file)) throw;
    const CheckReport report = find_faults(location);
    const RepairSummary& repair = report.repair;
    if (report.repaired_json.empty() || repair.images_kept == 0) throw;
    const double share = std::max(share_of(repair.images_removed, report.images),
                                  share_of(repair.annotations_removed, report.annotations));
    if (share > max_bad_share) {
      fail<DataError>(
          "{}\ndataset: {} of {} images and {} of {} annotations cannot be used, more than the allowed share of {}; "
          "'fastermask data check' lists all problems",
          error.what(), repair.images_removed, report.images, repair.annotations_removed, report.annotations,
          max_bad_share);
    }
    DatasetLocation usable = location;
    usable.annotation_file = write_derived_file(location.annotation_file, "usable", report.repaired_json);
    usable.mask_root = mask_folder(location);
    Dataset dataset = load_with_masks(usable);
    dataset.annotation_file = location.annotation_file;
    log_faults(report);
    return dataset;
  }
}

}  // namespace fastermask
