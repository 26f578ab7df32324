// Reading results files. The text is taken in blocks; each is cut between records into one part a thread, and the parts
// are parsed side by side. Where to cut is guessed from "}, {". A guess that falls inside a string or a nested list
// leaves a part whose brackets do not close, so it cannot pass unnoticed: then, and for every other fault of the text,
// the whole file is read again record by record, which is slower and names the fault.
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/data/json_scan.h"
#include "fastermask/evaluation/record_parser.h"
#include "fastermask/evaluation/results.h"
#include "fastermask/evaluation/text_input.h"

namespace fastermask {
namespace {

namespace ej = evaluation_json;
namespace od = simdjson::ondemand;

constexpr std::size_t kResultsPartBytes = std::size_t{2} << 20;

bool is_results_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The place of the last comma before `end` that seems to stand between two records, or 0. text[0] is '['.
std::size_t guess_cut(const char* text, std::size_t end) {
  std::size_t at = end;
  while (true) {
    const void* found = at > 1 ? memrchr(text, ',', at) : nullptr;
    if (found == nullptr) return 0;
    at = static_cast<std::size_t>(static_cast<const char*>(found) - text);
    std::size_t before = at;
    while (before > 0 && is_results_space(text[before - 1])) --before;
    std::size_t after = at + 1;
    while (after < end && is_results_space(text[after])) ++after;
    if (before > 0 && text[before - 1] == '}' && after < end && text[after] == '{') return at;
  }
}

// Records of one part, and what went wrong at its end.
struct PartRecords {
  std::vector<DetectionRecord> records;
  std::optional<std::string> problem;  // of the record after those
  bool broken = false;                 // the text is not JSON, or was cut in the wrong place
};

// Parses parts one after another; each thread has its own.
class PartParser {
 public:
  PartParser(const CocoGroundTruth& truth, IouType type) : record_parser_(truth, type) {}

  // `records` is the text between the outer brackets, or a piece of it between two records.
  void parse(std::string_view records, PartRecords& out) {
    text_.resize(records.size() + 2 + simdjson::SIMDJSON_PADDING);
    text_.front() = '[';
    std::memcpy(&text_[1], records.data(), records.size());
    std::memset(&text_[1 + records.size()], ' ', 1 + simdjson::SIMDJSON_PADDING);
    text_[1 + records.size()] = ']';
    out.records.reserve(records.size() / 128);
    try {
      parse_list(records.size() + 2, out);
    } catch (const ej::ValueProblem& problem) {
      out.problem = problem.what();
    } catch (const ej::BrokenJson&) {
      out.broken = true;
    }
  }

 private:
  void parse_list(std::size_t size, PartRecords& out) {
    od::document document;
    if (const auto code = parser_.iterate(text_.data(), size, text_.size()).get(document)) ej::throw_broken(code);
    od::array array;
    if (const auto code = document.get_array().get(array)) ej::throw_broken(code);
    for (auto result : array) {
      od::object object;
      if (const auto code = result.get_object().get(object)) ej::throw_broken(code);
      DetectionRecord record;
      record_parser_.parse(object, record);
      out.records.push_back(std::move(record));
    }
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) ej::throw_broken(simdjson::TRAILING_CONTENT);
  }

  RecordParser record_parser_;
  od::parser parser_;
  std::string text_;
};

// Record by record, with a scanner that knows where in the text it is.
std::vector<DetectionRecord> parse_carefully(std::string text, const std::string& where, const CocoGroundTruth& truth,
                                             IouType type) {
  text.append(simdjson::SIMDJSON_PADDING, ' ');
  std::vector<DetectionRecord> records;
  const auto fail_at_record = [&](const std::string& what) {
    fail<DataError>("{}: record {}: {}", where, records.size(), what);
  };
  json::Scanner scanner(text, "");
  const auto careful = [&](const std::function<void()>& step) {
    try {
      step();
    } catch (const DataError& error) {
      fail_at_record(std::string(error.what()).substr(2));  // without the scanner's empty name
    }
  };
  std::string_view element;
  std::size_t element_end = text.find('[') + 1;
  bool more = true;
  careful([&] { scanner.enter_array(text); });
  RecordParser record_parser(truth, type);
  od::parser parser;
  while (true) {
    careful([&] { more = scanner.next_element(element); });
    if (!more) break;
    const std::size_t readable = static_cast<std::size_t>(text.data() + text.size() - element.data());
    element_end = text.size() - readable + element.size();
    try {
      od::document document;
      if (const auto code = parser.iterate(element.data(), element.size(), readable).get(document))
        ej::throw_broken(code);
      od::object object;
      if (document.get_object().get(object) != simdjson::SUCCESS) fail_at_record("must be an object");
      DetectionRecord record;
      record_parser.parse(object, record);
      records.push_back(std::move(record));
    } catch (const ej::ValueProblem& problem) {
      fail_at_record(problem.what());
    } catch (const ej::BrokenJson& problem) {
      const std::size_t at = static_cast<std::size_t>(element.data() - text.data());
      fail_at_record(fmt::format("broken JSON in the record that begins at byte {}: {}", at, problem.what()));
    }
  }
  const std::size_t after = text.find(']', element_end) + 1;
  const std::size_t more_text = text.find_first_not_of(" \n\r\t", after);
  if (more_text != std::string::npos)
    fail<DataError>("{}: there is more text after the list, at byte {}", where, more_text);
  return records;
}

// Gives the next bytes of the text; fewer than asked only at its end.
using ReadText = std::function<std::size_t(char*, std::size_t)>;

// The fast way. Returns false when the text must be read carefully.
class BlockReader {
 public:
  BlockReader(ReadText read, std::string where, const CocoGroundTruth& truth, IouType type)
      : read_(std::move(read)), where_(std::move(where)) {
    const std::size_t threads = static_cast<std::size_t>(num_threads());
    parts_.resize(threads);
    for (std::size_t i = 0; i < threads; ++i) parsers_.push_back(std::make_unique<PartParser>(truth, type));
    block_.resize(kResultsPartBytes * threads + 1);
  }

  bool run(std::vector<DetectionRecord>& records) {
    bool first = true;
    while (true) {
      if (kept_ == block_.size()) block_.resize(2 * block_.size());  // a record longer than the block
      kept_ += read_(&block_[kept_], block_.size() - kept_);
      const bool last = kept_ < block_.size();
      if (first && !open_list()) return false;
      first = false;
      std::size_t end = last ? closing_bracket() : guess_cut(block_.data(), kept_);
      if (last && end == 0) return false;
      if (end == 0) continue;
      if (!parse_block(end, records)) return false;
      if (last) return true;
      // The comma takes the place of the opening bracket for what follows.
      std::memmove(block_.data(), block_.data() + end, kept_ - end);
      kept_ -= end;
    }
  }

 private:
  // Moves the text so that block_[0] is the opening bracket.
  bool open_list() {
    std::size_t at = kept_ >= 3 && std::memcmp(block_.data(), "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < kept_ && is_results_space(block_[at])) ++at;
    if (at == kept_ || block_[at] != '[') return false;
    std::memmove(block_.data(), block_.data() + at, kept_ - at);
    kept_ -= at;
    // Short of a whole block now, which must not look like the end of the file.
    kept_ += read_(&block_[kept_], at == 0 ? 0 : block_.size() - kept_);
    return true;
  }

  std::size_t closing_bracket() const {
    std::size_t end = kept_;
    while (end > 0 && is_results_space(block_[end - 1])) --end;
    return end > 1 && block_[end - 1] == ']' ? end - 1 : 0;
  }

  // Records between block_[0] (a bracket or comma) and block_[end].
  bool parse_block(std::size_t end, std::vector<DetectionRecord>& records) {
    std::vector<std::size_t> cuts{0};
    for (std::size_t i = 1; i < parts_.size(); ++i) {
      const std::size_t cut = guess_cut(block_.data(), end * i / parts_.size());
      if (cut > cuts.back()) cuts.push_back(cut);
    }
    cuts.push_back(end);
    const std::size_t count = cuts.size() - 1;
    parallel_for(0, static_cast<std::int64_t>(count), 1, [&](std::int64_t begin_part, std::int64_t end_part) {
      for (auto i = static_cast<std::size_t>(begin_part); i < static_cast<std::size_t>(end_part); ++i) {
        parts_[i] = PartRecords();
        parsers_[i]->parse({block_.data() + cuts[i] + 1, cuts[i + 1] - cuts[i] - 1}, parts_[i]);
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (parts_[i].broken) return false;
      if (parts_[i].problem) {
        fail<DataError>("{}: record {}: {}", where_, records.size() + parts_[i].records.size(), *parts_[i].problem);
      }
      records.insert(records.end(), std::make_move_iterator(parts_[i].records.begin()),
                     std::make_move_iterator(parts_[i].records.end()));
    }
    return true;
  }

  ReadText read_;
  std::string where_;
  std::vector<std::unique_ptr<PartParser>> parsers_;
  std::vector<PartRecords> parts_;
  std::string block_;
  std::size_t kept_ = 0;  // bytes of block_ in use
};

}  // namespace

std::vector<DetectionRecord> read_results_json(const std::string& path, const CocoGroundTruth& truth, IouType type) {
  const std::string where = "cocoeval: " + path;
  std::vector<DetectionRecord> records;
  {
    TextInput input(path, where);
    BlockReader reader([&](char* buffer, std::size_t size) { return input.read(buffer, size); }, where, truth, type);
    if (reader.run(records)) return records;
  }
  return parse_carefully(TextInput(path, where).read_all(), where, truth, type);
}

std::vector<DetectionRecord> parse_results_json(std::string_view json, const std::string& name,
                                                const CocoGroundTruth& truth, IouType type) {
  const std::string where = "cocoeval: " + name;
  std::vector<DetectionRecord> records;
  std::size_t at = 0;
  const auto read = [&](char* buffer, std::size_t size) {
    const std::size_t count = std::min(size, json.size() - at);
    if (count > 0) std::memcpy(buffer, json.data() + at, count);
    at += count;
    return count;
  };
  if (BlockReader(read, where, truth, type).run(records)) return records;
  return parse_carefully(std::string(json), where, truth, type);
}

IouType guess_iou_type(const std::string& path) {
  const std::string where = "cocoeval: " + path;
  std::string text = TextInput(path, where).read_all();
  json::Scanner scanner(text, where);
  scanner.enter_array(text);
  std::string_view element;
  if (!scanner.next_element(element)) return IouType::bbox;
  std::string record(element);
  record.append(simdjson::SIMDJSON_PADDING, ' ');
  od::parser parser;
  od::document document;
  od::object object;
  IouType type = IouType::bbox;
  if (parser.iterate(record.data(), element.size(), record.size()).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS) {
    fail<DataError>("{}: record 0: must be an object", where);
  }
  try {
    ej::for_each_member(object, [&](od::raw_json_string key, od::value) {
      if (key.unsafe_is_equal("keypoints")) type = IouType::keypoints;
      if (key.unsafe_is_equal("segmentation") && type == IouType::bbox) type = IouType::segm;
    });
  } catch (const ej::BrokenJson& problem) {
    fail<DataError>("{}: record 0: broken JSON: {}", where, problem.what());
  }
  return type;
}

}  // namespace fastermask
