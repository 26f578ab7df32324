#include "fastermask/weights/locate.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

constexpr const char* kDetectron2Store = "https://dl.fbaipublicfiles.com/detectron2/";
constexpr const char* kDetectronStore = "https://dl.fbaipublicfiles.com/detectron/";

// Where catalog:// names lie in the Detectron1 store.
constexpr std::pair<std::string_view, std::string_view> kCatalog[] = {
    {"ImageNetPretrained/MSRA/R-50", "ImageNetPretrained/MSRA/R-50.pkl"},
    {"ImageNetPretrained/MSRA/R-101", "ImageNetPretrained/MSRA/R-101.pkl"},
    {"ImageNetPretrained/FAIR/R-50-GN", "ImageNetPretrained/47261647/R-50-GN.pkl"},
    {"ImageNetPretrained/FAIR/R-101-GN", "ImageNetPretrained/47592356/R-101-GN.pkl"},
    {"ImageNetPretrained/FAIR/X-101-32x8d", "ImageNetPretrained/20171220/X-101-32x8d.pkl"},
    {"ImageNetPretrained/FAIR/X-101-64x4d", "ImageNetPretrained/FBResNeXt/X-101-64x4d.pkl"},
    {"ImageNetPretrained/FAIR/X-152-32x8d-IN5k", "ImageNetPretrained/25093814/X-152-32x8d-IN5k.pkl"},
};

// The part after the scheme: where a file lies below a weights folder. "" for plain paths.
std::string store_path(const std::string& name) {
  for (const std::string_view scheme : {"detectron2://", "catalog://"}) {
    if (!starts_with(name, scheme)) continue;
    std::string path = name.substr(scheme.size());
    for (const auto& [known, file] : kCatalog) {
      if (scheme == "catalog://" && path == known) return std::string(file);
    }
    return path;
  }
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!starts_with(name, scheme)) continue;
    const std::string path = name.substr(
        name.find('/', scheme.size()) == std::string::npos ? scheme.size() : name.find('/', scheme.size()) + 1);
    for (const std::string_view store : {"detectron2/", "detectron/"}) {
      if (starts_with(path, store)) return path.substr(store.size());
    }
    return path;
  }
  return "";
}

// Folders that the program added.
std::vector<std::string>& added_folders() {
  static std::vector<std::string> folders;
  return folders;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::vector<std::string> search_folders(const std::vector<std::string>& folders) {
  std::vector<std::string> result;
  if (const char* variable = std::getenv("FASTERMASK_WEIGHTS"); variable != nullptr) {
    for (const std::string& folder : split(variable, ':')) {
      if (!folder.empty()) result.push_back(expand_user(folder));
    }
  }
  for (const std::string& folder : folders) {
    if (!folder.empty()) result.push_back(folder);
  }
  result.insert(result.end(), added_folders().begin(), added_folders().end());
  for (const char* variable : {"FASTERMASK_DATASETS", "DETECTRON2_DATASETS"}) {
    if (const char* folder = std::getenv(variable); folder != nullptr && *folder != '\0') {
      result.push_back(expand_user(folder));
      result.push_back(join_path(result.back(), "weights"));
    }
  }
  if (is_folder("datasets")) result.insert(result.end(), {"datasets", "datasets/weights"});
  result.emplace_back("weights");
  return result;
}

// The first of the folders' files that exists; "" when none does.
std::string find_in_folders(const std::vector<std::string>& folders, const std::string& sub_path) {
  for (const std::string& candidate : {sub_path, base_name(sub_path)}) {
    for (const std::string& folder : folders) {
      const std::string path = join_path(folder, candidate);
      if (is_file(path)) return path;
    }
  }
  return "";
}

}  // namespace

void add_weights_folder(const std::string& folder) {
  auto& folders = added_folders();
  if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
}

std::string weights_address(const std::string& name) {
  if (starts_with(name, "detectron2://")) return kDetectron2Store + store_path(name);
  if (starts_with(name, "catalog://")) return kDetectronStore + store_path(name);
  if (starts_with(name, "https://") || starts_with(name, "http://")) return name;
  return "";
}

std::string locate_weights(const std::string& name, const std::vector<std::string>& folders) {
  if (name.empty()) fail<WeightsError>("weights: no file is named; set MODEL.WEIGHTS or pass --weights");
  const std::vector<std::string> places = search_folders(folders);
  const std::string address = weights_address(name);
  if (address.empty()) {
    const std::string path = expand_user(name);
    if (is_file(path)) return path;
    if (is_folder(path)) {
      fail<WeightsError>("weights: '{}' is a folder; name a file in it, such as {}/model_final.pth", name, name);
    }
    const std::string found = path[0] == '/' ? "" : find_in_folders(places, path);
    if (!found.empty()) return found;
    fail<WeightsError>(
        "weights: '{}' is not there; looked in the current folder and in {}; check the path, or put "
        "the file into a folder that $FASTERMASK_WEIGHTS names",
        name, join(places, ", "));
  }
  const std::string sub_path = store_path(name);
  const std::string found = find_in_folders(places, sub_path);
  if (!found.empty()) return found;
  fail<WeightsError>(
      "weights: no local file for '{}'; looked for {} and {} in {}; download {} and put it at {}/{}, or "
      "name its folder in $FASTERMASK_WEIGHTS",
      name, sub_path, base_name(sub_path), join(places, ", "), address, places.back(), base_name(sub_path));
}

}  // namespace fastermask
