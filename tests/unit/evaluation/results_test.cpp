// Results files: reading in blocks, every error with its record, writing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/evaluation/results.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using testing_support::message_of;
using testing_support::small_truth;

std::vector<DetectionRecord> parse(const std::string& text, IouType type) {
  return parse_results_json(text, "dt.json", *small_truth(), type);
}

std::string results_error(const std::string& text, IouType type = IouType::bbox) {
  return message_of<DataError>([&] { parse(text, type); });
}

// A list of `count` good records with `last` at its end.
std::string after_good_records(int count, const std::string& last) {
  std::string text = "[";
  for (int i = 0; i < count; ++i) text += R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 0.5}, )";
  return text + last + "]";
}

class ResultsFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/results_" + std::to_string(::getpid());
    make_folders(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST(Results, ReadsBoxesMasksAndKeypoints) {
  const auto boxes = parse(
      R"([{"image_id": 7, "category_id": 5, "bbox": [1, 2.5, 3, 4e0], "score": 0.25, "more": [{}]}])", IouType::bbox);
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_EQ(boxes[0].image_id, 7);
  EXPECT_EQ(boxes[0].category, 1);
  EXPECT_TRUE(boxes[0].has_box);
  EXPECT_EQ(boxes[0].xywh, (std::array<double, 4>{1, 2.5, 3, 4}));
  EXPECT_EQ(boxes[0].score, 0.25);

  const Rle mask = polygons_to_rle({{1, 1, 7, 1, 7, 7}}, 10, 20);
  const nlohmann::json segmentation = {{"size", {10, 20}}, {"counts", rle_to_string(mask)}};
  const nlohmann::json record = {{"image_id", 9}, {"category_id", 3}, {"score", 1}, {"segmentation", segmentation}};
  const auto masks = parse("[" + record.dump() + "]", IouType::segm);
  ASSERT_EQ(masks.size(), 1u);
  EXPECT_EQ(masks[0].mask, mask);
  EXPECT_FALSE(masks[0].has_box);

  const auto keypoints = parse(
      R"([{"keypoints": [1, 2, 0.5, 3, 4, 0.5], "score": 1, "image_id": 9, "category_id": 3}])", IouType::keypoints);
  ASSERT_EQ(keypoints.size(), 1u);
  EXPECT_EQ(keypoints[0].keypoints, (std::vector<double>{1, 2, 0.5, 3, 4, 0.5}));
}

TEST(Results, DrawsPolygonsAndTakesPlainCounts) {
  const auto records =
      parse(R"([{"image_id": 7, "category_id": 5, "score": 1, "segmentation": [[1, 1, 7, 1, 7, 7, 1, 7]]},
    {"image_id": 7, "category_id": 5, "score": 1, "segmentation": {"counts": [0, 200], "size": [10, 20]}}])",
            IouType::segm);
  EXPECT_EQ(records[0].mask, polygons_to_rle({{1, 1, 7, 1, 7, 7, 1, 7}}, 10, 20));
  EXPECT_EQ(rle_area(records[1].mask), 200u);
}

TEST(Results, GivesRecordsWithoutBoxesTheBoxAroundMaskOrKeypoints) {
  const auto records = parse(R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [],
     "segmentation": {"counts": [82, 4, 6, 4, 6, 4, 6, 4, 84], "size": [10, 20]}},
    {"image_id": 7, "category_id": 5, "score": 1, "keypoints": [4, 2, 1, 1, 9, 1]}])",
                             IouType::bbox);
  EXPECT_EQ(records[0].xywh, (std::array<double, 4>{8, 2, 4, 4}));
  EXPECT_EQ(records[1].xywh, (std::array<double, 4>{1, 2, 3, 7}));
}

TEST(Results, TakesEmptyListsAndOddSpacing) {
  EXPECT_TRUE(parse("[]", IouType::bbox).empty());
  EXPECT_TRUE(parse(" \n[ ]\n", IouType::bbox).empty());
  const std::string record = R"({"image_id":7,"category_id":5,"bbox":[1,2,3,4],"score":0.5})";
  EXPECT_EQ(parse("\xEF\xBB\xBF [" + record + "\n,\n" + record + " ]\r\n", IouType::bbox).size(), 2u);
}

TEST(Results, KeepsTheOrderOfLargeFiles) {
  std::string text = "[";
  const int count = 200000;  // about 13 MB: several blocks of several parts
  for (int i = 0; i < count; ++i) {
    text += R"({"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": )" + std::to_string(i) + "}";
    text += i + 1 < count ? ", " : "]";
  }
  const auto records = parse(text, IouType::bbox);
  ASSERT_EQ(records.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) ASSERT_EQ(records[static_cast<std::size_t>(i)].score, i);
  text.insert(text.size() - 10, "x");
  EXPECT_THAT(results_error(text), HasSubstr("cocoeval: dt.json: record 199999: "));
}

TEST(Results, IsNotFooledByTextThatLooksLikeTheEndOfARecord) {
  // Long lists and strings full of "}, {": wherever a block is cut, it is cut inside one.
  std::string inner;
  for (int i = 0; i < 400000; ++i) inner += R"({"a": 1}, )";
  inner += R"({"a": 1})";
  std::string text_field;
  for (int i = 0; i < 400000; ++i) text_field += "}, {";
  const std::string record = R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "more": [)" + inner +
                             R"(], "text": ")" + text_field + R"(", "score": 0.5})";
  EXPECT_EQ(parse("[" + record + ", " + record + "]", IouType::bbox).size(), 2u);
}

TEST_F(ResultsFolder, ReadsPackedFiles) {
  const std::string text =
      after_good_records(50000, R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 1})");
  gzFile file = gzopen((folder_ + "/dt.json.gz").c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  EXPECT_EQ(read_results_json(folder_ + "/dt.json.gz", *small_truth(), IouType::bbox).size(), 50001u);
  const std::string packed = read_file(folder_ + "/dt.json.gz");
  write_file_atomic(folder_ + "/half.json.gz", packed.substr(0, packed.size() / 2));
  EXPECT_THAT(
      message_of<DataError>([&] { read_results_json(folder_ + "/half.json.gz", *small_truth(), IouType::bbox); }),
      HasSubstr("half.json.gz: the gzip data is damaged or cut off"));
  EXPECT_EQ(message_of<DataError>([&] { read_results_json(folder_ + "/none", *small_truth(), IouType::bbox); }),
            "cocoeval: " + folder_ + "/none: cannot open: No such file or directory");
}

TEST(Results, NamesTheRecordOfEveryFault) {
  const auto fault = [](const std::string& record, IouType type = IouType::bbox) {
    return results_error(after_good_records(17, record), type);
  };
  const std::string where = "cocoeval: dt.json: record 17: ";
  EXPECT_EQ(fault(R"({"category_id": 5, "bbox": [1, 2, 3, 4], "score": 1})"), where + "has no image_id");
  EXPECT_EQ(fault(R"({"image_id": 7, "bbox": [1, 2, 3, 4], "score": 1})"), where + "has no category_id");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4]})"), where + "has no score");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 5, "score": 1})"), where + "has no bbox");
  EXPECT_EQ(fault(R"({"image_id": 8, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 1})"),
            where + "image_id 8 is not among the 2 images of gt.json");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 91, "bbox": [1, 2, 3, 4], "score": 1})"),
            where + "category_id 91 is not among the 2 categories of gt.json");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": NaN})"),
            where + "score must be a finite number, got NaN");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": "0.5"})"),
            where + "score must be a finite number, got a string");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3], "score": 1})"),
            where + "bbox must be 4 numbers (x, y, width, height), got 3");
  EXPECT_EQ(fault(R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, Infinity], "score": 1})"),
            where + "bbox must be a finite number, got Infinity");
  EXPECT_EQ(fault("5"), where + "must be an object");
}

TEST(Results, NamesTheRecordOfWrongMasksAndKeypoints) {
  const auto mask_fault = [](const std::string& segmentation) {
    return results_error(R"([{"image_id": 7, "category_id": 5, "score": 1, "segmentation": )" + segmentation + "}]",
                         IouType::segm);
  };
  const std::string where = "cocoeval: dt.json: record 0: ";
  EXPECT_EQ(mask_fault(R"({"size": [20, 10], "counts": "PV1"})"),
            where + "segmentation size is 20 x 10, image 7 is 10 x 20 (height x width)");
  EXPECT_EQ(mask_fault(R"({"size": [10, 20], "counts": [7, 8]})"),
            where + "segmentation: rle: the counts must add up to height x width = 10 x 20 = 200, got 15");
  EXPECT_THAT(mask_fault(R"({"size": [10, 20], "counts": "}"})"),
              HasSubstr(where + "segmentation: rle: the counts string may"));
  EXPECT_THAT(mask_fault("[[1, 2, 3, 4, 5, 1e300]]"), HasSubstr(where + "segmentation: "));
  EXPECT_EQ(results_error(R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [1, 2, 3, 4]}])", IouType::segm),
            where + "has no segmentation; evaluate its boxes with --task bbox");
  EXPECT_EQ(
      results_error(R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [1, 2, 3, 4]}])", IouType::keypoints),
      where + "has no keypoints");
  EXPECT_EQ(
      results_error(R"([{"image_id": 7, "category_id": 5, "score": 1, "keypoints": [1, 2]}])", IouType::keypoints),
      where + "keypoints must be (x, y, score) of each, got 2 numbers");
}

TEST(Results, TellsWhereBrokenTextBreaks) {
  const std::string whole =
      after_good_records(3, R"({"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 1})");
  EXPECT_THAT(results_error(whole.substr(0, whole.size() - 20)),
              HasSubstr("cocoeval: dt.json: record 3: broken JSON at byte"));
  EXPECT_THAT(results_error(whole.substr(0, whole.size() - 1)), HasSubstr("record 4: broken JSON at byte"));
  EXPECT_THAT(results_error(whole + " x"), HasSubstr("dt.json: there is more text after the list, at byte"));
  EXPECT_THAT(results_error(R"([{"image_id": 7 "category_id": 5}])"), HasSubstr("record 0: broken JSON in the record"));
  EXPECT_THAT(results_error(""), HasSubstr("record 0: broken JSON at byte"));
  EXPECT_THAT(results_error(R"({"annotations": []})"), HasSubstr("expected '['"));
}

TEST_F(ResultsFolder, GuessesTheTaskByTheFirstRecord) {
  const auto guess = [&](const std::string& text) {
    write_file_atomic(folder_ + "/dt.json", text);
    return guess_iou_type(folder_ + "/dt.json");
  };
  EXPECT_EQ(guess(R"([{"bbox": [1, 2, 3, 4]}, {"keypoints": []}])"), IouType::bbox);
  EXPECT_EQ(guess(R"([{"bbox": [1, 2, 3, 4], "segmentation": {"counts": "}]"}}])"), IouType::segm);
  EXPECT_EQ(guess(R"([{"segmentation": [], "keypoints": [], "bbox": []}])"), IouType::keypoints);
  EXPECT_EQ(guess("[]"), IouType::bbox);
  EXPECT_THAT(message_of<DataError>([&] { guess("[5]"); }), HasSubstr("record 0: must be an object"));
  EXPECT_THAT(message_of<DataError>([&] { guess("[{\"a\" 1}]"); }), HasSubstr("record 0: broken JSON"));
  EXPECT_THAT(message_of<DataError>([&] { guess("{}"); }), HasSubstr("expected '['"));
}

std::vector<DetectionRecord> sample_records() {
  DetectionRecord record;
  record.image_id = 7;
  record.category = 1;
  record.score = 0.1 + 0.2;  // 17 digits
  record.has_box = true;
  record.xywh = {1.5, 1.0 / 3, 1e-7, 123456789.125};
  record.mask = polygons_to_rle({{0.5, 1, 17.25, 3, 9, 9.5}}, 10, 20);
  record.keypoints = {1, 2, 0.5};
  DetectionRecord plain;
  plain.image_id = 9;
  plain.has_box = true;
  return {record, plain};
}

TEST_F(ResultsFolder, WritesWhatItReads) {
  const std::string path = folder_ + "/new/dt.json";
  write_results_json(path, sample_records(), {3, 5});
  for (const IouType type : {IouType::segm, IouType::keypoints, IouType::bbox}) {
    // The second record has neither mask nor keypoints.
    const std::string text = "[" + results_record_json(sample_records()[0], 5) + "]";
    const auto back = parse(text, type);
    ASSERT_EQ(back.size(), 1u);
    EXPECT_EQ(back[0].xywh, sample_records()[0].xywh);
    EXPECT_EQ(back[0].score, sample_records()[0].score);
    if (type == IouType::segm) EXPECT_EQ(back[0].mask, sample_records()[0].mask);
    if (type == IouType::keypoints) EXPECT_EQ(back[0].keypoints, sample_records()[0].keypoints);
  }
  EXPECT_EQ(read_results_json(path, *small_truth(), IouType::bbox).size(), 2u);
  const nlohmann::json json = nlohmann::json::parse(read_file(path));
  EXPECT_EQ(json[0]["category_id"], 5);
  EXPECT_EQ(json[0]["segmentation"]["counts"], rle_to_string(sample_records()[0].mask));
  EXPECT_FALSE(json[1].contains("segmentation"));
}

TEST_F(ResultsFolder, LeavesNothingBehindWithoutFinish) {
  const std::string path = folder_ + "/dt.json";
  {
    ResultsWriter writer(path, {3, 5});
    writer.add(sample_records()[0]);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  ResultsWriter writer(path, {3, 5});
  writer.finish();
  EXPECT_EQ(read_file(path), "[]");
}

TEST_F(ResultsFolder, RefusesToWriteWhatCannotBeRead) {
  ResultsWriter writer(folder_ + "/dt.json", {3});
  EXPECT_EQ(message_of<DataError>([&] { writer.add(sample_records()[0]); }),
            "results: image 7: the category must be from 0 to 0, got 1");
  DetectionRecord record = sample_records()[1];
  record.score = std::nan("");
  EXPECT_EQ(message_of<DataError>([&] { writer.add(record); }),
            "results: numbers must be finite to be written as JSON, got nan");
  writer.finish();
  EXPECT_EQ(message_of<Error>([&] { writer.add(sample_records()[1]); }),
            "results: " + folder_ + "/dt.json: add() was called after finish()");
  EXPECT_EQ(message_of<Error>([&] { writer.finish(); }), "results: " + folder_ + "/dt.json: finish() was called twice");
  EXPECT_THAT(message_of<Error>([] { ResultsWriter("/proc/none/dt.json", {3}); }), HasSubstr("/proc/none"));
}

TEST(IouTypes, HaveCocosNames) {
  for (const IouType type : {IouType::bbox, IouType::segm, IouType::keypoints}) {
    EXPECT_EQ(parse_iou_type(iou_type_name(type)), type);
  }
  EXPECT_EQ(message_of<UsageError>([] { parse_iou_type("seg"); }),
            "cocoeval: the task must be bbox, segm or keypoints, got 'seg'; did you mean 'segm'?");
}

}  // namespace
}  // namespace fastermask
