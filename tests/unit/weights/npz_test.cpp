// NumPy's .npy and .npz files.
#include "fastermask/weights/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/file.h"
#include "fastermask/weights/zip_file.h"
#include "support/weights.h"

namespace fastermask {
namespace {

using testing::HasSubstr;

std::string npy(const std::string& header, const std::string& data) {
  std::string text = header + "\n";
  std::string content = std::string("\x93NUMPY\x01\0", 8);
  content.push_back(static_cast<char>(text.size()));
  content.push_back('\0');
  return content + text + data;
}

std::string error_of(const std::string& content) {
  try {
    parse_npy(content, "x.npy");
  } catch (const WeightsError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Npz, WhatIsWrittenIsReadBack) {
  NamedArrays arrays;
  for (const DType type : {DType::float32, DType::float64, DType::float16, DType::int64, DType::int32, DType::int16,
                           DType::int8, DType::uint8, DType::boolean}) {
    arrays[std::string("a/") + dtype_name(type)] = NDArray(type, {2, 3});
    arrays[std::string("scalar.") + dtype_name(type)] = NDArray(type, {});
  }
  arrays["empty"] = NDArray(DType::float32, {0, 4});
  arrays["values"] = NDArray::from<float>({3}, std::vector<float>{1, -2, 3.5});
  const std::string path = testing::TempDir() + "/fastermask_npz.npz";
  save_npz(path, arrays);
  EXPECT_TRUE(testing_support::same_arrays(load_npz(path), arrays));
}

TEST(Npz, Bfloat16IsWrittenAsFloat32) {
  NamedArrays arrays;
  arrays["h"] = NDArray(DType::bfloat16, {1});
  arrays["h"].bytes = {std::byte{0xC0}, std::byte{0x3F}};
  const std::string path = testing::TempDir() + "/fastermask_bf16.npz";
  save_npz(path, arrays);
  EXPECT_EQ(load_npz(path).at("h").dtype, DType::float32);
  EXPECT_EQ(load_npz(path).at("h").to_floats(), std::vector<float>{1.5f});
}

TEST(Npz, TheHeaderIsNumpysToTheByte) {
  const std::string header = npy_header(DType::float32, {5});
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_THAT(header.substr(10), testing::StartsWith("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }  "));
  EXPECT_EQ(header.back(), '\n');
  EXPECT_THAT(npy_header(DType::boolean, {}), HasSubstr("'|b1'"));
  EXPECT_THAT(npy_header(DType::int64, {2, 3}), HasSubstr("'shape': (2, 3), }"));
}

TEST(Npz, ForeignOrdersAndUnsignedTypesAreConverted) {
  const auto header = [](const std::string& type, const std::string& fortran, const std::string& shape) {
    return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  };
  const NDArray fortran = parse_npy(npy(header("|u1", "True", "(2, 3)"), "\1\4\2\5\3\6"), "x");
  EXPECT_EQ(fortran.to_integers(), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  const NDArray cube = parse_npy(npy(header("|i1", "True", "(2, 2, 2)"), "\1\5\3\7\2\6\4\x08"), "x");
  EXPECT_EQ(cube.to_integers(), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  const NDArray big = parse_npy(npy(header(">i2", "False", "(2,)"), std::string("\1\0\0\2", 4)), "x");
  EXPECT_EQ(big.to_integers(), (std::vector<std::int64_t>{256, 2}));
  const NDArray u2 = parse_npy(npy(header("<u2", "False", "(1,)"), "\xff\xff"), "x");
  EXPECT_EQ(u2.dtype, DType::int32);
  EXPECT_EQ(u2.to_integers()[0], 65535);
  const NDArray u4 = parse_npy(npy(header("<u4", "False", "(1,)"), "\xff\xff\xff\xff"), "x");
  EXPECT_EQ(u4.to_integers()[0], 4294967295);
  EXPECT_THAT(error_of(npy(header("<u8", "False", "(1,)"), "\xff\xff\xff\xff\xff\xff\xff\xff")),
              HasSubstr("a uint64 element is 18446744073709551615, beyond int64"));
}

TEST(Npz, DamagedHeadersAreRefused) {
  EXPECT_EQ(error_of("hello"), "x.npy: not a .npy file");
  EXPECT_THAT(error_of(npy("{'descr': '<f4', 'fortran_order': False}", "")), HasSubstr("lacks 'shape'"));
  EXPECT_THAT(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "")),
              HasSubstr("shape must be a tuple"));
  EXPECT_THAT(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "")),
              HasSubstr("shape must hold sizes"));
  EXPECT_THAT(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "abcd")),
              HasSubstr("array of shape [3] needs 12 bytes, the data has 4"));
  EXPECT_THAT(error_of(npy("{'descr': '<U3', 'fortran_order': False, 'shape': (1,)}", "abcd")), HasSubstr("got '<U3'"));
  EXPECT_THAT(error_of(npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}", "abcd")),
              HasSubstr("arrays with named fields are not supported"));
  EXPECT_THAT(
      error_of(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999, 99999999999999999)}", "")),
      HasSubstr("is too large"));
  EXPECT_THAT(error_of(std::string("\x93NUMPY\x01\0\xff\xff{}", 12)), HasSubstr("header is cut off"));
}

TEST(Npz, ADamagedArchiveIsRefused) {
  const std::string path = testing::TempDir() + "/fastermask_damaged.npz";
  save_npz(path, {{"a", NDArray(DType::float32, {100})}});
  std::string content = read_file(path);
  content[content.size() / 2] = '\x01';  // inside the elements
  write_file_atomic(path, content);
  try {
    load_npz(path);
    FAIL();
  } catch (const WeightsError& error) {
    EXPECT_THAT(error.what(), HasSubstr("damaged zip entry 'a.npy'"));
  }
}

TEST(ZipReader, MissingEntriesAndWrongSizesAreNamed) {
  const std::string path = testing::TempDir() + "/fastermask_zip.zip";
  ZipWriter writer(path, 64);
  writer.add("a", {"x", "yz"});
  writer.finish();
  const std::string content = read_file(path);
  const ZipReader reader(content, "x.zip");
  EXPECT_EQ(reader.read("a"), "xyz");
  char byte = 0;
  const auto message = [](auto action) -> std::string {
    try {
      action();
    } catch (const WeightsError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message([&] { reader.read("b"); }), "x.zip: the archive has no entry 'b'");
  EXPECT_EQ(message([&] { reader.read_into("a", &byte, 1); }), "x.zip: zip entry 'a' must have 1 bytes, got 3");
  EXPECT_THROW(ZipWriter("/no/such/folder/x.zip", 64), Error);
}

}  // namespace
}  // namespace fastermask
