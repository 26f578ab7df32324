// safetensors files.
#include "fastermask/weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/file.h"
#include "support/weights.h"

namespace fastermask {
namespace {

using testing::HasSubstr;

std::string write_header(const std::string& header, const std::string& data) {
  std::string content(8, '\0');
  content[0] = static_cast<char>(header.size() & 0xFF);
  content[1] = static_cast<char>(header.size() >> 8);
  const std::string path = testing::TempDir() + "/fastermask_test.safetensors";
  write_file_atomic(path, content + header + data);
  return path;
}

std::string error_of(const std::string& path) {
  try {
    load_safetensors(path);
  } catch (const WeightsError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  NamedArrays arrays;
  for (const DType type : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int64, DType::int32,
                           DType::int16, DType::int8, DType::uint8, DType::boolean}) {
    arrays[std::string("a.") + dtype_name(type)] = NDArray(type, {3, 1});
  }
  arrays["scalar"] = NDArray::from<float>({}, std::vector<float>{2.5f});
  arrays["empty"] = NDArray(DType::int64, {0});
  const std::string path = testing::TempDir() + "/fastermask_written.safetensors";
  save_safetensors(path, arrays, {{"format", "pt"}});
  const Safetensors loaded = load_safetensors(path);
  EXPECT_TRUE(testing_support::same_arrays(loaded.arrays, arrays));
  EXPECT_EQ(loaded.metadata.at("format"), "pt");
}

TEST(Safetensors, AHandWrittenFileIsRead) {
  const std::string path =
      write_header(R"({"__metadata__":{"a":"b"},"x":{"dtype":"I16","shape":[2],"data_offsets":[1,5]}})",
                   std::string("\xff\1\0\2\0", 5));
  EXPECT_EQ(load_safetensors(path).arrays.at("x").to_integers(), (std::vector<std::int64_t>{1, 2}));
}

TEST(Safetensors, DamagedFilesAreRefused) {
  EXPECT_THAT(error_of(write_header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "abcd")),
              HasSubstr("x: data_offsets must span 8 bytes inside the file's 4"));
  EXPECT_THAT(error_of(write_header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "abcd")),
              HasSubstr("data_offsets must span 8 bytes"));
  EXPECT_THAT(error_of(write_header(R"({"x":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})", "ab")),
              HasSubstr("x: type F8_E4M3 is not supported"));
  EXPECT_THAT(error_of(write_header(R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "abcd")),
              HasSubstr("sizes must not be negative"));
  EXPECT_THAT(error_of(write_header(R"({"x":3})", "")), HasSubstr("damaged safetensors file"));
  EXPECT_THAT(error_of(write_header("{", "")), HasSubstr("damaged safetensors file"));
  EXPECT_THAT(error_of(write_header("{\"x\":" + std::string(1000, '['), "")), HasSubstr("nested too deep"));
  const std::string path = testing::TempDir() + "/fastermask_short.safetensors";
  write_file_atomic(path, std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10));
  EXPECT_THAT(error_of(path), HasSubstr("its header is cut off"));
}

}  // namespace
}  // namespace fastermask
