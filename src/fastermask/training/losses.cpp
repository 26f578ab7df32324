#include "fastermask/training/losses.h"

#include <cmath>
#include <cstring>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

constexpr double kPi = 3.14159265358979323846;

at::Tensor boxes_tensor(const std::vector<Box>& boxes) {
  const at::Tensor tensor = at::empty({static_cast<std::int64_t>(boxes.size()), 4}, at::TensorOptions(at::kFloat));
  if (!boxes.empty()) std::memcpy(tensor.data_ptr(), boxes.data(), boxes.size() * sizeof(Box));
  return tensor;
}

at::Tensor deltas_tensor(const std::vector<Delta>& deltas) {
  const at::Tensor tensor = at::empty({static_cast<std::int64_t>(deltas.size()), 4}, at::TensorOptions(at::kFloat));
  if (!deltas.empty()) std::memcpy(tensor.data_ptr(), deltas.data(), deltas.size() * sizeof(Delta));
  return tensor;
}

at::Tensor smooth_l1_sum(const at::Tensor& prediction, const at::Tensor& target, double beta) {
  const at::Tensor difference = (prediction - target).abs();
  if (beta < 1e-5) return difference.sum();
  return at::where(difference < beta, difference.square() * (0.5 / beta), difference - 0.5 * beta).sum();
}

// The corners of [P, 4] boxes, each [P].
struct Corners {
  at::Tensor x1, y1, x2, y2;
  explicit Corners(const at::Tensor& boxes)
      : x1(boxes.select(1, 0)), y1(boxes.select(1, 1)), x2(boxes.select(1, 2)), y2(boxes.select(1, 3)) {}
};

// IoU of pairs and what the generalised forms need besides.
struct PairGeometry {
  at::Tensor iou, union_area, hull_width, hull_height;
};

PairGeometry pair_geometry(const Corners& a, const Corners& b, double epsilon) {
  const at::Tensor width = (at::minimum(a.x2, b.x2) - at::maximum(a.x1, b.x1)).clamp_min(0);
  const at::Tensor height = (at::minimum(a.y2, b.y2) - at::maximum(a.y1, b.y1)).clamp_min(0);
  const at::Tensor overlap = width * height;
  PairGeometry geometry;
  geometry.union_area = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - overlap;
  geometry.iou = overlap / (geometry.union_area + epsilon);
  geometry.hull_width = at::maximum(a.x2, b.x2) - at::minimum(a.x1, b.x1);
  geometry.hull_height = at::maximum(a.y2, b.y2) - at::minimum(a.y1, b.y1);
  return geometry;
}

at::Tensor giou_sum(const Corners& a, const Corners& b) {
  const PairGeometry pair = pair_geometry(a, b, 1e-7);
  const at::Tensor hull = pair.hull_width * pair.hull_height;
  return (1 - (pair.iou - (hull - pair.union_area) / (hull + 1e-7))).sum();
}

// DIoU, and with `aspect` CIoU: the centres' distance over the hull's diagonal, and the difference of aspect ratios.
at::Tensor diou_sum(const Corners& a, const Corners& b, bool aspect) {
  const PairGeometry pair = pair_geometry(a, b, 1e-7);
  const at::Tensor diagonal = pair.hull_width.square() + pair.hull_height.square() + 1e-7;
  const at::Tensor dx = (a.x1 + a.x2) / 2 - (b.x1 + b.x2) / 2;
  const at::Tensor dy = (a.y1 + a.y2) / 2 - (b.y1 + b.y2) / 2;
  at::Tensor loss = 1 - pair.iou + (dx.square() + dy.square()) / diagonal;
  if (aspect) {
    const at::Tensor angle_a = at::atan((a.x2 - a.x1) / (a.y2 - a.y1));
    const at::Tensor angle_b = at::atan((b.x2 - b.x1) / (b.y2 - b.y1));
    const at::Tensor v = 4 / (kPi * kPi) * (angle_b - angle_a).square();
    const at::Tensor alpha = (v / (1 - pair.iou + v + 1e-7)).detach();
    loss = loss + alpha * v;
  }
  return loss.sum();
}

}  // namespace

at::Tensor decode_deltas(const BoxCoder& coder, const at::Tensor& deltas, const at::Tensor& boxes) {
  const Corners source(boxes);
  const at::Tensor width = source.x2 - source.x1;
  const at::Tensor height = source.y2 - source.y1;
  const at::Tensor dx = deltas.select(1, 0) / coder.wx;
  const at::Tensor dy = deltas.select(1, 1) / coder.wy;
  const at::Tensor dw = (deltas.select(1, 2) / coder.ww).clamp_max(kScaleClamp);
  const at::Tensor dh = (deltas.select(1, 3) / coder.wh).clamp_max(kScaleClamp);
  const at::Tensor centre_x = dx * width + (source.x1 + 0.5 * width);
  const at::Tensor centre_y = dy * height + (source.y1 + 0.5 * height);
  const at::Tensor half_width = 0.5 * (dw.exp() * width);
  const at::Tensor half_height = 0.5 * (dh.exp() * height);
  return at::stack({centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height}, 1);
}

at::Tensor box_regression_loss(const BoxLossSpec& spec, const at::Tensor& pred_deltas,
                               const std::vector<Box>& source_boxes, const std::vector<Box>& gt_boxes) {
  FASTERMASK_CHECK(
      pred_deltas.size(0) == static_cast<std::int64_t>(source_boxes.size()) && source_boxes.size() == gt_boxes.size(),
      "box loss: {} deltas for {} boxes and {} ground truths", pred_deltas.size(0), source_boxes.size(),
      gt_boxes.size());
  if (source_boxes.empty()) return pred_deltas.sum() * 0;
  if (spec.type == "smooth_l1") {
    return smooth_l1_sum(pred_deltas,
                         deltas_tensor(encode_boxes(spec.coder, source_boxes, gt_boxes)).to(pred_deltas.device()),
                         spec.beta);
  }
  const Corners predicted(decode_deltas(spec.coder, pred_deltas, boxes_tensor(source_boxes).to(pred_deltas.device())));
  const Corners truth(boxes_tensor(gt_boxes).to(pred_deltas.device()));
  if (spec.type == "giou") return giou_sum(predicted, truth);
  if (spec.type == "diou") return diou_sum(predicted, truth, false);
  if (spec.type == "ciou") return diou_sum(predicted, truth, true);
  fail<ConfigError>("config: BBOX_REG_LOSS_TYPE must be smooth_l1, giou, diou or ciou, got '{}'", spec.type);
}

at::Tensor sigmoid_cross_entropy_sum(const at::Tensor& logits, const at::Tensor& targets) {
  return at::binary_cross_entropy_with_logits(logits, targets.to(logits.device()), {}, {}, at::Reduction::Sum);
}

at::Tensor softmax_cross_entropy_mean(const at::Tensor& logits, const std::vector<std::int64_t>& classes) {
  if (classes.empty()) return logits.sum() * 0;
  return at::cross_entropy_loss(logits, to_tensor(classes).to(logits.device()));
}

at::Tensor values_of_class(const at::Tensor& values, const std::vector<std::int64_t>& classes) {
  const std::int64_t count = values.size(0), columns = values.size(1);
  if (values.is_cpu()) return at::index(values, {at::arange(count, at::TensorOptions(at::kLong)), to_tensor(classes)});
  // Plainer operations, which more devices have.
  std::vector<std::int64_t> rows = classes;
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += static_cast<std::int64_t>(i) * columns;
  return values.flatten(0, 1).index_select(0, to_tensor(rows).to(values.device()));
}

at::Tensor mask_loss(const at::Tensor& logits, const std::vector<std::int64_t>& classes,
                     const std::vector<std::uint8_t>& targets, at::Tensor* selected) {
  if (classes.empty()) return logits.sum() * 0;
  const std::int64_t count = logits.size(0), size = logits.size(2);
  FASTERMASK_CHECK(static_cast<std::int64_t>(targets.size()) == count * size * size,
                   "mask loss: {} target pixels for logits of {}", targets.size(),
                   to_string(Shape(logits.sizes().vec())));
  const at::Tensor chosen =
      logits.size(1) == 1 ? logits.select(1, 0)
                          : values_of_class(logits, classes);
  const at::Tensor target =
      at::from_blob(const_cast<std::uint8_t*>(targets.data()), {count, size, size}, at::TensorOptions(at::kByte))
          .to(at::kFloat)
          .to(logits.device());
  if (selected != nullptr) *selected = chosen.detach();
  return at::binary_cross_entropy_with_logits(chosen, target);
}

}  // namespace fastermask
