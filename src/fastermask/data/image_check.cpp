#include "fastermask/data/image_check.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/progress.h"
#include "fastermask/data/coco_fields.h"
#include "fastermask/data/image_io.h"

namespace fastermask {
namespace {

// FNV-1a; never 0.
std::uint64_t content_hash_of(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash == 0 ? 1 : hash;
}

void look_at_picture(ImageFinding& image) {
  if (!is_file(image.file)) {
    image.missing = true;
    image.problem = "no such file";
    return;
  }
  try {
    const std::string bytes = read_file(image.file);
    image.true_size = decode_image(bytes, image.file).size();
    const ImageHeader header = decode_image_header(bytes, image.file);
    image.content_hash = content_hash_of(bytes);
    if (header.orientation >= 5 && image.json_size == header.stored_size && image.json_size != image.true_size) {
      image.turned = header.orientation;
    }
  } catch (const Error& error) {
    image.problem = error.what();
  }
}

DataProblem image_problem(ProblemKind kind, const ImageFinding& image, std::string message, std::string repair) {
  DataProblem problem;
  problem.kind = kind;
  problem.file = image.file;
  problem.image_id = image.id;
  problem.message = std::move(message);
  problem.repair = std::move(repair);
  return problem;
}

void report_picture(ImageFinding& image, CheckReport& report) {
  if (!image.problem.empty()) {
    image.removed = true;
    report.problems.push_back(image_problem(image.missing ? ProblemKind::missing_image : ProblemKind::unreadable_image,
                                            image, image.problem, "remove the image and its annotations"));
    return;
  }
  report.pictures.push_back({image.id, image.file, image.content_hash});
  if (image.true_size == image.json_size) return;
  image.resized = true;
  const std::string sizes =
      fmt::format("the JSON says {}x{} (width x height), the picture is {}x{}", image.json_size.width,
                  image.json_size.height, image.true_size.width, image.true_size.height);
  if (image.turned != 0) {
    report.problems.push_back(image_problem(
        ProblemKind::exif_rotated, image, fmt::format("{} once turned by its EXIF orientation {}", sizes, image.turned),
        "turn its annotations into the upright frame and correct the size"));
  } else {
    report.problems.push_back(image_problem(ProblemKind::size_mismatch, image, sizes, "correct the size"));
  }
}

void report_repeated_pictures(ImageTable& table, CheckReport& report) {
  std::unordered_map<std::uint64_t, const ImageFinding*> seen;
  for (const ImageFinding& image : table.images) {
    if (image.content_hash == 0) continue;
    const auto [first, is_new] = seen.emplace(image.content_hash, &image);
    if (is_new) continue;
    report.problems.push_back(
        image_problem(ProblemKind::repeated_image, image,
                      fmt::format("the same picture as image {} ({})", first->second->id, first->second->file), ""));
  }
}

void report_pictures_of_earlier_sets(ImageTable& table, const std::vector<CheckReport>& earlier, CheckReport& report) {
  std::unordered_map<std::uint64_t, std::pair<const CheckReport*, const CheckedImage*>> seen;
  for (const CheckReport& other : earlier) {
    for (const CheckedImage& picture : other.pictures) seen.emplace(picture.content_hash, std::pair(&other, &picture));
  }
  for (ImageFinding& image : table.images) {
    const auto found = image.content_hash == 0 ? seen.end() : seen.find(image.content_hash);
    if (found == seen.end()) continue;
    const auto& [other, picture] = found->second;
    image.left_out = true;
    report.problems.push_back(
        image_problem(ProblemKind::image_in_two_sets, image,
                      fmt::format("the same picture as image {} ({}) of {}", picture->id, picture->file, other->name),
                      "remove the image and its annotations from the later set"));
  }
}

}  // namespace

ImageTable check_images(const ImageCheckTask& task, const std::vector<std::string_view>& elements,
                        std::string_view text, CheckReport& report) {
  const DatasetLocation& location = task.location;
  ImageTable table;
  table.images.resize(elements.size());
  coco::ObjectParser parser;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    ImageFinding& image = table.images[i];
    const std::size_t readable = static_cast<std::size_t>(text.data() + text.size() - elements[i].data());
    try {
      const coco::ImageFields fields = parser.image(elements[i], readable);
      image.id = fields.id;
      image.file = join_path(location.image_root, fields.file_name);
      image.json_size = {fields.height, fields.width};
      image.true_size = image.json_size;
      const auto [first, is_new] = table.index_of.emplace(image.id, i);
      if (is_new) continue;
      image.removed = true;
      const std::string& kept = table.images[first->second].file;
      report.problems.push_back(image_problem(
          ProblemKind::duplicate_image_id, image,
          kept == image.file
              ? std::string("the image is listed twice")
              : fmt::format("the id is used before, by {}; annotations of this id are taken to be those of that image",
                            kept),
          "remove the later image"));
    } catch (const coco::FieldProblem& problem) {
      image.removed = true;
      image.file = location.annotation_file;
      image.id = parser.find_integer(elements[i], readable, "id").value_or(-1);
      report.problems.push_back(image_problem(ProblemKind::malformed_image, image,
                                              fmt::format("images[{}]: {}", i, problem.what()),
                                              "remove the image and its annotations"));
    }
  }
  report.images = static_cast<std::int64_t>(elements.size());
  if (!task.options.pictures) return table;
  ProgressBar bar("images", report.images);
  parallel_for(0, report.images, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      ImageFinding& image = table.images[static_cast<std::size_t>(i)];
      if (!image.removed) look_at_picture(image);
      if (begin == 0) bar.update(i * report.images / std::max<std::int64_t>(end, 1));
    }
  });
  for (ImageFinding& image : table.images) {
    if (!image.removed) report_picture(image, report);
  }
  report_repeated_pictures(table, report);
  report_pictures_of_earlier_sets(table, task.earlier, report);
  return table;
}

std::vector<std::string> repaired_images(const std::vector<std::string_view>& elements, const ImageTable& images,
                                         RepairSummary& summary) {
  std::vector<std::string> repaired;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const ImageFinding& image = images.images[i];
    if (image.removed || image.left_out) {
      ++summary.images_removed;
      continue;
    }
    ++summary.images_kept;
    repaired.emplace_back(elements[i]);
    if (!image.resized) continue;
    ++summary.images_changed;
    auto fields = nlohmann::ordered_json::parse(elements[i]);
    fields["height"] = image.true_size.height;
    fields["width"] = image.true_size.width;
    repaired.back() = fields.dump();
  }
  return repaired;
}

}  // namespace fastermask
