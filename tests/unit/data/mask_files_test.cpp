// Masks in PNG files: of one object each, and maps of several, named by a COCO JSON.
#include "fastermask/data/mask_files.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "fastermask/data/dataset_check.h"
#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"
#include "unit/data/format_files.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::message_of;
using testing_support::TemporaryFolder;

constexpr int kWide = format_files::kWidth;
constexpr int kHigh = format_files::kHeight;

class MaskFiles : public testing::Test {
 protected:
  MaskFiles() {
    ::setenv("FASTERMASK_CACHE", (folder_ / "cache").c_str(), 1);
    std::filesystem::create_directories(folder_ / "images");
    std::filesystem::create_directories(folder_ / "json/masks");
    write_image(folder_ / "images/1.png", testing_support::position_image(kHigh, kWide));
    // Columns 3 to 5 of rows 2 to 7 are 200, the rest 0; and a map of columns: pixel x has the number x / 4.
    Image one(kHigh, kWide, 1);
    for (int y = 2; y < 8; ++y) std::fill(one.row(y) + 3, one.row(y) + 6, std::uint8_t{200});
    write_image(folder_ / "images/one.png", one);
    Image map(kHigh, kWide, 1);
    for (int y = 0; y < kHigh; ++y) {
      for (int x = 0; x < kWide; ++x) map.row(y)[x] = static_cast<std::uint8_t>(x / 4);
    }
    write_image(folder_ / "json/masks/map.png", map);
    write_image(folder_ / "images/small.png", Image(4, 4, 1));
  }
  ~MaskFiles() override { ::unsetenv("FASTERMASK_CACHE"); }

  // The set with these segmentations, one annotation each, ids from 1.
  std::string write_set(const std::vector<std::string>& segmentations) {
    std::string annotations;
    for (std::size_t i = 0; i < segmentations.size(); ++i) {
      annotations += fmt::format(R"({}{{"id":{},"image_id":1,"category_id":1,"bbox":[1,1,9,9],"segmentation":{}}})",
                                 i == 0 ? "" : ",\n", i + 1, segmentations[i]);
    }
    std::ofstream(folder_ / "json/a.json")
        << fmt::format(R"({{"info":{{"by":"me"}},"images":[{{"id":1,"file_name":"1.png","height":{},"width":{}}}],)"
                       R"("categories":[{{"id":1,"name":"a"}}],"annotations":[{}]}})",
                       kHigh, kWide, annotations);
    return (folder_ / "json/a.json") + ":" + (folder_ / "images");
  }

  TemporaryFolder folder_;
};

TEST_F(MaskFiles, OneObjectAFileAndMapsOfNumbersAreRead) {
  const std::string set = write_set({"\"one.png\"", R"({"png": "masks/map.png", "value": 2})", R"({"png":"one.png"})",
                                     "[[1,1,5,1,5,5]]", R"({"png":"masks/map.png","value":77})"});
  const Dataset dataset = load_dataset(set);
  const std::vector<Annotation> all = dataset.annotations(dataset.records[0]);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(std::get<Rle>(all[0].segmentation).counts, box_to_rle({3, 2, 3, 6}, kHigh, kWide).counts);
  EXPECT_EQ(std::get<Rle>(all[1].segmentation).counts, box_to_rle({8, 0, 4, kHigh}, kHigh, kWide).counts);
  EXPECT_EQ(std::get<Rle>(all[2].segmentation).counts, std::get<Rle>(all[0].segmentation).counts);
  EXPECT_TRUE(std::holds_alternative<Polygons>(all[3].segmentation));
  EXPECT_EQ(rle_area(std::get<Rle>(all[4].segmentation)), 0u);
  EXPECT_NE(dataset.annotation_file, folder_ / "json/a.json") << "what evaluation reads is plain COCO JSON";
  EXPECT_THAT(read_file(dataset.annotation_file), HasSubstr(R"("info": {"by":"me"})"));
}

TEST_F(MaskFiles, EveryKindOfPngGivesItsNumbers) {
  const auto values_of = [&](const std::string& bytes) {
    std::ofstream(folder_ / "kind.png", std::ios::binary) << bytes;
    return read_mask_image(folder_ / "kind.png").values;
  };
  const auto at = [](int x, int y) { return static_cast<std::size_t>(y * kWide + x); };
  const auto packed =
      values_of(format_files::png_file({2, PNG_COLOR_TYPE_PALETTE, true, true}, format_files::packed_rows(2)));
  EXPECT_EQ(packed[at(4, 3)], static_cast<unsigned>((4 * 3 + 3 * 5 + 4 * 3) & 3)) << "the index, not the colour";
  const auto bits = values_of(format_files::png_file({1, PNG_COLOR_TYPE_GRAY}, format_files::packed_rows(1)));
  EXPECT_EQ(bits[at(4, 3)], static_cast<unsigned>((4 * 3 + 3 * 5 + 4 * 3) & 1)) << "1, not 255";
  const auto deep = values_of(format_files::png_file({16, PNG_COLOR_TYPE_GRAY}, format_files::deep_rows(1)));
  EXPECT_EQ(deep[at(4, 3)], format_files::shade(3, 4, 0) * 256u + format_files::shade(4, 3, 0));
  const auto ids = values_of(format_files::png_file({8, PNG_COLOR_TYPE_RGB_ALPHA}, format_files::byte_rows(4)));
  EXPECT_EQ(ids[at(4, 3)],
            format_files::shade(4, 3, 0) + 256u * format_files::shade(4, 3, 1) + 65536u * format_files::shade(4, 3, 2));
}

TEST_F(MaskFiles, WrongFilesAreNamedWithTheirAnnotation) {
  const std::string json = folder_ / "json/a.json";
  const auto error_of = [&](const std::string& segmentation) {
    const std::string set = write_set({"[[1,1,5,1,5,5]]", segmentation});
    return message_of<DataError>([&] { load_dataset(set); });
  };
  const std::string where = "coco: " + json + ": annotation 2 (image 1): ";
  EXPECT_EQ(error_of("\"none.png\""),
            where + "mask: " + (folder_ / "images/none.png") + ": no such file, nor " + (folder_ / "json/none.png"));
  EXPECT_EQ(error_of("\"small.png\""), where + "mask: " + (folder_ / "images/small.png") +
                                           ": the mask is 4x4 pixels (width x height), the image 21x13");
  EXPECT_EQ(error_of(R"({"png":"one.png","value":"x"})"),
            where + "segmentation: \"value\" must be a whole number from 0, got \"x\"");
  std::ofstream(folder_ / "images/text.png") << "no picture";
  EXPECT_EQ(error_of("\"text.png\""), where + "mask: " + (folder_ / "images/text.png") + ": not a PNG file");
  std::ofstream(folder_ / "images/half.png") << read_file(folder_ / "images/one.png").substr(0, 50);
  EXPECT_THAT(error_of("\"half.png\""), HasSubstr("half.png: damaged PNG: "));
}

TEST_F(MaskFiles, TheCheckReportsThemAndTrainingLeavesThemOut) {
  std::vector<std::string> segmentations(20, R"({"png":"masks/map.png","value":3})");
  segmentations[4] = "\"none.png\"";
  const std::string set = write_set(segmentations);
  CheckOptions options;
  options.repair = true;
  const CheckReport report = check_dataset(find_dataset(set), options);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].kind, ProblemKind::bad_mask_file);
  EXPECT_EQ(report.problems[0].annotation_id, 5);
  EXPECT_EQ(report.problems[0].image_id, 1);
  EXPECT_THAT(report.problems[0].message, HasSubstr("none.png: no such file"));
  EXPECT_THAT(report.repaired_json, HasSubstr(R"({"png":"masks/map.png","value":3})")) << "good ones stay as they are";
  DatasetLoading loading;
  loading.max_bad_share = 0.05;
  const Dataset dataset = load_dataset(set, loading);
  ASSERT_EQ(dataset.table.size(), 19u);
  EXPECT_EQ(rle_area(std::get<Rle>(dataset.annotations(dataset.records[0])[0].segmentation)), 4u * kHigh);
}

}  // namespace
}  // namespace fastermask
