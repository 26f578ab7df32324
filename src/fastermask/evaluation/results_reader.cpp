// Reading results files. Threads take parts of the text, cut between records, one after another and parse them side by
// side. Where to cut is guessed from "}, {". A guess that falls inside a string or a nested list leaves a part whose
// brackets do not close, so it cannot pass unnoticed: then, and for every other fault of the text, the whole file is
// read again record by record, which is slower and names the fault.
#include <simdjson.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
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

constexpr std::size_t kResultsPartBytes = std::size_t{1} << 20;

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

  // text[0, size) is a list of records; simdjson's padding follows it.
  void parse(std::string& text, std::size_t size, PartRecords& out) {
    out.records.reserve(size / 128);
    try {
      parse_list(text, size, out);
    } catch (const ej::ValueProblem& problem) {
      out.problem = problem.what();
    } catch (const ej::BrokenJson&) {
      out.broken = true;
    }
  }

 private:
  void parse_list(const std::string& text, std::size_t size, PartRecords& out) {
    od::document document;
    if (const auto code = parser_.iterate(text.data(), size, text.size()).get(document)) ej::throw_broken(code);
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

// Cuts the text into parts that are lists of records themselves. For one thread at a time.
class PartCutter {
 public:
  explicit PartCutter(ReadText read) : read_(std::move(read)) {}

  // Fills `text` with the next part, of `size` bytes, and spaces behind it. Returns false when there is none. When it
  // cannot be seen where a list begins or ends, `broken` becomes true.
  bool next(std::string& text, std::size_t& size) {
    if (ended_ || broken) return false;
    ended_ = true;  // should reading throw, no other thread goes on
    if (text.size() < kLeastBuffer) text.resize(kLeastBuffer);
    const bool first = part_++ == 0;
    std::size_t used = 0;
    if (!first) {
      while (text.size() < rest_.size() + kSpare + 1) text.resize(2 * text.size());
      text[used++] = '[';
      std::memcpy(&text[used], rest_.data(), rest_.size());
      used += rest_.size();
    }
    while (true) {
      const std::size_t wanted = text.size() - kSpare - used;
      const std::size_t count = read_(&text[used], wanted);
      used += count;
      if (first && !opened_ && !open_list(text, used)) return give_up();
      const bool last = count < wanted;
      const std::size_t end = last ? closing_bracket(text, used) : guess_cut(text.data(), used);
      if (end > 0) {
        if (!last) rest_.assign(text, end + 1, used - end - 1);
        text[end] = ']';
        size = end + 1;
        std::memset(&text[size], ' ', simdjson::SIMDJSON_PADDING);
        ended_ = last;
        return true;
      }
      if (last) return give_up();
      text.resize(2 * text.size());  // a record longer than the buffer
    }
  }

  bool broken = false;

 private:
  static constexpr std::size_t kSpare = simdjson::SIMDJSON_PADDING + 1;
  static constexpr std::size_t kLeastBuffer = kResultsPartBytes + kSpare;

  bool give_up() {
    broken = true;
    return false;
  }

  // Moves the text so that it starts with the opening bracket.
  bool open_list(std::string& text, std::size_t& used) {
    std::size_t at = used >= 3 && std::memcmp(text.data(), "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < used && is_results_space(text[at])) ++at;
    if (at == used || text[at] != '[') return false;
    std::memmove(text.data(), text.data() + at, used - at);
    used -= at;
    return opened_ = true;
  }

  static std::size_t closing_bracket(const std::string& text, std::size_t used) {
    std::size_t end = used;
    while (end > 0 && is_results_space(text[end - 1])) --end;
    return end > 1 && text[end - 1] == ']' ? end - 1 : 0;
  }

  ReadText read_;
  std::string rest_;  // what follows the part given last
  std::size_t part_ = 0;
  bool opened_ = false;
  bool ended_ = false;
};

// Puts parts that were parsed in any order together in the text's.
class PartCollector {
 public:
  // `text_bytes` is the length of the whole text, or 0 when that is not known.
  PartCollector(std::vector<DetectionRecord>& records, std::size_t text_bytes)
      : records_(records), text_bytes_(text_bytes) {}

  // `part_bytes` is the length of the part's text. Leaves in `found` the memory of a part put away earlier. Returns
  // false when there is no use in going on.
  bool add(std::size_t part, std::size_t part_bytes, PartRecords& found) {
    if (records_.capacity() == 0 && text_bytes_ > part_bytes) {
      records_.reserve(found.records.size() * (text_bytes_ + text_bytes_ / 16) / part_bytes);
    }
    if (part >= waiting_.size()) waiting_.resize(part + 1);
    waiting_[part] = std::move(found);
    found = PartRecords();
    while (faulty == nullptr && next_ < waiting_.size() && waiting_[next_]) {
      PartRecords& next = *waiting_[next_];
      records_.insert(records_.end(), std::make_move_iterator(next.records.begin()),
                      std::make_move_iterator(next.records.end()));
      if (next.problem || next.broken) {
        faulty = &next;
      } else {
        found.records = std::move(next.records);
        found.records.clear();
        waiting_[next_++].reset();
      }
    }
    return faulty == nullptr;
  }

  const PartRecords* faulty = nullptr;  // the first part with a fault, when all before it are there

 private:
  std::vector<DetectionRecord>& records_;
  std::size_t text_bytes_;
  std::deque<std::optional<PartRecords>> waiting_;
  std::size_t next_ = 0;
};

// The fast way. Returns false when the text must be read carefully.
bool parse_in_parts(const ReadText& read, std::size_t text_bytes, const std::string& where,
                    const CocoGroundTruth& truth, IouType type, std::vector<DetectionRecord>& records) {
  PartCutter cutter(read);
  PartCollector collector(records, text_bytes);
  std::mutex cutter_mutex;
  std::mutex collector_mutex;
  std::size_t parts = 0;
  std::atomic<bool> stop{false};
  parallel_for(0, num_threads(), 1, [&](std::int64_t, std::int64_t) {
    PartParser parser(truth, type);
    std::string text;
    PartRecords found;
    while (!stop) {
      std::size_t part = 0;
      std::size_t size = 0;
      {
        const std::lock_guard<std::mutex> lock(cutter_mutex);
        if (!cutter.next(text, size)) break;
        part = parts++;
      }
      parser.parse(text, size, found);
      const std::lock_guard<std::mutex> lock(collector_mutex);
      if (!collector.add(part, size, found)) stop = true;
    }
  });
  if (collector.faulty != nullptr && !collector.faulty->broken)
    fail<DataError>("{}: record {}: {}", where, records.size(), *collector.faulty->problem);
  return collector.faulty == nullptr && !cutter.broken;
}

}  // namespace

std::vector<DetectionRecord> read_results_json(const std::string& path, const CocoGroundTruth& truth, IouType type) {
  const std::string where = "cocoeval: " + path;
  std::vector<DetectionRecord> records;
  {
    TextInput input(path, where);
    const auto read = [&](char* buffer, std::size_t size) { return input.read(buffer, size); };
    if (parse_in_parts(read, input.plain_bytes(), where, truth, type, records)) return records;
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
  if (parse_in_parts(read, json.size(), where, truth, type, records)) return records;
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
