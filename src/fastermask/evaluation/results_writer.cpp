// Writing results files.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/evaluation/results.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

// The shortest text that reads back as the same double.
void append_number(std::string& text, double value) {
  if (!std::isfinite(value)) fail<DataError>("results: numbers must be finite to be written as JSON, got {}", value);
  fmt::format_to(std::back_inserter(text), "{}", value);
}

template <class Numbers>
void append_numbers(std::string& text, const Numbers& numbers) {
  text += '[';
  bool first = true;
  for (const double number : numbers) {
    if (!first) text += ", ";
    first = false;
    append_number(text, number);
  }
  text += ']';
}

// The counts hold backslashes, which JSON wants doubled; no other character needs care.
void append_counts(std::string& text, const Rle& mask) {
  for (const char c : rle_to_string(mask)) {
    if (c == '\\') text += '\\';
    text += c;
  }
}

}  // namespace

std::string results_record_json(const DetectionRecord& record, std::int64_t category_id) {
  std::string text = fmt::format("{{\"image_id\": {}, \"category_id\": {}", record.image_id, category_id);
  if (record.has_box) {
    text += ", \"bbox\": ";
    append_numbers(text, record.xywh);
  }
  text += ", \"score\": ";
  append_number(text, record.score);
  if (record.has_mask()) {
    text +=
        fmt::format(", \"segmentation\": {{\"size\": [{}, {}], \"counts\": \"", record.mask.height, record.mask.width);
    append_counts(text, record.mask);
    text += "\"}";
  }
  if (!record.keypoints.empty()) {
    text += ", \"keypoints\": ";
    append_numbers(text, record.keypoints);
  }
  text += '}';
  return text;
}

struct ResultsWriter::State {
  std::string path;
  std::string temporary;
  std::vector<std::int64_t> category_ids;
  std::FILE* file = nullptr;
  bool any = false;

  void put(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), file) != text.size()) {
      fail("results: {}: cannot write; is the disk full?", temporary);
    }
  }

  ~State() {
    if (file == nullptr) return;
    std::fclose(file);
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
  }
};

ResultsWriter::ResultsWriter(const std::string& path, std::vector<std::int64_t> category_ids)
    : state_(std::make_unique<State>()) {
  state_->path = path;
  state_->temporary = path + ".partial";
  state_->category_ids = std::move(category_ids);
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty()) make_folders(parent);
  state_->file = std::fopen(state_->temporary.c_str(), "wb");
  if (state_->file == nullptr) fail("results: {}: cannot create the file", state_->temporary);
  state_->put("[");
}

ResultsWriter::~ResultsWriter() = default;

void ResultsWriter::add(const DetectionRecord& record) {
  FASTERMASK_CHECK(state_->file != nullptr, "results: {}: add() was called after finish()", state_->path);
  if (record.category < 0 || record.category >= static_cast<int>(state_->category_ids.size())) {
    fail<DataError>("results: image {}: the category must be from 0 to {}, got {}", record.image_id,
                    state_->category_ids.size() - 1, record.category);
  }
  const std::string text = results_record_json(record, state_->category_ids[static_cast<std::size_t>(record.category)]);
  if (state_->any) state_->put(", ");
  state_->put(text);
  state_->any = true;
}

void ResultsWriter::finish() {
  FASTERMASK_CHECK(state_->file != nullptr, "results: {}: finish() was called twice", state_->path);
  state_->put("]");
  std::FILE* file = std::exchange(state_->file, nullptr);
  if (std::fclose(file) != 0) fail("results: {}: cannot write; is the disk full?", state_->temporary);
  std::error_code error;
  std::filesystem::rename(state_->temporary, state_->path, error);
  if (error) fail("results: {}: cannot rename to {}: {}", state_->temporary, state_->path, error.message());
}

void write_results_json(const std::string& path, Span<const DetectionRecord> records,
                        const std::vector<std::int64_t>& category_ids) {
  ResultsWriter writer(path, category_ids);
  for (const DetectionRecord& record : records) writer.add(record);
  writer.finish();
}

}  // namespace fastermask
