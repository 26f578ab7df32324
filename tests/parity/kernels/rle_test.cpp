// Run-length encoding against pycocotools.
#include "fastermask/kernels/rle.h"

#include "fastermask/weights/npz.h"
#include "parity/kernels/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

using testing_support::load_json;

TEST(RleParity, EncodesDecodesAndMeasuresAsPycocotools) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/g_rle_masks.npz");
  const nlohmann::json golden = load_json(folder + "/golden/g_rle.json");
  ASSERT_EQ(golden["rles"].size(), arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const nlohmann::json& entry = golden["rles"][i];
    const BitMask mask = testing_support::mask_at(arrays.at("mask" + std::to_string(i)), 0);
    const Rle rle = rle_encode(mask);
    EXPECT_EQ(rle.counts, entry["uncompressed"].get<std::vector<std::uint32_t>>()) << i;
    EXPECT_EQ(rle_to_string(rle), entry["counts"]) << i;
    EXPECT_EQ(rle_from_string(entry["counts"].get<std::string>(), mask.height, mask.width), rle) << i;
    EXPECT_EQ(rle_decode(rle).pixels, mask.pixels) << i;
    EXPECT_EQ(rle_area(rle), entry["area"]) << i;
    EXPECT_EQ(rle_to_xywh(rle), (entry["bbox"].get<std::array<double, 4>>())) << i;
  }
}

TEST(RleParity, MergesAndComparesAsPycocotools) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/g_rle_masks.npz");
  const nlohmann::json golden = load_json(folder + "/golden/g_rle.json");
  std::vector<Rle> masks;
  for (const char* name : {"mask6", "mask7", "mask8"}) {
    masks.push_back(rle_encode(testing_support::mask_at(arrays.at(name), 0)));
  }
  EXPECT_EQ(rle_to_string(rle_merge(masks)), golden["merge_union_6_8"]["counts"]);
  EXPECT_EQ(rle_to_string(rle_merge(masks, true)), golden["merge_intersect_6_8"]["counts"]);
  for (std::size_t d = 0; d < 3; ++d) {
    for (std::size_t g = 0; g < 3; ++g) {
      EXPECT_EQ(rle_iou(masks[d], masks[g], false), golden["iou_6_8_nocrowd"][d][g]) << d << ' ' << g;
      const bool crowd = g != 1;  // recorded with iscrowd = [1, 0, 1]
      EXPECT_EQ(rle_iou(masks[d], masks[g], crowd), golden["iou_6_8_crowd_gt"][d][g]) << d << ' ' << g;
    }
  }
}

TEST(RleParity, RasterisesPolygonsAndBoxesAsPycocotools) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const nlohmann::json golden = load_json(folder + "/golden/g_rle.json");
  for (const nlohmann::json& entry : golden["polygons"]) {
    const Polygons polygons = entry["polygons"].get<Polygons>();
    const int height = entry["h"];
    const int width = entry["w"];
    for (std::size_t i = 0; i < polygons.size(); ++i) {
      EXPECT_EQ(rle_to_string(polygon_to_rle(polygons[i], height, width)), entry["each"][i]) << entry["polygons"];
    }
    const Rle merged = polygons_to_rle(polygons, height, width);
    EXPECT_EQ(rle_to_string(merged), entry["merged"]) << entry["polygons"];
    EXPECT_EQ(rle_area(merged), entry["area"]);
    EXPECT_EQ(rle_to_xywh(merged), (entry["bbox"].get<std::array<double, 4>>()));
  }
  for (const nlohmann::json& entry : golden["frBbox"]) {
    EXPECT_EQ(rle_to_string(box_to_rle(entry["bbox"].get<std::array<double, 4>>(), 48, 64)), entry["counts"]);
  }
}

}  // namespace
}  // namespace fastermask
