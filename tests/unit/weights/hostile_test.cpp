// Damaged and hostile weight files: every one is refused with an Error, or read; none crashes or takes much memory.
// A small deterministic fuzz test: sanitiser builds make it sharp.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "fastermask/base/file.h"
#include "fastermask/weights/npz.h"
#include "fastermask/weights/torch_file.h"
#include "fastermask/weights/weight_file.h"
#include "python_files.h"

namespace fastermask {
namespace {

using testing_support::from_hex;

std::string small_file(const std::string& ending) {
  NamedArrays arrays;
  arrays["backbone.a.weight"] = NDArray::from<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  arrays["b.bias"] = NDArray::from<std::int64_t>({}, std::vector<std::int64_t>{7});
  const std::string path = testing::TempDir() + "/fastermask_hostile" + ending;
  save_weight_file(path, arrays);
  return read_file(path);
}

std::vector<std::string> seeds() {
  std::vector<std::string> result = {small_file(".pkl"), small_file(".pth"), small_file(".safetensors"),
                                     small_file(".npz")};
  for (const char* hex : {testing_support::kPickleProtocol0, testing_support::kPickleProtocol2,
                          testing_support::kPickleProtocol5, testing_support::kTorchLegacy, testing_support::kTorchZip,
                          testing_support::kPickleTensor, testing_support::kPickleNamespace}) {
    result.push_back(from_hex(hex));
  }
  return result;
}

// Reads the content as every format would; only Error may come out.
void read_anyhow(const std::string& content, const std::string& path) {
  const auto ignore_errors = [](auto action) {
    try {
      action();
    } catch (const Error&) {
    }
  };
  ignore_errors([&] { unpickle(content); });
  ignore_errors([&] { parse_torch_file(content, "fuzz"); });
  ignore_errors([&] { parse_npy(content, "fuzz"); });
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  ignore_errors([&] { load_weight_file(path); });
}

class Hostile : public testing::Test {
 protected:
  const std::string path_ = testing::TempDir() + "/fastermask_fuzz";
};

TEST_F(Hostile, FilesCutOffAtEveryPlaceAreRefusedOrRead) {
  for (const std::string& seed : seeds()) {
    for (std::size_t length = 0; length < seed.size(); length += seed.size() / 150 + 1) {
      read_anyhow(seed.substr(0, length), path_);
    }
  }
}

TEST_F(Hostile, FlippedBitsAndBytesAreRefusedOrRead) {
  std::mt19937 random(20231122);
  for (const std::string& seed : seeds()) {
    for (int trial = 0; trial < 150; ++trial) {
      std::string content = seed;
      const int changes = 1 + static_cast<int>(random() % 4);
      for (int i = 0; i < changes; ++i) {
        const std::size_t place = random() % content.size();
        if (random() % 2 == 0) {
          content[place] = static_cast<char>(content[place] ^ (1 << (random() % 8)));
        } else {
          content[place] = static_cast<char>(random() % 256);
        }
      }
      read_anyhow(content, path_);
    }
  }
}

TEST_F(Hostile, RandomPickleProgramsAreRefusedOrRead) {
  // Opcodes and their arguments, drawn at random: nearly sound programs reach further than random bytes.
  const std::vector<std::string> words = {"(",
                                          ".",
                                          "0",
                                          "1",
                                          "2",
                                          "N",
                                          "]",
                                          ")",
                                          "}",
                                          "a",
                                          "b",
                                          "d",
                                          "e",
                                          "l",
                                          "o",
                                          "s",
                                          "t",
                                          "u",
                                          "R",
                                          "Q",
                                          "\x81",
                                          "\x85",
                                          "\x86",
                                          "\x87",
                                          "\x8f",
                                          "\x90",
                                          "\x91",
                                          "\x92",
                                          "\x93",
                                          "\x94",
                                          "K\x01",
                                          "K\x03",
                                          "h\x01",
                                          "q\x01",
                                          "h\x02",
                                          "q\x02",
                                          "S'latin1'\n",
                                          "S'storage'\n",
                                          "S'f4'\n",
                                          "S'abcd'\n",
                                          "I-1\n",
                                          "L99999999999999999999L\n",
                                          "\x88",
                                          "\x89",
                                          "cnumpy\ndtype\n",
                                          "cnumpy\nndarray\n",
                                          "cnumpy.core.multiarray\n_reconstruct\n",
                                          "cnumpy.core.multiarray\nscalar\n",
                                          "cnumpy.core.numeric\n_frombuffer\n",
                                          "c_codecs\nencode\n",
                                          "ccollections\nOrderedDict\n",
                                          "ctorch\nFloatStorage\n",
                                          "ctorch._utils\n_rebuild_tensor_v2\n",
                                          "ctorch._utils\n_rebuild_parameter\n",
                                          "ctorch._tensor\n_rebuild_from_type_v2\n",
                                          "ctorch.storage\n_load_from_bytes\n",
                                          "c__builtin__\nset\n",
                                          "c__builtin__\ngetattr\n",
                                          "ccopy_reg\n_reconstructor\n"};
  std::mt19937 random(7);
  UnpickleOptions options;
  options.persistent_load = [](const PickleValue&) {
    PickleValue storage(std::make_shared<PickleNode>());
    storage.node()->kind = PickleValue::Kind::storage;
    storage.node()->storage = std::make_shared<PickleStorage>();
    storage.node()->storage->count = 4;
    storage.node()->storage->elements = std::make_shared<NDArray>(DType::float32, Shape{4});
    return storage;
  };
  int read = 0;
  for (int trial = 0; trial < 60000; ++trial) {
    std::string program;
    const int length = 1 + static_cast<int>(random() % 25);
    for (int i = 0; i < length; ++i) program += words[random() % words.size()];
    try {
      unpickle(program + ".", options);
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 1000);  // the programs are not all refused at once
}

TEST_F(Hostile, AnArchiveThatClaimsMoreThanItHoldsIsRefused) {
  std::string zip = small_file(".npz");
  // The directory's uncompressed size of the first entry (offset 24 after its signature).
  const std::size_t directory = zip.find("PK\x01\x02");
  for (int i = 0; i < 4; ++i) zip[directory + 24 + static_cast<std::size_t>(i)] = '\x7f';
  write_file_atomic(path_, zip);
  EXPECT_THROW(load_npz(path_), WeightsError);
}

TEST_F(Hostile, APickleOfManyTinyValuesIsReadWithoutTrouble) {
  const std::string many(100000, ']');
  EXPECT_EQ(unpickle("(" + many + "t.").value.items().size(), 100000u);
}

}  // namespace
}  // namespace fastermask
