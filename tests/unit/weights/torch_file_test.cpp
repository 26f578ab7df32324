// Reading and writing torch.save files.
#include "fastermask/weights/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/file.h"
#include "python_files.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing_support::from_hex;

std::string temporary(const std::string& name) { return testing::TempDir() + "/fastermask_" + name; }

std::string error_of(const std::string& content) {
  try {
    parse_torch_file(content, "x.pth");
  } catch (const WeightsError& error) {
    return error.what();
  }
  return "no error";
}

class BothFormats : public testing::TestWithParam<const char*> {};

// t = [[0, 1, 2], [3, 4, 5]]; OrderedDict(a=t, at=t.t(), row=t[1], h=bfloat16 [1.5, -2], l=int64 7, x=ones(1).expand(2,
// 3))
TEST_P(BothFormats, GiveContiguousArraysOfViews) {
  const PickleValue tree = parse_torch_file(from_hex(GetParam()), "x.pth");
  ASSERT_EQ(tree.entries().size(), 6u);
  EXPECT_EQ(tree.at("a").as_array().shape, (Shape{2, 3}));
  EXPECT_EQ(tree.at("a").as_array().to_floats(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tree.at("at").as_array().shape, (Shape{3, 2}));
  EXPECT_EQ(tree.at("at").as_array().to_floats(), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(tree.at("row").as_array().to_floats(), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(tree.at("h").as_array().dtype, DType::bfloat16);
  EXPECT_EQ(tree.at("h").as_array().to_floats(), (std::vector<float>{1.5, -2}));
  EXPECT_EQ(tree.at("l").as_int(), 7);
  EXPECT_EQ(tree.at("x").as_array().to_floats(), std::vector<float>(6, 1.0f));
}

INSTANTIATE_TEST_SUITE_P(TorchFile, BothFormats,
                         testing::Values(testing_support::kTorchLegacy, testing_support::kTorchZip));

TEST(TorchFile, TensorsInsidePlainPicklesAreRead) {
  const PickleValue value = unpickle(from_hex(testing_support::kPickleTensor)).value;
  EXPECT_EQ(value.as_array().to_floats(), (std::vector<float>{0, 1, 2}));
}

TEST(TorchFile, WrittenFilesAreReadBackWithSharedArraysStoredOnce) {
  const auto shared = PickleValue::array(NDArray::from<float>({256, 4}, std::vector<float>(1024, 0.25f)));
  PickleValue tree = PickleValue::dict();
  tree.set("a", shared);
  tree.set("b", shared);
  tree.set("empty", PickleValue::array(NDArray(DType::int64, {0, 3})));
  tree.set("half", PickleValue::array(NDArray(DType::bfloat16, {2})));
  tree.set("bytes", PickleValue::bytes(std::string("\0\x80z", 3)));
  const std::string path = temporary("written.pth");
  save_torch_file(path, tree);
  EXPECT_LT(read_file(path).size(), 2 * 4096u);
  const PickleValue back = load_torch_file(path);
  EXPECT_EQ(back.at("a").as_array().bytes, shared.as_array().bytes);
  EXPECT_EQ(back.at("b").as_array().shape, (Shape{256, 4}));
  EXPECT_EQ(back.at("empty").as_array().shape, (Shape{0, 3}));
  EXPECT_EQ(back.at("half").as_array().dtype, DType::bfloat16);
  EXPECT_EQ(back.at("bytes").text(), std::string("\0\x80z", 3));
}

TEST(TorchFile, StoragesBeginAtMultiplesOf64) {
  PickleValue tree = PickleValue::dict();
  for (int i = 0; i < 5; ++i) {
    tree.set(std::to_string(i), PickleValue::array(NDArray::from<float>({7}, std::vector<float>(7, 12345.5f))));
  }
  const std::string path = temporary("aligned.pth");
  save_torch_file(path, tree);
  const std::string content = read_file(path);
  const float value = 12345.5f;
  const std::string pattern(7 * sizeof(float), '\0');
  std::string elements = pattern;
  for (std::size_t i = 0; i < 7; ++i) std::copy_n(reinterpret_cast<const char*>(&value), 4, elements.data() + 4 * i);
  int found = 0;
  for (std::size_t at = content.find(elements); at != std::string::npos; at = content.find(elements, at + 1)) {
    EXPECT_EQ(at % 64, 0u);
    ++found;
  }
  EXPECT_EQ(found, 5);
}

TEST(TorchFile, OtherFilesAreRefusedWithAReason) {
  EXPECT_THAT(error_of("hello"), HasSubstr("x.pth: not a file of torch.save"));
  std::string tar(600, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_THAT(error_of(tar), HasSubstr("a tar file of PyTorch 0.1"));
  EXPECT_THAT(error_of("PK\x03\x04 and no more"), HasSubstr("damaged zip archive"));
  EXPECT_THROW(load_torch_file(temporary("not_there.pth")), Error);
}

TEST(TorchFile, TensorsBeyondTheirStorageAreRefused) {
  std::string legacy = from_hex(testing_support::kTorchLegacy);
  // The first tensor's size (2, 3) -> (2, 200): BININT1 2, BININT1 3, TUPLE2.
  const std::size_t size = legacy.find("K\x02K\x03\x86");
  legacy[size + 3] = '\xc8';
  EXPECT_THAT(error_of(legacy), HasSubstr("it reaches beyond its storage"));
}

TEST(TorchFile, ExpandedTensorsMayNotOutgrowTheFileByFar) {
  // One element seen as 10^9: {"x": ones(1).expand(2, 3)} with sizes BININT 1000 and 1000000 in place of 2 and 3.
  std::string legacy = from_hex(testing_support::kTorchLegacy);
  const std::size_t size = legacy.rfind("K\x02K\x03\x86");
  legacy.replace(size, 4, std::string("J\xe8\x03\0\0J\x40\x42\x0f\0", 10));
  EXPECT_THAT(error_of(legacy), HasSubstr("far larger than the file"));
}

TEST(TorchFile, CutOffFilesAreRefused) {
  const std::string legacy = from_hex(testing_support::kTorchLegacy);
  EXPECT_THAT(error_of(legacy.substr(0, legacy.size() - 3)), HasSubstr("cut off"));
  EXPECT_THAT(error_of(legacy.substr(0, legacy.size() - 13)), HasSubstr("cut off before storage"));
}

}  // namespace
}  // namespace fastermask
