#include "fastermask/runtime/dump.h"

#include <fmt/format.h>

namespace fastermask {
namespace {

std::string dump_suffix(std::size_t image) { return image == 0 ? "" : fmt::format(".{}", image); }

NDArray boxes_array(const Boxes& boxes) {
  return NDArray::from({static_cast<std::int64_t>(boxes.size()), 4}, reinterpret_cast<const float*>(boxes.data()));
}

NDArray vector_array(const std::vector<float>& values) {
  return NDArray::from({static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

void dump_value(NamedArrays& dump, const std::string& name, const HostTensor& value) {
  if (value.shape.size() != 4) {
    dump[name] = NDArray::from(value.shape, value.data);
    return;
  }
  const std::int64_t pixels = value.shape[1] * value.shape[2];
  const std::int64_t channels = value.shape[3];
  NDArray planes(DType::float32, {value.shape[0], channels, value.shape[1], value.shape[2]});
  float* target = planes.data<float>();
  for (std::int64_t n = 0; n < value.shape[0]; ++n) {
    const float* source = value.data + n * pixels * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) *target++ = source[p * channels + c];
    }
  }
  dump[name] = std::move(planes);
}

void dump_proposals(NamedArrays& dump, const std::vector<Proposals>& proposals) {
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    dump["proposals.boxes" + dump_suffix(i)] = boxes_array(proposals[i].boxes);
    dump["proposals.logits" + dump_suffix(i)] = vector_array(proposals[i].logits);
  }
}

void dump_detections(NamedArrays& dump, const std::vector<Detections>& detections) {
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const std::vector<std::int64_t> classes(detections[i].classes.begin(), detections[i].classes.end());
    dump["detections.boxes" + dump_suffix(i)] = boxes_array(detections[i].boxes);
    dump["detections.scores" + dump_suffix(i)] = vector_array(detections[i].scores);
    dump["detections.classes" + dump_suffix(i)] = NDArray::from({static_cast<std::int64_t>(classes.size())}, classes);
  }
}

}  // namespace fastermask
