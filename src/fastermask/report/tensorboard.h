// events.out.tfevents.*: what TensorBoard reads. Records are framed as TensorFlow's tf_record_writer does: length,
// masked CRC-32C of the length, data, masked CRC-32C of the data; the data is a protobuf Event
// (tensorflow/core/util/event.proto).
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "fastermask/structures/image.h"

namespace fastermask {

// CRC-32C (Castagnoli, RFC 3720), and TensorFlow's masked form of it.
std::uint32_t crc32c(std::string_view data);
std::uint32_t masked_crc32c(std::string_view data);

class TensorBoardWriter {
 public:
  // Makes FOLDER/events.out.tfevents.<time>.<host>.<process> with the version event in it. Throws Error on failure.
  explicit TensorBoardWriter(const std::string& folder);
  ~TensorBoardWriter();
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;

  // One event with all the scalars. Throws Error when it cannot be written.
  void write(std::int64_t step, const std::map<std::string, double>& values);

  // One event with a picture (BGR), stored as PNG. Throws DataError when it is empty or not 3-channel.
  void write_image(std::int64_t step, const std::string& name, const Image& bgr);

  const std::string& path() const { return path_; }

 private:
  void write_summary(std::int64_t step, const std::string& summary);
  void write_record(const std::string& event);

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace fastermask
