#include "fastermask/runtime/proposal_file.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/weights/locate.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {
namespace {

// The entry of the file, under its name or its older one.
const std::vector<PickleValue>& proposal_list(const PickleValue& tree, const char* name, const char* old_name,
                                              const std::string& path) {
  const PickleValue* found = tree.find(name);
  if (found == nullptr) found = tree.find(old_name);
  if (found == nullptr || (found->kind() != PickleValue::Kind::list && found->kind() != PickleValue::Kind::tuple)) {
    fail<DataError>("proposals: {}: there must be a list '{}' (or '{}'), got {}", path, name, old_name,
                    found == nullptr ? tree.describe() : found->describe());
  }
  return found->items();
}

std::int64_t proposal_image_id(const PickleValue& value, const std::string& path) {
  if (!value.is_string()) return value.as_int();
  char* end = nullptr;
  const std::string& text = value.text();
  const long long id = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') fail<DataError>("proposals: {}: image ids must be numbers, got '{}'", path, text);
  return id;
}

Proposals proposals_of_image(const PickleValue& boxes, const PickleValue& logits, bool xywh, const std::string& where) {
  const NDArray& corners = boxes.as_array();
  Proposals result;
  result.logits = logits.as_array().to_floats();
  const auto count = static_cast<std::int64_t>(result.logits.size());
  if (corners.size() != 4 * count || (count > 0 && corners.shape != Shape{count, 4})) {
    fail<DataError>("proposals: {}: boxes must be [{}, 4] for {} scores, got {}", where, count, count,
                    to_string(corners.shape));
  }
  const std::vector<float> numbers = corners.to_floats();
  for (std::size_t i = 0; i < result.logits.size(); ++i) {
    Box box = {numbers[4 * i], numbers[4 * i + 1], numbers[4 * i + 2], numbers[4 * i + 3]};
    if (xywh) box = {box.x1, box.y1, box.x1 + box.x2, box.y1 + box.y2};
    if (!box.finite() || std::isnan(result.logits[i])) {
      fail<DataError>("proposals: {}: box {} or its score is not finite", where, i);
    }
    result.boxes.push_back(box);
  }
  return result;
}

void load_proposal_file(const std::string& path, ProposalStore& store) {
  const PickleValue tree = load_pickle(path);
  if (!tree.is_dict()) fail<DataError>("proposals: {}: must hold a dict, got {}", path, tree.describe());
  const auto& ids = proposal_list(tree, "ids", "indexes", path);
  const auto& boxes = proposal_list(tree, "boxes", "boxes", path);
  const auto& logits = proposal_list(tree, "objectness_logits", "scores", path);
  if (boxes.size() != ids.size() || logits.size() != ids.size()) {
    fail<DataError>("proposals: {}: {} ids, {} sets of boxes and {} of scores; there must be equally many", path,
                    ids.size(), boxes.size(), logits.size());
  }
  const PickleValue* mode = tree.find("bbox_mode");
  const std::int64_t bbox_mode = mode == nullptr || mode->is_none() ? 0 : mode->as_int();
  if (bbox_mode != 0 && bbox_mode != 1) {
    fail<DataError>("proposals: {}: bbox_mode must be 0 (XYXY) or 1 (XYWH), got {}", path, bbox_mode);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int64_t id = proposal_image_id(ids[i], path);
    store.add(id, proposals_of_image(boxes[i], logits[i], bbox_mode == 1, fmt::format("{}: image {}", path, id)), path);
  }
}

// Where a box of the original image lies in the network's input.
Box move_proposal(const Box& box, const ImageSize& original, const ImageSize& size, bool flipped) {
  const auto scale_x = static_cast<float>(static_cast<double>(size.width) / original.width);
  const auto scale_y = static_cast<float>(static_cast<double>(size.height) / original.height);
  Box moved = {box.x1 * scale_x, box.y1 * scale_y, box.x2 * scale_x, box.y2 * scale_y};
  if (flipped) {
    const auto width = static_cast<float>(size.width);
    moved = {width - moved.x2, moved.y1, width - moved.x1, moved.y2};
  }
  return clip(moved, size);
}

}  // namespace

ProposalStore ProposalStore::load(const std::vector<std::string>& files) {
  ProposalStore store;
  for (const std::string& file : files) {
    const std::string path = locate_weights(file);
    load_proposal_file(path, store);
    log_info("data.build", "Loading proposals from: {}: {} images so far", path, store.image_count());
  }
  return store;
}

void ProposalStore::add(std::int64_t image_id, const Proposals& proposals, const std::string& where) {
  std::vector<std::size_t> order(proposals.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return proposals.logits[a] > proposals.logits[b]; });
  Proposals sorted;
  for (const std::size_t i : order) {
    sorted.boxes.push_back(proposals.boxes[i]);
    sorted.logits.push_back(proposals.logits[i]);
  }
  if (!images_.emplace(image_id, std::move(sorted)).second) {
    fail<DataError>("proposals: {}: there are proposals for image {} already, from this file or one before it", where,
                    image_id);
  }
}

std::vector<Proposals> ProposalStore::for_batch(const Batch& batch, int topk, double min_box_size) const {
  if (batch.image_ids.size() != batch.image_sizes.size()) {
    fail<DataError>(
        "proposals: pictures without an image id have no proposals in a file: this model runs on data sets "
        "only ('fastermask evaluate')");
  }
  const auto min_size = static_cast<float>(min_box_size);
  std::vector<Proposals> results(batch.image_ids.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto found = images_.find(batch.image_ids[i]);
    if (found == images_.end()) {
      fail<DataError>(
          "proposals: there are none for image {} ({}) among those of {} images; check DATASETS.PROPOSAL_FILES_TRAIN "
          "and PROPOSAL_FILES_TEST",
          batch.image_ids[i], batch.file_names[i], images_.size());
    }
    const Proposals& all = found->second;
    for (std::size_t p = 0; p < all.size() && results[i].size() < static_cast<std::size_t>(topk); ++p) {
      const Box box = move_proposal(all.boxes[p], batch.original_sizes[i], batch.image_sizes[i],
                                    i < batch.flipped.size() && batch.flipped[i]);
      if (!(box.width() > min_size && box.height() > min_size)) continue;
      results[i].boxes.push_back(box);
      results[i].logits.push_back(all.logits[p]);
    }
  }
  return results;
}

std::shared_ptr<const ProposalStore> load_proposal_store(const Config& config, bool training) {
  if (config.model.proposal_generator.name != "PrecomputedProposals") return nullptr;
  const char* key = training ? "PROPOSAL_FILES_TRAIN" : "PROPOSAL_FILES_TEST";
  const auto& files = training ? config.datasets.proposal_files_train : config.datasets.proposal_files_test;
  if (files.empty()) {
    fail<ConfigError>("config: DATASETS.{} is empty; MODEL.LOAD_PROPOSALS needs a file of proposals for each data set",
                      key);
  }
  if (training && config.input.crop.enabled) {
    fail<ConfigError>("config: INPUT.CROP.ENABLED: not supported together with MODEL.LOAD_PROPOSALS; set it to False");
  }
  if (training && config.input.random_flip == "vertical") {
    fail<ConfigError>("config: INPUT.RANDOM_FLIP vertical: not supported together with MODEL.LOAD_PROPOSALS");
  }
  return std::make_shared<const ProposalStore>(ProposalStore::load(files));
}

void save_proposals(const std::string& path, const std::vector<std::int64_t>& images,
                    const std::vector<Proposals>& proposals) {
  PickleValue ids = PickleValue::list(), boxes = PickleValue::list(), logits = PickleValue::list();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto count = static_cast<std::int64_t>(proposals[i].size());
    ids.push_back(PickleValue::integer(images[i]));
    boxes.push_back(
        PickleValue::array(NDArray::from({count, 4}, reinterpret_cast<const float*>(proposals[i].boxes.data()))));
    logits.push_back(PickleValue::array(NDArray::from({count}, proposals[i].logits)));
  }
  PickleValue tree = PickleValue::dict();
  tree.set("boxes", std::move(boxes));
  tree.set("objectness_logits", std::move(logits));
  tree.set("ids", std::move(ids));
  tree.set("bbox_mode", PickleValue::integer(0));
  save_pickle(path, tree);
}

}  // namespace fastermask
