// Resizing against Pillow: every byte equal.
#include "fastermask/kernels/resize.h"

#include "fastermask/weights/npz.h"
#include "parity/kernels/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

Image image_of(const NDArray& array, bool reversed_channels) {
  Image image(static_cast<int>(array.shape[0]), static_cast<int>(array.shape[1]), static_cast<int>(array.shape[2]));
  const std::uint8_t* values = array.data<std::uint8_t>();
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = values[reversed_channels ? i / 3 * 3 + 2 - i % 3 : i];
  }
  return image;
}

TEST(ResizeParity, EqualsPillowByteForByte) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/j_resize.npz");
  const Image photo = image_of(arrays.at("decoded_rgb"), true);
  for (const char* key : {"bgr_200_333", "bgr_240_1333", "bgr_500_700", "bgr_427_640"}) {
    const Image expected = image_of(arrays.at(key), false);
    EXPECT_EQ(resize_bilinear(photo, expected.size()).pixels, expected.pixels) << key;
  }
  for (const char* key : {"syn0", "syn1", "syn2", "syn3"}) {
    const Image expected = image_of(arrays.at(std::string(key) + ".out"), false);
    const Image source = image_of(arrays.at(std::string(key) + ".in"), false);
    EXPECT_EQ(resize_bilinear(source, expected.size()).pixels, expected.pixels) << key;
  }
}

TEST(ResizeParity, FindsTheReferenceSizes) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const nlohmann::json golden = testing_support::load_json(folder + "/golden/j_resize.json");
  const nlohmann::json& table = golden["output_shape_table(h,w,min,max,newh,neww)"];
  ASSERT_GT(table.size(), 100u);
  for (const nlohmann::json& row : table) {
    const ImageSize size = resize_shortest_edge_size({row[0], row[1]}, row[2], row[3]);
    EXPECT_EQ(size, (ImageSize{row[4], row[5]})) << row;
  }
}

}  // namespace
}  // namespace fastermask
