// Writing model packages (model_package.h).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/config/load.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/model_package_format.h"

namespace fastermask {
namespace {

// An array of a layer, under its name in the file.
struct PackedArray {
  std::string layer;
  std::string part;  // "weights", "bias", of f16 weights "weight_scales"; of int8 "panels", "scales", "sums", "bias"; of norms "scale", "shift"
  std::string type;  // "f32", "bf16", "f16", or "i8", of which four count as one
  std::size_t count = 0;
  std::shared_ptr<const void> data;

  std::size_t bytes() const { return count * package_type_bytes(type); }
};

std::vector<PackedArray> entries_of(const CompiledWeights& weights, WeightPrecision precision) {
  std::vector<PackedArray> entries;
  for (const auto& [layer, parts] : weights) {
    const auto add = [&entries, &name = layer](const char* part, const SharedFloats& floats, const char* type = "f32") {
      entries.push_back({name, part, type, floats.size, floats.data});
    };
    if (parts.integer != nullptr) {
      const IntegerWeights& integers = parts.integer->weights();
      add("panels", integers.panels, "i8");
      add("scales", integers.scale);
      add("sums", integers.sum);
      add("bias", integers.bias);
    } else if (parts.convolution == nullptr) {
      add("scale", parts.scale);
      add("shift", parts.shift);
    } else {
      add("bias", parts.convolution->packed_bias());
      if (precision == WeightPrecision::f32) {
        add("weights", parts.convolution->packed_weights());
      } else if (parts.convolution->arithmetic() == HalfArithmetic::float16) {
        const Fp16Weights& fp16 = parts.convolution->fp16_weights();
        add("weight_scales", fp16.scale);
        entries.push_back({layer, "weights", "f16", fp16.panels.size, fp16.panels.data});
      } else {
        const SharedHalves halves = parts.convolution->packed_halves();
        entries.push_back({layer, "weights", "bf16", halves.size, halves.data});
      }
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
      const std::size_t part = std::min(size, kPackageBlock - block_.size());
      block_.append(bytes, part);
      bytes += part;
      size -= part;
      if (block_.size() == kPackageBlock) flush();
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
    hashes_.push_back(fmt::format("{:016x}", package_hash(block_)));
    stream_.write(block_.data(), static_cast<std::streamsize>(block_.size()));
    block_.clear();
  }

  std::ofstream& stream_;
  std::string block_;
  std::vector<std::string> hashes_;
};

// {graph: [[value, scale, zero], ...]}
nlohmann::json ranges_json(const NetworkRanges& ranges) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [graph, values] : ranges) {
    json[graph] = nlohmann::json::array();
    for (const auto& [value, range] : values) json[graph].push_back({value, range.scale, range.zero});
  }
  return json;
}

}  // namespace

void save_model_package(const std::string& path, const Config& config, const ClassList& classes,
                        const CompiledWeights& weights, WeightPrecision precision, const NetworkRanges& ranges) {
  const std::vector<PackedArray> entries = entries_of(weights, precision);
  Config kept = config;
  kept.model.weights.clear();  // they are in here; where they were is nobody's business
  kept.output_dir = Config().output_dir;
  nlohmann::json header = {{"made_by", FASTERMASK_VERSION},        {"precision", to_string(precision)},
                           {"config", dump_config(kept)},          {"class_names", classes.names},
                           {"category_ids", classes.category_ids}, {"skeleton", classes.skeleton},
                           {"arrays", nlohmann::json::array()}};
  if (precision == WeightPrecision::int8) header["ranges"] = ranges_json(ranges);
  std::size_t data_bytes = 0;
  for (const PackedArray& entry : entries) {
    nlohmann::json array = {{"layer", entry.layer},
                            {"part", entry.part},
                            {"offset", data_bytes},
                            {"count", entry.count},
                            {"type", entry.type}};
    if (entry.part == "weights") {
      const bool direct = weights.at(entry.layer).convolution->method() == ConvolutionMethod::direct;
      array["method"] = direct ? "direct" : "winograd";
    }
    header["arrays"].push_back(std::move(array));
    data_bytes = package_aligned(data_bytes + entry.bytes(), kPackageArrayAlign);
  }
  // The header's size decides where the data begin, and holds their checksums: room is kept for these.
  header["hashes"] = std::vector<std::string>((data_bytes + kPackageBlock - 1) / kPackageBlock, std::string(16, '0'));
  const std::size_t header_bytes = header.dump().size();
  const std::size_t data_start = package_aligned(sizeof(PackagePreamble) + header_bytes, kPackageDataAlign);
  write_file_atomic(path, [&](const std::string& temporary) {
    std::ofstream stream(temporary, std::ios::binary);
    const std::string room(data_start, '\0');
    stream.write(room.data(), static_cast<std::streamsize>(room.size()));
    DataWriter writer(stream);
    for (const PackedArray& entry : entries) {
      writer.write(static_cast<const char*>(entry.data.get()), entry.bytes());
      writer.pad(package_aligned(entry.bytes(), kPackageArrayAlign) - entry.bytes());
    }
    header["hashes"] = writer.finish();
    const std::string text = header.dump();
    PackagePreamble preamble{};
    std::memcpy(preamble.magic, kPackageMagic, sizeof kPackageMagic);
    preamble.format = kPackageFormat;
    preamble.file_bytes = data_start + data_bytes;
    preamble.header_bytes = text.size();
    preamble.header_hash = package_hash(text);
    stream.seekp(0);
    stream.write(reinterpret_cast<const char*>(&preamble), sizeof preamble);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    stream.close();
    if (!stream) fail("model package: {} cannot be written; is the disk full?", path);
  });
}

}  // namespace fastermask
