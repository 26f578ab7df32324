// Event files: checksums, and a reader of their own that takes what was written apart again.
#include "fastermask/report/tensorboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/data/image_io.h"

namespace fastermask {
namespace {

std::uint64_t little_endian_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// The data of each record; fails the test when a checksum is wrong or the file ends inside a record.
std::vector<std::string> read_tfrecords(const std::string& path) {
  const std::string file = read_file(path);
  const std::string_view text = file;
  std::vector<std::string> records;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view length_bytes = text.substr(at, 8);
    const auto length = static_cast<std::size_t>(little_endian_number(length_bytes));
    if (at + 16 + length > text.size()) {
      ADD_FAILURE() << "record cut off";
      break;
    }
    EXPECT_EQ(little_endian_number(text.substr(at + 8, 4)), masked_crc32c(length_bytes));
    records.emplace_back(text.substr(at + 12, length));
    EXPECT_EQ(little_endian_number(text.substr(at + 12 + length, 4)), masked_crc32c(records.back()));
    at += 16 + length;
  }
  return records;
}

struct ProtobufField {
  int number = 0;
  std::uint64_t value = 0;  // varint, or the bits of a fixed number
  std::string bytes;
};

std::uint64_t take_varint(std::string_view& text) {
  std::uint64_t value = 0;
  for (int shift = 0; !text.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

std::vector<ProtobufField> parse_protobuf(std::string_view text) {
  std::vector<ProtobufField> fields;
  while (!text.empty()) {
    const std::uint64_t key = take_varint(text);
    ProtobufField field;
    field.number = static_cast<int>(key >> 3);
    const std::uint64_t type = key & 7;
    if (type == 0) {
      field.value = take_varint(text);
    } else {
      const std::size_t size = type == 1 ? 8 : type == 5 ? 4 : static_cast<std::size_t>(take_varint(text));
      field.bytes = text.substr(0, size);
      if (type != 2) field.value = little_endian_number(field.bytes);
      text.remove_prefix(std::min(size, text.size()));
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

float float_from_bits(std::uint64_t value) {
  const auto bits = static_cast<std::uint32_t>(value);
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

std::string events_folder() {
  const std::string folder = testing::TempDir() + "fastermask_events";
  make_folders(folder);
  return folder;
}

TEST(TensorBoard, ComputesCrc32cOfTheStandardsExamples) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);     // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  EXPECT_EQ(crc32c(rising), 0x46DD794Eu);
}

TEST(TensorBoard, MasksChecksumsByTurningAndAdding) {
  // 0xE3069283 turned right by 15 bits is 0x2507C60D; plus 0xA282EAD8.
  EXPECT_EQ(masked_crc32c("123456789"), 0xC78AB0E5u);
}

TEST(TensorBoard, StartsWithTheFileVersion) {
  TensorBoardWriter writer(events_folder());
  EXPECT_THAT(std::filesystem::path(writer.path()).filename().string(), testing::StartsWith("events.out.tfevents."));
  const std::vector<std::string> records = read_tfrecords(writer.path());
  ASSERT_EQ(records.size(), 1u);
  const std::vector<ProtobufField> event = parse_protobuf(records[0]);
  ASSERT_EQ(event.size(), 2u);
  EXPECT_EQ(event[0].number, 1);  // wall time
  EXPECT_EQ(event[1].number, 3);
  EXPECT_EQ(event[1].bytes, "brain.Event:2");
}

TEST(TensorBoard, WritesScalarsThatReadBack) {
  TensorBoardWriter writer(events_folder());
  writer.write(300, {{"total_loss", 1.25}, {"bbox/AP", 53.5}});
  const std::vector<std::string> records = read_tfrecords(writer.path());
  ASSERT_EQ(records.size(), 2u);
  const std::vector<ProtobufField> event = parse_protobuf(records[1]);
  ASSERT_EQ(event.size(), 3u);
  EXPECT_EQ(event[1].number, 2);
  EXPECT_EQ(event[1].value, 300u);
  EXPECT_EQ(event[2].number, 5);
  const std::vector<ProtobufField> values = parse_protobuf(event[2].bytes);
  ASSERT_EQ(values.size(), 2u);
  const std::vector<ProtobufField> first = parse_protobuf(values[0].bytes);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].bytes, "bbox/AP");
  EXPECT_EQ(first[1].number, 2);
  EXPECT_EQ(float_from_bits(first[1].value), 53.5f);
  EXPECT_EQ(float_from_bits(parse_protobuf(values[1].bytes)[1].value), 1.25f);
}

TEST(TensorBoard, WritesPicturesAsPng) {
  TensorBoardWriter writer(events_folder());
  Image picture(2, 3);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = static_cast<std::uint8_t>(10 * i);
  writer.write_image(7, "predictions", picture);
  const std::vector<std::string> records = read_tfrecords(writer.path());
  ASSERT_EQ(records.size(), 2u);
  const std::vector<ProtobufField> entry = parse_protobuf(parse_protobuf(parse_protobuf(records[1])[2].bytes)[0].bytes);
  ASSERT_EQ(entry.size(), 2u);
  EXPECT_EQ(entry[0].bytes, "predictions");
  EXPECT_EQ(entry[1].number, 4);
  const std::vector<ProtobufField> image = parse_protobuf(entry[1].bytes);
  ASSERT_EQ(image.size(), 4u);
  EXPECT_EQ(image[0].value, 2u);
  EXPECT_EQ(image[1].value, 3u);
  EXPECT_EQ(image[2].value, 3u);
  EXPECT_EQ(decode_image(image[3].bytes, "picture").pixels, picture.pixels);
}

TEST(TensorBoard, GivesWritersInOneSecondFilesOfTheirOwn) {
  TensorBoardWriter first(events_folder());
  TensorBoardWriter second(events_folder());
  EXPECT_NE(first.path(), second.path());
}

TEST(TensorBoard, SaysWhichFileCannotBeOpened) {
  try {
    TensorBoardWriter writer("/nonexistent");
    FAIL() << "opened a file in a missing folder";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::MatchesRegex("/nonexistent/events\\.out\\..*: cannot open: No such file or.*"));
  }
}

}  // namespace
}  // namespace fastermask
