#include "fastermask/evaluation/detection_bytes.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

template <class T>
void put_values(std::string& bytes, const T* values, std::size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto length = static_cast<std::uint64_t>(count);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  if (count > 0) bytes.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

template <class T>
void put_vector(std::string& bytes, const std::vector<T>& values) {
  put_values(bytes, values.data(), values.size());
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  std::size_t length() {
    std::uint64_t length = 0;
    copy(&length, sizeof length);
    FASTERMASK_CHECK(length <= bytes_.size(), "detections: damaged bytes: {} elements in {}", length, bytes_.size());
    return static_cast<std::size_t>(length);
  }

  template <class T>
  std::vector<T> vector() {
    const std::size_t count = length();
    FASTERMASK_CHECK(count <= bytes_.size() / sizeof(T), "detections: damaged bytes: {} elements in {}", count,
                     bytes_.size());
    std::vector<T> values(count);
    if (count > 0) copy(values.data(), count * sizeof(T));
    return values;
  }

  bool at_end() const { return bytes_.empty(); }

 private:
  void copy(void* target, std::size_t size) {
    FASTERMASK_CHECK(size <= bytes_.size(), "detections: damaged bytes: {} wanted, {} there", size, bytes_.size());
    std::memcpy(target, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }

  std::string_view bytes_;
};

}  // namespace

std::string detections_to_bytes(const Detections& detections) {
  std::string bytes;
  put_vector(bytes, std::vector<int>{detections.image_size.height, detections.image_size.width});
  put_vector(bytes, detections.boxes);
  put_vector(bytes, detections.scores);
  put_vector(bytes, detections.classes);
  put_vector(bytes, std::vector<int>(detections.masks.size()));
  for (const Rle& mask : detections.masks) {
    put_vector(bytes, std::vector<int>{mask.height, mask.width});
    put_vector(bytes, mask.counts);
  }
  put_vector(bytes, std::vector<int>(detections.keypoints.size()));
  for (const auto& keypoints : detections.keypoints) put_vector(bytes, keypoints);
  return bytes;
}

Detections detections_of_bytes(std::string_view bytes) {
  ByteReader reader(bytes);
  Detections detections;
  const std::vector<int> size = reader.vector<int>();
  FASTERMASK_CHECK(size.size() == 2, "detections: damaged bytes: no size");
  detections.image_size = {size[0], size[1]};
  detections.boxes = reader.vector<Box>();
  detections.scores = reader.vector<float>();
  detections.classes = reader.vector<int>();
  detections.masks.resize(reader.vector<int>().size());
  for (Rle& mask : detections.masks) {
    const std::vector<int> mask_size = reader.vector<int>();
    FASTERMASK_CHECK(mask_size.size() == 2, "detections: damaged bytes: a mask without a size");
    mask.height = mask_size[0];
    mask.width = mask_size[1];
    mask.counts = reader.vector<std::uint32_t>();
  }
  detections.keypoints.resize(reader.vector<int>().size());
  for (auto& keypoints : detections.keypoints) keypoints = reader.vector<Keypoint>();
  const std::size_t count = detections.size();
  FASTERMASK_CHECK(reader.at_end() && detections.scores.size() == count && detections.classes.size() == count,
                   "detections: damaged bytes: {} boxes, {} scores, {} classes", count, detections.scores.size(),
                   detections.classes.size());
  return detections;
}

}  // namespace fastermask
