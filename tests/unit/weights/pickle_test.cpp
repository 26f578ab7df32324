// Reading and writing pickles.
#include "fastermask/weights/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "python_files.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing_support::from_hex;

std::string error_of(const std::string& data, const UnpickleOptions& options = {}) {
  try {
    unpickle(data, options);
  } catch (const WeightsError& error) {
    return error.what();
  }
  return "no error";
}

class EveryProtocol : public testing::TestWithParam<const char*> {};

TEST_P(EveryProtocol, IsReadWithAllItsTypes) {
  const std::string data = from_hex(GetParam());
  const Unpickled result = unpickle(data);
  EXPECT_EQ(result.end, data.size());
  const PickleValue& tree = result.value;
  EXPECT_EQ(tree.at("w").as_array().dtype, DType::int16);
  EXPECT_EQ(tree.at("w").as_array().to_integers(), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(tree.at("b").kind(), PickleValue::Kind::bytes);
  EXPECT_EQ(tree.at("b").text(), std::string("\x00\xff", 2));
  const auto& tuple = tree.at("t").items();
  ASSERT_EQ(tuple.size(), 6u);
  EXPECT_EQ(tuple[0].as_int(), 1);
  EXPECT_EQ(tuple[1].as_int(), -2);
  EXPECT_EQ(tuple[2].as_double(), 2.5);
  EXPECT_TRUE(tuple[3].is_none());
  EXPECT_EQ(tuple[4].kind(), PickleValue::Kind::boolean);
  EXPECT_TRUE(tuple[4].as_bool());
  EXPECT_EQ(tuple[5].text(), "\xc3\xa9");
  const auto& numbers = tree.at("n").items();
  EXPECT_EQ(numbers[0].as_int(), std::int64_t{1} << 40);
  EXPECT_EQ(numbers[1].as_int(), -(std::int64_t{1} << 40));
  EXPECT_EQ(numbers[2].kind(), PickleValue::Kind::big_integer);
}

INSTANTIATE_TEST_SUITE_P(Pickle, EveryProtocol,
                         testing::Values(testing_support::kPickleProtocol0, testing_support::kPickleProtocol1,
                                         testing_support::kPickleProtocol2, testing_support::kPickleProtocol3,
                                         testing_support::kPickleProtocol4, testing_support::kPickleProtocol5));

TEST(Pickle, BigEndianFortranArraysComeInPlainOrder) {
  const PickleValue tree = unpickle(from_hex(testing_support::kPickleFortran)).value;
  EXPECT_EQ(tree.at("f").as_array().shape, (Shape{2, 3}));
  EXPECT_EQ(tree.at("f").as_array().to_floats(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(Pickle, NumpyScalarsAreArraysWithoutDimensions) {
  const PickleValue tree = unpickle(from_hex(testing_support::kPickleScalar)).value;
  EXPECT_EQ(tree.at("s").as_array().shape, Shape{});
  EXPECT_EQ(tree.at("s").as_double(), 2.5);
}

TEST(Pickle, HarmlessObjectsAreKeptAsRecords) {
  const PickleValue tree = unpickle(from_hex(testing_support::kPickleNamespace)).value;
  EXPECT_EQ(tree.at("args").type_name(), "argparse.Namespace");
  EXPECT_EQ(tree.at("args").attribute("lr").as_double(), 0.1);
}

TEST(Pickle, ArraysOfObjectsAreRefused) {
  EXPECT_THAT(error_of(from_hex(testing_support::kPickleObjectArray)),
              HasSubstr("NumPy type must be a bool, integer or float (f2, f4, f8), got 'O8'"));
}

TEST(Pickle, GlobalsThatAreNotKnownAreRefusedByName) {
  UnpickleOptions options;
  options.where = "bad.pkl";
  for (const char* data : {"cos\nsystem\n(S'echo'\ntR.", "(S'echo'\nios\nsystem\n.", "(cos\nsystem\nS'echo'\no.",
                           "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04"
                           "echo\x85R."}) {
    EXPECT_THAT(error_of(data, options), HasSubstr("bad.pkl: the pickle asks for the global 'os.system'"));
    EXPECT_THAT(error_of(data, options), HasSubstr("nothing was run; save only the model's state_dict()"));
  }
  EXPECT_THAT(error_of("c__builtin__\neval\n(S'1'\ntR."), HasSubstr("'__builtin__.eval'"));
  EXPECT_THAT(error_of("cnumpy.core.multiarray\nset_string_function\n."), HasSubstr("set_string_function"));
  EXPECT_THAT(error_of("ctorch.nn.modules.linear\nLinear\n."), HasSubstr("'torch.nn.modules.linear.Linear'"));
}

TEST(Pickle, AGlobalMadeByGetattrCannotBeCalled) {
  EXPECT_THAT(error_of("c__builtin__\ngetattr\n(c__builtin__\nint\nS'real'\ntR(tR."),
              HasSubstr("calls something that is no global"));
}

TEST(Pickle, DamageIsNamedWithItsPlace) {
  EXPECT_THAT(error_of(""), HasSubstr("damaged pickle: it is cut off (at byte 0)"));
  EXPECT_THAT(error_of("."), HasSubstr("the stack is empty"));
  EXPECT_THAT(error_of("\xff"), HasSubstr("byte 0xff is no pickle opcode"));
  EXPECT_THAT(error_of("h\x05."), HasSubstr("memo entry 5 is missing"));
  EXPECT_THAT(error_of("t."), HasSubstr("a mark is missing"));
  EXPECT_THAT(error_of("NNa."), HasSubstr("it appends to something that is no list"));
  EXPECT_THAT(error_of("](NNu."), HasSubstr("it sets items of something that is no dict"));
  EXPECT_THAT(error_of("}(Nu."), HasSubstr("it sets items of something that is no dict"));
  EXPECT_THAT(error_of("Iabc\n."), HasSubstr("an int is not a number"));
  EXPECT_THAT(error_of("Labc\n."), HasSubstr("an int is not a number"));
  EXPECT_THAT(error_of("Fabc\n."), HasSubstr("a float is not a number"));
  EXPECT_THAT(error_of("gabc\n."), HasSubstr("a memo index is not a number"));
  EXPECT_THAT(error_of("Sabc\n."), HasSubstr("a string is not quoted"));
  EXPECT_THAT(error_of("\x80\x06."), HasSubstr("its protocol is newer than 5"));
  EXPECT_THAT(error_of(std::string("\x82\x01.")), HasSubstr("extension codes"));
  EXPECT_THAT(error_of("\x97."), HasSubstr("a buffer that was kept outside"));
  EXPECT_THAT(error_of("S'x'\nQ."), HasSubstr("refers to data outside of it (persistent id 'x')"));
  EXPECT_THAT(error_of("NN\x93."), HasSubstr("a global's name is no string"));
  EXPECT_THAT(error_of("(o."), HasSubstr("an object has no class"));
  EXPECT_THAT(error_of("c_codecs\nencode\n(V\\u1234\nS'latin1'\ntR."), HasSubstr("bytes are not written as Latin-1"));
  EXPECT_THAT(error_of("c_codecs\nencode\n(S'x'\nS'rot13'\ntR."), HasSubstr("wrong arguments for _codecs.encode"));
}

TEST(Pickle, SizesBeyondTheDataAreRefusedBeforeMemoryIsTaken) {
  EXPECT_THAT(error_of("B\xff\xff\xff\xff"
                       "abc"),
              HasSubstr("it is cut off"));
  EXPECT_THAT(error_of("\x8e\xff\xff\xff\xff\xff\xff\xff\xff"
                       "abc"),
              HasSubstr("it is cut off"));
  EXPECT_THAT(error_of("\x8b\xff\xff\xff\x7f"
                       "abc"),
              HasSubstr("it is cut off"));
}

TEST(Pickle, ValuesThatContainThemselvesAreRefused) {
  EXPECT_THAT(error_of("]q\x01h\x01"
                       "a."),
              HasSubstr("a value contains itself"));
  EXPECT_THAT(error_of("}q\x01S'x'\nh\x01s."), HasSubstr("a value contains itself"));
}

TEST(Pickle, DeepNestingIsRefusedWithoutRecursion) {
  const int depth = 300000;
  std::string lists;
  for (int i = 0; i < depth; ++i) lists += ']';
  for (int i = 1; i < depth; ++i) lists += 'a';
  EXPECT_THAT(error_of(lists + "."), HasSubstr("values are nested deeper than 500"));
  EXPECT_TRUE(unpickle(lists + "0N.").value.is_none());  // built and thrown away
  EXPECT_THAT(error_of("N" + std::string(depth, '\x85') + "."), HasSubstr("values are nested deeper than 500"));
  EXPECT_THAT(error_of(lists), HasSubstr("it is cut off"));
}

TEST(Pickle, ValuesSharedManyTimesStaySharedInsteadOfMultiplying) {
  // Sixty levels of a list that holds the one below twice: 2^60 paths, 60 nodes.
  std::string data = "]q" + std::string(1, '\0');
  for (char i = 1; i < 60; ++i)
    data += std::string("0]q") + i + "(h" + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "e";
  const PickleValue value = unpickle(data + ".").value;
  EXPECT_EQ(value.items().size(), 2u);
  EXPECT_EQ(value.items()[0].node(), value.items()[1].node());
}

TEST(Pickle, WrittenTreesAreReadBack) {
  PickleValue tree = PickleValue::dict();
  PickleValue state = PickleValue::ordered_dict();
  state.set("w", PickleValue::array(NDArray::from<float>({2, 2}, std::vector<float>{1, 2, 3, 4})));
  PickleValue versions = PickleValue::ordered_dict();
  versions.set("", PickleValue::dict());
  state.set_attribute("_metadata", versions);
  tree.set("model", state);
  tree.set("again", state);
  for (const std::int64_t value : {0LL, 255LL, 256LL, 65535LL, 65536LL, -1LL, 1LL << 31, -(1LL << 40)}) {
    tree.set(PickleValue::integer(value), PickleValue::integer(value));
  }
  tree.set("x", PickleValue::list({PickleValue::real(-0.5), PickleValue(), PickleValue::boolean(false),
                                   PickleValue::bytes(std::string("\0\xff", 2)), PickleValue::tuple()}));
  const PickleValue back = unpickle(pickle(tree)).value;
  EXPECT_EQ(back.entries().size(), tree.entries().size());
  EXPECT_EQ(back.at("model").node(), back.at("again").node());
  EXPECT_EQ(back.at("model").type_name(), "collections.OrderedDict");
  EXPECT_TRUE(back.at("model").attribute("_metadata").at("").is_dict());
  EXPECT_EQ(back.at("model").at("w").as_array().to_floats(), (std::vector<float>{1, 2, 3, 4}));
  for (std::size_t i = 2; i < 10; ++i) EXPECT_EQ(back.entries()[i].key.as_int(), back.entries()[i].value.as_int());
  EXPECT_EQ(back.entries()[9].key.as_int(), -(std::int64_t{1} << 40));
  const auto& items = back.at("x").items();
  EXPECT_EQ(items[0].as_double(), -0.5);
  EXPECT_TRUE(items[1].is_none());
  EXPECT_FALSE(items[2].as_bool());
  EXPECT_EQ(items[3].text(), std::string("\0\xff", 2));
  EXPECT_EQ(items[4].kind(), PickleValue::Kind::tuple);
}

TEST(Pickle, AllElementTypesSurviveAndBfloat16BecomesFloat32) {
  PickleValue tree = PickleValue::list();
  const DType types[] = {DType::float32, DType::float64, DType::float16, DType::int64,   DType::int32,
                         DType::int16,   DType::int8,    DType::uint8,   DType::boolean, DType::bfloat16};
  for (const DType type : types) tree.push_back(PickleValue::array(NDArray(type, {3, 0, 2})));
  for (const DType type : types) tree.push_back(PickleValue::array(NDArray(type, {2})));
  const PickleValue back = unpickle(pickle(tree)).value;
  for (std::size_t i = 0; i < 20; ++i) {
    const DType expected = types[i % 10] == DType::bfloat16 ? DType::float32 : types[i % 10];
    EXPECT_EQ(back.items()[i].as_array().dtype, expected);
    EXPECT_EQ(back.items()[i].as_array().shape, i < 10 ? (Shape{3, 0, 2}) : Shape{2});
  }
}

TEST(Pickle, WhatCannotBeWrittenIsNamed) {
  const PickleValue args = unpickle(from_hex(testing_support::kPickleNamespace)).value;
  try {
    pickle(args);
    FAIL();
  } catch (const WeightsError& error) {
    EXPECT_STREQ(error.what(), "pickle: object argparse.Namespace cannot be written");
  }
  PickleValue deep = PickleValue::list();
  for (int i = 0; i < 600; ++i) deep = PickleValue::list({deep});
  EXPECT_THROW(pickle(deep), WeightsError);
}

TEST(PickleValue, SaysWhatItIsWhenAskedForSomethingElse) {
  const PickleValue number = PickleValue::integer(7);
  const auto message = [](auto access) -> std::string {
    try {
      access();
    } catch (const WeightsError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message([&] { number.text(); }), "weights: expected a str, got 7");
  EXPECT_EQ(message([&] { number.items(); }), "weights: expected a list, got 7");
  EXPECT_EQ(message([&] { number.entries(); }), "weights: expected a dict, got 7");
  EXPECT_EQ(message([&] { number.as_array(); }), "weights: expected an array, got 7");
  EXPECT_EQ(message([&] { number.at("x"); }), "weights: expected a dict with the key 'x', got 7");
  EXPECT_EQ(message([&] { PickleValue::string("a").as_int(); }), "weights: expected an int, got 'a'");
  EXPECT_EQ(message([&] { PickleValue().as_double(); }), "weights: expected a number, got None");
  EXPECT_EQ(message([&] { PickleValue(number).set("x", number); }),
            "weights: expected a dict to put a value into, got 7");
  EXPECT_EQ(message([&] { PickleValue(number).push_back(number); }), "weights: expected a list to add to, got 7");
  EXPECT_EQ(message([&] { PickleValue(number).set_attribute("x", number); }),
            "weights: expected an OrderedDict or object to set an attribute of, got 7");
}

}  // namespace
}  // namespace fastermask
