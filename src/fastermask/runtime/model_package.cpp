#include "fastermask/runtime/model_package.h"

#include <fmt/format.h>

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
#include "fastermask/runtime/model_package_format.h"

namespace fastermask {
namespace {

constexpr std::size_t kMaxHeader = 64u << 20;

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  fail<WeightsError>("model package: {}: {}; copy it again, or make it anew with 'fastermask compile'", path, what);
}

// An array of the file, in whichever of its types.
struct StoredArray {
  SharedFloats floats;  // of "f32", and of "i8", whose bytes they are
  SharedHalves halves;  // of "bf16"
  SharedFp16 fp16;      // of "f16"
  std::string method;   // of a convolution's weights
};

// A package's file: preamble and header read, data checked.
class PackageFile {
 public:
  explicit PackageFile(const std::string& path) : path_(path), file_(std::make_shared<const MappedFile>(path)) {
    const std::string_view bytes = file_->view();
    PackagePreamble preamble{};
    if (bytes.size() < sizeof preamble || std::memcmp(bytes.data(), kPackageMagic, sizeof kPackageMagic) != 0) {
      fail<WeightsError>("model package: {} is no model package (.fmm), as 'fastermask compile' makes them", path);
    }
    std::memcpy(&preamble, bytes.data(), sizeof preamble);
    if (preamble.format != kOldPackageFormat && preamble.format != kPackageFormat) {
      fail<WeightsError>(
          "model package: {} has format {}, this version of FasterMask reads formats {} and {}; make it anew "
          "with this version's 'fastermask compile'",
          path, preamble.format, kOldPackageFormat, kPackageFormat);
    }
    if (preamble.file_bytes != bytes.size()) {
      damaged(path, fmt::format("it has {} bytes where {} were written", bytes.size(), preamble.file_bytes));
    }
    if (preamble.header_bytes > std::min(kMaxHeader, bytes.size() - sizeof preamble))
      damaged(path, "its header is damaged");
    const std::string_view header = bytes.substr(sizeof preamble, preamble.header_bytes);
    if (package_hash(header) != preamble.header_hash) damaged(path, "its header is damaged");
    header_ = nlohmann::json::parse(header, nullptr, false);
    if (!header_.is_object()) damaged(path, "its header is no JSON object");
    data_ = bytes.substr(
        std::min(bytes.size(), package_aligned(sizeof preamble + preamble.header_bytes, kPackageDataAlign)));
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

  // An array as it lies in the mapped file.
  StoredArray array(const nlohmann::json& entry) const {
    const auto offset = get<std::uint64_t>(entry, "offset");
    const auto count = get<std::uint64_t>(entry, "count");
    const auto type = get<std::string>(entry, "type");
    if (type != "f32" && type != "bf16" && type != "f16" && type != "i8")
      damaged(path_, fmt::format("an array is of the unknown type '{}'", type));
    if (offset % kPackageArrayAlign != 0 || offset > data_.size() || count > (data_.size() - offset) / package_type_bytes(type)) {
      damaged(path_, "an array lies outside the file");
    }
    const char* const data = data_.data() + offset;
    StoredArray stored;
    if (entry.contains("method")) stored.method = get<std::string>(entry, "method");
    if (type == "bf16") {
      stored.halves = {std::shared_ptr<const Bf16>(file_, reinterpret_cast<const Bf16*>(data)), count};
    } else if (type == "f16") {
      stored.fp16 = {std::shared_ptr<const Fp16>(file_, reinterpret_cast<const Fp16*>(data)), count};
    } else {
      stored.floats = {std::shared_ptr<const float>(file_, reinterpret_cast<const float*>(data)), count};
    }
    return stored;
  }

  // Gives back the memory of numbers of 16 bits that have been copied.
  void forget(const StoredArray& array) const {
    const bool is_bf16 = array.halves.data != nullptr;
    const void* const data = is_bf16 ? static_cast<const void*>(array.halves.data.get()) : array.fp16.data.get();
    const auto begin = static_cast<std::size_t>(static_cast<const char*>(data) - file_->view().data());
    file_->forget(begin, begin + 2 * (is_bf16 ? array.halves.size : array.fp16.size));
  }

 private:
  void check_data() const {
    const auto hashes = get<std::vector<std::string>>(header_, "hashes");
    if (hashes.size() != (data_.size() + kPackageBlock - 1) / kPackageBlock)
      damaged(path_, "its list of checksums is damaged");
    std::atomic<std::size_t> wrong{hashes.size()};
    parallel_for(0, static_cast<std::int64_t>(hashes.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto index = static_cast<std::size_t>(i);
        if (fmt::format("{:016x}", package_hash(data_.substr(index * kPackageBlock, kPackageBlock))) != hashes[index])
          wrong = index;
      }
    });
    if (wrong < hashes.size()) {
      damaged(path_,
              fmt::format("the bytes around {} MB are not those that were written", wrong * kPackageBlock / 1000000));
    }
  }

  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::string_view data_;
  nlohmann::json header_;
};

using Arrays = std::map<std::pair<std::string, std::string>, StoredArray>;  // [layer, part]

// A convolution whose weights lie in the package. Those that are not used as they lie there are forgotten.
std::shared_ptr<const PackedConvolution> stored_convolution(const ConvolutionGeometry& geometry,
                                                            const StoredArray& weights, const SharedFloats& scales,
                                                            const SharedFloats& bias, const PackageFile& package) {
  const auto method = weights.method == "direct" ? ConvolutionMethod::direct : ConvolutionMethod::winograd;
  if (weights.floats.data != nullptr)
    return std::make_shared<PackedConvolution>(geometry, method, weights.floats, bias);
  const bool is_bf16 = weights.halves.data != nullptr;
  const auto convolution =
      is_bf16 ? std::make_shared<PackedConvolution>(geometry, method, weights.halves, bias)
              : std::make_shared<PackedConvolution>(geometry, method, Fp16Weights{weights.fp16, scales}, bias);
  if (convolution->arithmetic() != (is_bf16 ? HalfArithmetic::bfloat16 : HalfArithmetic::float16))
    package.forget(weights);
  return convolution;
}

LayerWeights weights_of_step(const Graph& graph, const FusedStep& step, const Arrays& arrays,
                             const PackageFile& package) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(step.layer)];
  const auto find = [&](const char* part) -> const StoredArray& {
    const auto found = arrays.find({layer.name, part});
    if (found == arrays.end()) damaged(package.path(), fmt::format("it has no {} of {}", part, layer.name));
    return found->second;
  };
  LayerWeights weights;
  if (layer.type == LayerType::normalisation) {
    weights.scale = find("scale").floats;
    weights.shift = find("shift").floats;
    return weights;
  }
  const ConvolutionGeometry geometry = step_geometry(graph, step);
  try {
    if (arrays.count({layer.name, "panels"}) > 0) {
      weights.integer = std::make_shared<IntegerConvolution>(
          geometry,
          IntegerWeights{find("panels").floats, find("scales").floats, find("sums").floats, find("bias").floats});
      return weights;
    }
    const std::string& method = find("weights").method;
    if (method != "direct" && (method != "winograd" || !PackedConvolution::winograd_fits(geometry)))
      damaged(package.path(), fmt::format("{} cannot be computed by '{}'", layer.name, method));
    const StoredArray& packed = find("weights");
    const SharedFloats scales = packed.fp16.data != nullptr ? find("weight_scales").floats : SharedFloats{};
    weights.convolution = stored_convolution(geometry, packed, scales, find("bias").floats, package);
  } catch (const WeightsError&) {
    throw;
  } catch (const Error& error) {
    damaged(package.path(), fmt::format("{}: {}", layer.name, error.what()));
  }
  return weights;
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
    arrays[{file.get<std::string>(entry, "layer"), file.get<std::string>(entry, "part")}] = file.array(entry);
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
  char magic[sizeof kPackageMagic] = {};
  stream.read(magic, sizeof magic);
  return stream.gcount() == sizeof magic && std::memcmp(magic, kPackageMagic, sizeof magic) == 0;
}

}  // namespace fastermask
