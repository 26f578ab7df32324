#include "fastermask/data/mask_files.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/data/derived_files.h"
#include "fastermask/data/image_codecs.h"
#include "fastermask/data/json_scan.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMasksNamed = 5;  // in one error

struct MaskReference {
  std::string file;
  std::optional<std::uint32_t> value;
};

std::optional<MaskReference> parse_mask_reference(const Json& segmentation) {
  if (segmentation.is_string()) return MaskReference{segmentation.get<std::string>(), std::nullopt};
  if (!segmentation.is_object() || !segmentation.contains("png")) return std::nullopt;
  MaskReference reference;
  if (!segmentation["png"].is_string()) fail<DataError>("segmentation: \"png\" must be a path");
  reference.file = segmentation["png"].get<std::string>();
  if (!segmentation.contains("value")) return reference;
  const Json& value = segmentation["value"];
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > 0xFFFFFFFFll) {
    fail<DataError>("segmentation: \"value\" must be a whole number from 0, got {}", value.dump());
  }
  reference.value = static_cast<std::uint32_t>(value.get<std::int64_t>());
  return reference;
}

// One COCO file whose masks are put in place of the names of their files.
class MaskFileResolver {
 public:
  explicit MaskFileResolver(const DatasetLocation& location) : location_(location), file_(location.annotation_file) {}

  std::string resolve() {
    const std::string where = "coco: " + location_.annotation_file;
    json::Scanner scanner(file_.view(), where);
    const auto members = scanner.members();
    read_sizes(scanner, members);
    std::string out = "{";
    for (const auto& [key, value] : members) {
      out += out.size() > 1 ? ",\n\"" : "\n\"";
      out += key + "\": ";
      if (key != "annotations" || value.front() != '[') {
        out += value;
        continue;
      }
      out += "[\n" + join(resolve_annotations(elements_of(scanner, value)), ",\n") + "\n]";
    }
    return out + "\n}\n";
  }

 private:
  static std::vector<std::string_view> elements_of(json::Scanner& scanner, std::string_view array) {
    std::vector<std::string_view> elements;
    scanner.enter_array(array);
    for (std::string_view element; scanner.next_element(element);) elements.push_back(element);
    return elements;
  }

  void read_sizes(json::Scanner& scanner, const std::vector<std::pair<std::string, std::string_view>>& members) {
    for (const auto& [key, value] : members) {
      if (key != "images" || value.front() != '[') continue;
      for (const std::string_view element : elements_of(scanner, value)) {
        const Json image = Json::parse(element, nullptr, false);
        if (!image.is_object() || !image.contains("id") || !image["id"].is_number_integer()) continue;
        const auto extent = [&image](const char* name) {
          return image.contains(name) && image[name].is_number_integer() ? image[name].get<int>() : 0;
        };
        sizes_.emplace(image["id"].get<std::int64_t>(), ImageSize{extent("height"), extent("width")});
      }
    }
  }

  std::vector<std::string> resolve_annotations(const std::vector<std::string_view>& elements) {
    std::vector<std::string> resolved(elements.size());
    std::vector<std::string> errors;
    std::mutex mutex;
    parallel_for(0, static_cast<std::int64_t>(elements.size()), 32, [&](std::int64_t begin, std::int64_t end) {
      MaskFileReader reader(location_);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::string_view element = elements[static_cast<std::size_t>(i)];
        std::string& out = resolved[static_cast<std::size_t>(i)];
        try {
          out = resolve_annotation(element, reader);
        } catch (const DataError& error) {
          const std::lock_guard<std::mutex> lock(mutex);
          errors.emplace_back(error.what());
        }
      }
    });
    if (!errors.empty()) throw_errors(errors);
    return resolved;
  }

  std::string resolve_annotation(std::string_view element, MaskFileReader& reader) const {
    Json annotation = Json::parse(element, nullptr, false);
    if (!annotation.is_object() || !annotation.contains("segmentation")) return std::string(element);
    const auto id_of = [&annotation](const char* key) {
      return annotation.contains(key) && annotation[key].is_number_integer() ? annotation[key].get<std::int64_t>() : -1;
    };
    const std::string text = annotation["segmentation"].dump();
    const auto size = sizes_.find(id_of("image_id"));
    if (!MaskFileReader::names_file(text) || size == sizes_.end()) return std::string(element);
    try {
      const Rle mask = reader.read(text, size->second);
      annotation["segmentation"] = {{"size", {mask.height, mask.width}}, {"counts", rle_to_string(mask)}};
    } catch (const DataError& error) {
      fail<DataError>("coco: {}: annotation {} (image {}): {}", location_.annotation_file, id_of("id"),
                      id_of("image_id"), error.what());
    }
    return annotation.dump();
  }

  [[noreturn]] static void throw_errors(std::vector<std::string>& errors) {
    std::sort(errors.begin(), errors.end());
    const std::size_t more = errors.size() - std::min(errors.size(), kMasksNamed);
    errors.resize(errors.size() - more);
    fail<DataError>("{}{}", join(errors, "\n"), more > 0 ? fmt::format("\n... and {} more", more) : "");
  }

  const DatasetLocation& location_;
  MappedFile file_;
  std::unordered_map<std::int64_t, ImageSize> sizes_;  // by image id
};

}  // namespace

MaskImage read_mask_image(const std::string& path) {
  if (!is_file(path)) fail<DataError>("mask: {}: no such file", path);
  const MappedFile file(path);
  if (!starts_with(file.view(), "\x89PNG\r\n\x1A\n")) fail<DataError>("mask: {}: not a PNG file", path);
  MaskImage mask;
  mask.values = codec::png_values(file.view(), path, mask.size);
  return mask;
}

MaskFileReader::MaskFileReader(const DatasetLocation& location)
    : image_root_(location.image_root), json_folder_(mask_folder(location)) {}

std::string mask_folder(const DatasetLocation& location) {
  if (!location.mask_root.empty()) return location.mask_root;
  return std::filesystem::path(location.annotation_file).parent_path().string();
}

bool MaskFileReader::names_file(std::string_view segmentation) {
  if (segmentation.empty()) return false;
  if (segmentation.front() == '"') return true;
  return segmentation.front() == '{' && segmentation.find("\"png\"") != std::string_view::npos;
}

std::string MaskFileReader::find_file(const std::string& name) const {
  const std::string beside_images = join_path(image_root_, name);
  if (is_file(beside_images)) return beside_images;
  const std::string beside_json = join_path(json_folder_, name);
  if (is_file(beside_json)) return beside_json;
  fail<DataError>("mask: {}: no such file, nor {}", beside_images, beside_json);
}

Rle MaskFileReader::read(std::string_view segmentation, ImageSize size) {
  const std::optional<MaskReference> reference = parse_mask_reference(Json::parse(segmentation, nullptr, false));
  if (!reference) fail<DataError>("segmentation names no PNG file: {}", segmentation.substr(0, 60));
  const std::string path = find_file(reference->file);
  if (path != last_path_) {
    last_ = read_mask_image(path);
    last_path_ = path;
  }
  if (last_.size != size) {
    fail<DataError>("mask: {}: the mask is {}x{} pixels (width x height), the image {}x{}", path, last_.size.width,
                    last_.size.height, size.width, size.height);
  }
  BitMask mask(size.height, size.width);
  for (std::size_t i = 0; i < last_.values.size(); ++i) {
    mask.pixels[i] = reference->value ? last_.values[i] == *reference->value : last_.values[i] != 0;
  }
  return rle_encode(mask);
}

DatasetLocation resolve_mask_files(const DatasetLocation& location) {
  DatasetLocation resolved = location;
  resolved.annotation_file =
      write_derived_file(location.annotation_file, "masks", MaskFileResolver(location).resolve());
  return resolved;
}

}  // namespace fastermask
