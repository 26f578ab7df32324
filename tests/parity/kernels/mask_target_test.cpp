// Mask head targets against detectron2's PolygonMasks and BitMasks: every pixel equal.
#include "fastermask/kernels/mask_target.h"

#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/weights/npz.h"
#include "parity/kernels/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

using testing_support::box_at;
using testing_support::mask_at;

TEST(MaskTargetParity, EqualsTheReferencePixelForPixel) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/f_masks.npz");
  const auto instances =
      testing_support::load_json(folder + "/golden/f_polygons.json").get<std::vector<Polygons>>();
  ASSERT_EQ(instances.size(), 10u);
  int set = 0;
  for (const int size : {14, 28, 56}) {
    for (const std::string kind : {"gtbox", "jitter"}) {
      const std::string suffix = kind + "_" + std::to_string(size);
      const NDArray& rois = arrays.at(kind == "gtbox" ? "boxes" : "jitter_boxes");
      for (std::size_t i = 0; i < instances.size(); ++i) {
        std::vector<std::uint8_t> target(static_cast<std::size_t>(size * size));
        polygon_mask_target(instances[i], box_at(rois, i), size, target.data());
        EXPECT_EQ(target, mask_at(arrays.at("poly_crop_" + suffix), i).pixels) << suffix << ' ' << i;
        for (const std::uint8_t pixel : target) set += pixel;

        const BitMask bitmap = mask_at(arrays.at("bitmasks"), i);
        const std::vector<std::uint8_t> expected = mask_at(arrays.at("bit_crop_" + suffix), i).pixels;
        bitmask_mask_target(bitmap, box_at(rois, i), size, target.data());
        EXPECT_EQ(target, expected) << suffix << ' ' << i;
        mask_target(rle_encode(bitmap), box_at(rois, i), size, target.data());
        EXPECT_EQ(target, expected) << suffix << ' ' << i << " from runs";
      }
    }
  }
  EXPECT_GT(set, 1000);
}

TEST(MaskTargetParity, PolygonsHaveTheReferenceAreasAndBitmaps) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/f_masks.npz");
  const auto instances =
      testing_support::load_json(folder + "/golden/f_polygons.json").get<std::vector<Polygons>>();
  for (std::size_t i = 0; i < instances.size(); ++i) {
    EXPECT_NEAR(polygons_area(instances[i]), arrays.at("poly_area").data<double>()[i], 1e-9);
    EXPECT_EQ(rle_decode(polygons_to_rle(instances[i], 120, 160)).pixels, mask_at(arrays.at("bitmasks"), i).pixels);
    EXPECT_EQ(polygons_bounding_box(instances[i]), box_at(arrays.at("boxes"), i)) << i;
  }
}

}  // namespace
}  // namespace fastermask
