#include "fastermask/runtime/model_package.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/config/load.h"

namespace fastermask {
namespace {

constexpr char kMagic[8] = {'F', 'M', 'M', 'O', 'D', 'E', 'L', '\n'};
constexpr std::uint32_t kFormat = 2;
constexpr std::size_t kDataAlign = 4096;  // of the data, and so of the mapping's pages
constexpr std::size_t kArrayAlign = 64;   // of each array
constexpr std::size_t kBlock = 4u << 20;  // bytes with a checksum of their own
constexpr std::size_t kMaxHeader = 64u << 20;

// The file begins with this; numbers are little-endian.
struct Preamble {
  char magic[8];
  std::uint32_t format;
  std::uint32_t unused;
  std::uint64_t file_bytes;
  std::uint64_t header_bytes;  // JSON, right behind
  std::uint64_t header_hash;   // XXH3 of the JSON
};
static_assert(sizeof(Preamble) == 40);

std::size_t aligned(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::uint64_t hash_of(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  fail<WeightsError>("model package: {}: {}; copy it again, or make it anew with 'fastermask compile'", path, what);
}

// An array of a layer, under its name in the file.
struct Entry {
  std::string layer;
  std::string part;  // "weights", "bias"; of int8 "panels", "scales", "sums", "bias"; of norms "scale", "shift"
  const SharedFloats* floats;
};

bool is_stored_in_16_bits(const std::string& part, WeightPrecision precision) {
  return precision == WeightPrecision::bf16 && part == "weights";
}

// The upper halves of floats that are bfloat16 already.
std::string upper_halves(const Entry& entry) {
  std::string bytes(entry.floats->size * 2, '\0');
  for (std::size_t i = 0; i < entry.floats->size; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, entry.floats->data.get() + i, sizeof bits);
    FASTERMASK_CHECK((bits & 0xffffu) == 0, "model package: the weights of {} are not rounded to bf16", entry.layer);
    const auto half = static_cast<std::uint16_t>(bits >> 16);
    std::memcpy(&bytes[i * 2], &half, sizeof half);
  }
  return bytes;
}

std::vector<Entry> entries_of(const CompiledWeights& weights) {
  std::vector<Entry> entries;
  for (const auto& [layer, parts] : weights) {
    if (parts.integer != nullptr) {
      const IntegerWeights& integers = parts.integer->weights();
      entries.push_back({layer, "panels", &integers.panels});
      entries.push_back({layer, "scales", &integers.scale});
      entries.push_back({layer, "sums", &integers.sum});
      entries.push_back({layer, "bias", &integers.bias});
    } else if (parts.convolution != nullptr) {
      entries.push_back({layer, "weights", &parts.convolution->packed_weights()});
      entries.push_back({layer, "bias", &parts.convolution->packed_bias()});
    } else {
      entries.push_back({layer, "scale", &parts.scale});
      entries.push_back({layer, "shift", &parts.shift});
    }
  }
  return entries;
}

// Writes the arrays behind each other and hashes them block by block as they go by.
class DataWriter {
 public:
  explicit DataWriter(std::ofstream& stream) : stream_(stream) {}

  void write(const char* bytes, std::size_t size) {
    while (size > 0) {
      const std::size_t part = std::min(size, kBlock - block_.size());
      block_.append(bytes, part);
      bytes += part;
      size -= part;
      if (block_.size() == kBlock) flush();
    }
  }
  void pad(std::size_t count) {
    const std::string zeros(count, '\0');
    write(zeros.data(), count);
  }
  std::vector<std::string> finish() {
    if (!block_.empty()) flush();
    return std::move(hashes_);
  }

 private:
  void flush() {
    hashes_.push_back(fmt::format("{:016x}", hash_of(block_)));
    stream_.write(block_.data(), static_cast<std::streamsize>(block_.size()));
    block_.clear();
  }

  std::ofstream& stream_;
  std::string block_;
  std::vector<std::string> hashes_;
};

// A package's file: preamble and header read, data checked.
class PackageFile {
 public:
  explicit PackageFile(const std::string& path) : path_(path), file_(std::make_shared<const MappedFile>(path)) {
    const std::string_view bytes = file_->view();
    Preamble preamble{};
    if (bytes.size() < sizeof preamble || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
      fail<WeightsError>("model package: {} is no model package (.fmm), as 'fastermask compile' makes them", path);
    }
    std::memcpy(&preamble, bytes.data(), sizeof preamble);
    if (preamble.format != kFormat) {
      fail<WeightsError>(
          "model package: {} has format {}, this version of FasterMask reads format {}; make it anew "
          "with this version's 'fastermask compile'",
          path, preamble.format, kFormat);
    }
    if (preamble.file_bytes != bytes.size()) {
      damaged(path, fmt::format("it has {} bytes where {} were written", bytes.size(), preamble.file_bytes));
    }
    if (preamble.header_bytes > std::min(kMaxHeader, bytes.size() - sizeof preamble))
      damaged(path, "its header is damaged");
    const std::string_view header = bytes.substr(sizeof preamble, preamble.header_bytes);
    if (hash_of(header) != preamble.header_hash) damaged(path, "its header is damaged");
    header_ = nlohmann::json::parse(header, nullptr, false);
    if (!header_.is_object()) damaged(path, "its header is no JSON object");
    data_ = bytes.substr(std::min(bytes.size(), aligned(sizeof preamble + preamble.header_bytes, kDataAlign)));
    check_data();
  }

  const nlohmann::json& header() const { return header_; }
  const std::string& path() const { return path_; }

  // A header's value, of the type asked for.
  template <class T>
  T get(const nlohmann::json& object, const char* key) const {
    try {
      return object.at(key).get<T>();
    } catch (const nlohmann::json::exception&) {
      damaged(path_, fmt::format("its header lacks a proper '{}'", key));
    }
  }

  SharedFloats floats(const nlohmann::json& entry) const {
    const auto offset = get<std::uint64_t>(entry, "offset");
    const auto count = get<std::uint64_t>(entry, "floats");
    const std::string type = entry.contains("type") ? get<std::string>(entry, "type") : "f32";
    if (type != "f32" && type != "bf16" && type != "i8") damaged(path_, fmt::format("an array is of the unknown type '{}'", type));
    const std::size_t each = type == "bf16" ? sizeof(std::uint16_t) : sizeof(float);
    if (offset % kArrayAlign != 0 || offset > data_.size() || count > (data_.size() - offset) / each) {
      damaged(path_, "an array lies outside the file");
    }
    if (type == "bf16") return widened(data_.data() + offset, static_cast<std::size_t>(count));
    const auto* data = reinterpret_cast<const float*>(data_.data() + offset);
    return {std::shared_ptr<const float>(file_, data), static_cast<std::size_t>(count)};
  }

 private:
  static SharedFloats widened(const char* halves, std::size_t count) {
    const auto owner = std::make_shared<AlignedFloats>(count);
    float* const out = owner->data();
    parallel_for(0, static_cast<std::int64_t>(count), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::uint16_t half = 0;
        std::memcpy(&half, halves + i * 2, sizeof half);
        const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
        std::memcpy(out + i, &bits, sizeof bits);
      }
    });
    return {std::shared_ptr<const float>(owner, owner->data()), count};
  }

  void check_data() const {
    const auto hashes = get<std::vector<std::string>>(header_, "hashes");
    if (hashes.size() != (data_.size() + kBlock - 1) / kBlock) damaged(path_, "its list of checksums is damaged");
    std::atomic<std::size_t> wrong{hashes.size()};
    parallel_for(0, static_cast<std::int64_t>(hashes.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto index = static_cast<std::size_t>(i);
        if (fmt::format("{:016x}", hash_of(data_.substr(index * kBlock, kBlock))) != hashes[index]) wrong = index;
      }
    });
    if (wrong < hashes.size()) {
      damaged(path_, fmt::format("the bytes around {} MB are not those that were written", wrong * kBlock / 1000000));
    }
  }

  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::string_view data_;
  nlohmann::json header_;
};

using Arrays = std::map<std::pair<std::string, std::string>, std::pair<SharedFloats, std::string>>;  // method with it

LayerWeights weights_of_step(const Graph& graph, const FusedStep& step, const Arrays& arrays,
                             const PackageFile& package) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(step.layer)];
  const auto find = [&](const char* part) -> const std::pair<SharedFloats, std::string>& {
    const auto found = arrays.find({layer.name, part});
    if (found == arrays.end()) damaged(package.path(), fmt::format("it has no {} of {}", part, layer.name));
    return found->second;
  };
  LayerWeights weights;
  if (layer.type == LayerType::normalisation) {
    weights.scale = find("scale").first;
    weights.shift = find("shift").first;
    return weights;
  }
  const ConvolutionGeometry geometry = step_geometry(graph, step);
  if (arrays.count({layer.name, "panels"}) > 0) {
    try {
      weights.integer = std::make_shared<IntegerConvolution>(
          geometry, IntegerWeights{find("panels").first, find("scales").first, find("sums").first, find("bias").first});
    } catch (const WeightsError&) {
      throw;
    } catch (const Error& error) {
      damaged(package.path(), fmt::format("{}: {}", layer.name, error.what()));
    }
    return weights;
  }
  const auto& [packed, method] = find("weights");
  if (method != "direct" && (method != "winograd" || !PackedConvolution::winograd_fits(geometry)))
    damaged(package.path(), fmt::format("{} cannot be computed by '{}'", layer.name, method));
  try {
    weights.convolution = std::make_shared<PackedConvolution>(
        geometry, method == "direct" ? ConvolutionMethod::direct : ConvolutionMethod::winograd, packed,
        find("bias").first);
  } catch (const WeightsError&) {
    throw;
  } catch (const Error& error) {
    damaged(package.path(), fmt::format("{}: {}", layer.name, error.what()));
  }
  return weights;
}

// {graph: [[value, scale, zero], ...]}
nlohmann::json ranges_json(const NetworkRanges& ranges) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [graph, values] : ranges) {
    json[graph] = nlohmann::json::array();
    for (const auto& [value, range] : values) json[graph].push_back({value, range.scale, range.zero});
  }
  return json;
}

NetworkRanges ranges_of(const PackageFile& package) {
  NetworkRanges ranges;
  using Row = std::tuple<int, float, int>;
  for (const auto& [graph, values] : package.get<std::map<std::string, std::vector<Row>>>(package.header(), "ranges")) {
    for (const auto& [value, scale, zero] : values) {
      if (!(scale > 0) || !std::isfinite(scale) || zero < 0 || zero > kIntegerActivationMax)
        damaged(package.path(), fmt::format("value {} of {} has an impossible range", value, graph));
      ranges[graph][value] = {scale, zero};
    }
  }
  return ranges;
}

bool needs_weights(LayerType type) {
  return type == LayerType::convolution || type == LayerType::deformable_convolution ||
         type == LayerType::deconvolution || type == LayerType::linear || type == LayerType::normalisation;
}

}  // namespace

void save_model_package(const std::string& path, const Config& config, const ClassList& classes,
                        const CompiledWeights& weights, WeightPrecision precision, const NetworkRanges& ranges) {
  const std::vector<Entry> entries = entries_of(weights);
  Config kept = config;
  kept.model.weights.clear();  // they are in here; where they were is nobody's business
  kept.output_dir = Config().output_dir;
  nlohmann::json header = {{"made_by", FASTERMASK_VERSION},        {"precision", to_string(precision)},
                           {"config", dump_config(kept)},          {"class_names", classes.names},
                           {"category_ids", classes.category_ids}, {"skeleton", classes.skeleton},
                           {"arrays", nlohmann::json::array()}};
  if (precision == WeightPrecision::int8) header["ranges"] = ranges_json(ranges);
  std::size_t data_bytes = 0;
  for (const Entry& entry : entries) {
    nlohmann::json array = {
        {"layer", entry.layer}, {"part", entry.part}, {"offset", data_bytes}, {"floats", entry.floats->size}};
    if (entry.part == "weights") {
      const bool direct = weights.at(entry.layer).convolution->method() == ConvolutionMethod::direct;
      array["method"] = direct ? "direct" : "winograd";
    }
    const bool halves = is_stored_in_16_bits(entry.part, precision);
    array["type"] = entry.part == "panels" ? "i8" : halves ? "bf16" : "f32";
    header["arrays"].push_back(std::move(array));
    data_bytes = aligned(data_bytes + entry.floats->size * (halves ? 2 : sizeof(float)), kArrayAlign);
  }
  // The header's size decides where the data begin, and holds their checksums: room is kept for these.
  header["hashes"] = std::vector<std::string>((data_bytes + kBlock - 1) / kBlock, std::string(16, '0'));
  const std::size_t header_bytes = header.dump().size();
  const std::size_t data_start = aligned(sizeof(Preamble) + header_bytes, kDataAlign);
  write_file_atomic(path, [&](const std::string& temporary) {
    std::ofstream stream(temporary, std::ios::binary);
    const std::string room(data_start, '\0');
    stream.write(room.data(), static_cast<std::streamsize>(room.size()));
    DataWriter writer(stream);
    for (const Entry& entry : entries) {
      const bool halves = is_stored_in_16_bits(entry.part, precision);
      const std::size_t bytes = entry.floats->size * (halves ? 2 : sizeof(float));
      if (halves) {
        writer.write(upper_halves(entry).data(), bytes);
      } else {
        writer.write(reinterpret_cast<const char*>(entry.floats->data.get()), bytes);
      }
      writer.pad(aligned(bytes, kArrayAlign) - bytes);
    }
    header["hashes"] = writer.finish();
    const std::string text = header.dump();
    Preamble preamble{};
    std::memcpy(preamble.magic, kMagic, sizeof kMagic);
    preamble.format = kFormat;
    preamble.file_bytes = data_start + data_bytes;
    preamble.header_bytes = text.size();
    preamble.header_hash = hash_of(text);
    stream.seekp(0);
    stream.write(reinterpret_cast<const char*>(&preamble), sizeof preamble);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    stream.close();
    if (!stream) fail("model package: {} cannot be written; is the disk full?", path);
  });
}

ModelPackage load_model_package(const std::string& path) {
  const PackageFile file(path);
  ModelPackage package;
  package.made_by = file.get<std::string>(file.header(), "made_by");
  const auto precision = file.get<std::string>(file.header(), "precision");
  if (precision != "f32" && precision != "bf16" && precision != "int8")
    damaged(path, fmt::format("its precision '{}' is none that this version reads", precision));
  package.precision = parse_weight_precision(precision);
  if (package.precision == WeightPrecision::int8) package.ranges = ranges_of(file);
  package.config = parse_config(file.get<std::string>(file.header(), "config"), path);
  package.classes.names = file.get<std::vector<std::string>>(file.header(), "class_names");
  package.classes.category_ids = file.get<std::vector<std::int64_t>>(file.header(), "category_ids");
  if (package.classes.names.size() != static_cast<std::size_t>(package.config.model.roi_heads.num_classes) ||
      package.classes.category_ids.size() != package.classes.names.size()) {
    damaged(path, "its class names are not as many as its network has classes");
  }
  if (file.header().contains("skeleton"))
    package.classes.skeleton = file.get<std::vector<std::pair<int, int>>>(file.header(), "skeleton");
  for (const auto& [from, to] : package.classes.skeleton) {
    if (std::min(from, to) < 0 || std::max(from, to) >= package.config.model.roi_keypoint_head.num_keypoints)
      damaged(path, "its skeleton joins keypoints that its network does not have");
  }
  Arrays arrays;
  for (const nlohmann::json& entry : file.get<nlohmann::json::array_t>(file.header(), "arrays")) {
    arrays[{file.get<std::string>(entry, "layer"), file.get<std::string>(entry, "part")}] = {
        file.floats(entry), entry.contains("method") ? file.get<std::string>(entry, "method") : ""};
  }
  const Network network = build_network(package.config);
  for (const Graph* graph : network.graphs()) {
    for (const FusedStep& step : fuse(*graph).steps) {
      const Layer& layer = graph->layers[static_cast<std::size_t>(step.layer)];
      if (needs_weights(layer.type) && package.weights.count(layer.name) == 0)
        package.weights[layer.name] = weights_of_step(*graph, step, arrays, file);
    }
  }
  return package;
}

bool is_model_package(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  char magic[sizeof kMagic] = {};
  stream.read(magic, sizeof magic);
  return stream.gcount() == sizeof magic && std::memcmp(magic, kMagic, sizeof magic) == 0;
}

}  // namespace fastermask
