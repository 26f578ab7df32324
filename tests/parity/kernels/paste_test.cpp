// Pasted masks against detectron2's paste_masks_in_image: every pixel equal.
#include "fastermask/kernels/paste.h"

#include <array>
#include <cstdlib>
#include <string>

#include "fastermask/kernels/rle.h"
#include "fastermask/weights/npz.h"
#include "parity/kernels/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

using testing_support::box_at;
using testing_support::load_json;
using testing_support::mask_at;

TEST(PasteParity, EqualsTheReferencePixelForPixel) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/f_masks.npz");
  const ImageSize image{120, 160};
  for (std::size_t i = 0; i < 10; ++i) {
    const float* soft = arrays.at("soft28").data<float>() + i * 28 * 28;
    const Box box = box_at(arrays.at("paste_boxes"), i);
    const BitMask expected = mask_at(arrays.at("pasted_thr0.5"), i);
    EXPECT_EQ(paste_mask(soft, 28, box, image).pixels, expected.pixels) << i;
    EXPECT_EQ(paste_mask_to_rle(soft, 28, box, image), rle_encode(expected)) << i;
    const Image pasted = paste_soft_mask(soft, 28, box, image);
    const std::uint8_t* values = arrays.at("pasted_soft_uint8").data<std::uint8_t>() + i * 120 * 160;
    int different = 0;
    for (std::size_t p = 0; p < pasted.pixels.size(); ++p) different += std::abs(pasted.pixels[p] - values[p]);
    EXPECT_EQ(different, 0) << i;
  }
}

TEST(PasteParity, EqualsTheMasksOfWholeModels) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  int compared = 0;
  for (const std::string model : {"mask_fpn", "mask_c4", "cascade_fpn"}) {
    const std::string path = folder + "/golden/models/" + model;
    const NamedArrays arrays = load_npz(path + "/infer.npz");
    const nlohmann::json images = load_json(path + "/postprocessed.json");
    for (std::size_t i = 0; i < images.size(); ++i) {
      const nlohmann::json& image = images[i];
      const NDArray& soft = arrays.at("det." + std::to_string(i) + ".masks28");
      const std::size_t values = static_cast<std::size_t>(soft.shape[2] * soft.shape[3]);
      ASSERT_EQ(static_cast<std::size_t>(soft.shape[0]), image["boxes"].size());
      for (std::size_t d = 0; d < image["boxes"].size(); ++d, ++compared) {
        const std::array<float, 4> box = image["boxes"][d];
        const Rle mask = paste_mask_to_rle(soft.data<float>() + d * values, static_cast<int>(soft.shape[3]),
                                           {box[0], box[1], box[2], box[3]}, {image["height"], image["width"]});
        EXPECT_EQ(rle_to_string(mask), image["masks_rle"][d]["counts"]) << model << ", image " << i << ", box " << d;
      }
    }
  }
  EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace fastermask
