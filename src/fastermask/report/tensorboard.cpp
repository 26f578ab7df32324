#include "fastermask/report/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/report/draw.h"

namespace fastermask {
namespace {

// Just enough of protobuf's wire format to write an Event.
class ProtobufWriter {
 public:
  void varint_field(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
  }
  void double_field(int field, double value) { fixed(field, 1, value); }
  void float_field(int field, float value) { fixed(field, 5, value); }
  void bytes_field(int field, std::string_view value) {
    varint((static_cast<std::uint64_t>(field) << 3) | 2);
    varint(value.size());
    text_.append(value);
  }
  const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_.push_back(static_cast<char>(value | 0x80));
    text_.push_back(static_cast<char>(value));
  }
  template <class T>
  void fixed(int field, int wire_type, T value) {
    varint((static_cast<std::uint64_t>(field) << 3) | static_cast<std::uint64_t>(wire_type));
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));  // little-endian, as every machine we build for
    text_.append(bytes, sizeof(T));
  }

  std::string text_;
};

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char name[256] = "localhost";
  gethostname(name, sizeof(name) - 1);
  return name;
}

}  // namespace

std::uint32_t crc32c(std::string_view data) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78u : 0);
      entries[i] = value;
    }
    return entries;
  }();
  std::uint32_t crc = ~0u;
  for (const char c : data) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view data) {
  const std::uint32_t crc = crc32c(data);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

TensorBoardWriter::TensorBoardWriter(const std::string& folder) {
  static int serial = 0;
  path_ = join_path(folder, fmt::format("events.out.tfevents.{}.{}.{}.{}", static_cast<std::int64_t>(wall_time()),
                                        host_name(), ::getpid(), serial++));
  file_ = std::fopen(path_.c_str(), "wb");
  if (file_ == nullptr) fail("{}: cannot open: {}", path_, std::strerror(errno));
  ProtobufWriter event;
  event.double_field(1, wall_time());
  event.bytes_field(3, "brain.Event:2");
  write_record(event.text());
}

TensorBoardWriter::~TensorBoardWriter() { std::fclose(file_); }

void TensorBoardWriter::write(std::int64_t step, const std::map<std::string, double>& values) {
  ProtobufWriter summary;
  for (const auto& [name, value] : values) {
    ProtobufWriter entry;
    entry.bytes_field(1, name);
    entry.float_field(2, static_cast<float>(value));
    summary.bytes_field(1, entry.text());
  }
  write_summary(step, summary.text());
}

void TensorBoardWriter::write_image(std::int64_t step, const std::string& name, const Image& bgr) {
  ProtobufWriter image;
  image.varint_field(1, static_cast<std::uint64_t>(bgr.height));
  image.varint_field(2, static_cast<std::uint64_t>(bgr.width));
  image.varint_field(3, 3);  // RGB
  image.bytes_field(4, encode_png(bgr));
  ProtobufWriter entry;
  entry.bytes_field(1, name);
  entry.bytes_field(4, image.text());
  ProtobufWriter summary;
  summary.bytes_field(1, entry.text());
  write_summary(step, summary.text());
}

void TensorBoardWriter::write_summary(std::int64_t step, const std::string& summary) {
  ProtobufWriter event;
  event.double_field(1, wall_time());
  event.varint_field(2, static_cast<std::uint64_t>(step));
  event.bytes_field(5, summary);
  write_record(event.text());
}

void TensorBoardWriter::write_record(const std::string& event) {
  const std::string length = little_endian(event.size(), 8);
  const std::string record =
      length + little_endian(masked_crc32c(length), 4) + event + little_endian(masked_crc32c(event), 4);
  if (std::fwrite(record.data(), 1, record.size(), file_) != record.size() || std::fflush(file_) != 0) {
    fail("{}: cannot write: {}", path_, std::strerror(errno));
  }
}

}  // namespace fastermask
