#include "fastermask/detection/box_coding.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {

// Both directions follow the reference's order of float32 operations.
Delta BoxCoder::encode(const Box& source, const Box& target) const {
  const float source_x = source.x1 + 0.5f * source.width();
  const float source_y = source.y1 + 0.5f * source.height();
  const float target_x = target.x1 + 0.5f * target.width();
  const float target_y = target.y1 + 0.5f * target.height();
  return {wx * (target_x - source_x) / source.width(), wy * (target_y - source_y) / source.height(),
          ww * std::log(target.width() / source.width()), wh * std::log(target.height() / source.height())};
}

Box BoxCoder::decode(const Delta& delta, const Box& box) const {
  constexpr float kClamp = static_cast<float>(kScaleClamp);
  const float dx = delta[0] / wx;
  const float dy = delta[1] / wy;
  const float dw = delta[2] / ww > kClamp ? kClamp : delta[2] / ww;  // written so that NaN stays NaN
  const float dh = delta[3] / wh > kClamp ? kClamp : delta[3] / wh;
  const float centre_x = dx * box.width() + (box.x1 + 0.5f * box.width());
  const float centre_y = dy * box.height() + (box.y1 + 0.5f * box.height());
  const float width = std::exp(dw) * box.width();
  const float height = std::exp(dh) * box.height();
  return {centre_x - 0.5f * width, centre_y - 0.5f * height, centre_x + 0.5f * width, centre_y + 0.5f * height};
}

std::vector<Delta> encode_boxes(const BoxCoder& coder, Span<const Box> sources, Span<const Box> targets) {
  FASTERMASK_CHECK(sources.size() == targets.size(), "encode_boxes: there must be one target a source, got {} and {}",
                   targets.size(), sources.size());
  std::vector<Delta> deltas(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    FASTERMASK_CHECK(sources[i].width() > 0 && sources[i].height() > 0,
                     "encode_boxes: source box {} must have positive sides, got {} x {}", i, sources[i].width(),
                     sources[i].height());
    deltas[i] = coder.encode(sources[i], targets[i]);
  }
  return deltas;
}

Boxes decode_boxes(const BoxCoder& coder, Span<const float> deltas, Span<const Box> boxes) {
  const std::size_t row = boxes.empty() ? 4 : deltas.size() / boxes.size();
  FASTERMASK_CHECK(deltas.size() == boxes.size() * row && row % 4 == 0 && row > 0,
                   "decode_boxes: deltas must be [{}, K * 4] for {} boxes, got {} values", boxes.size(), boxes.size(),
                   deltas.size());
  const std::size_t classes = row / 4;
  Boxes decoded(boxes.size() * classes);
  parallel_for(0, static_cast<std::int64_t>(boxes.size()), 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      for (std::size_t k = 0; k < classes; ++k) {
        const float* d = deltas.data() + i * row + 4 * k;
        decoded[i * classes + k] = coder.decode({d[0], d[1], d[2], d[3]}, boxes[i]);
      }
    }
  });
  return decoded;
}

}  // namespace fastermask
