// Chooses the compiled copies of the row loops.
#include "fastermask/kernels/row_ops.h"

namespace fastermask {

RowOps row_ops(Isa isa) {
  RowOps ops{};
  ops.weighted_sum = FASTERMASK_PICK_COPY(weighted_sum, isa);
  ops.weighted_sum_of_bf16 = FASTERMASK_PICK_COPY(weighted_sum_of_bf16, isa);
  ops.weighted_sum_to_bf16 = FASTERMASK_PICK_COPY(weighted_sum_to_bf16, isa);
  ops.weighted_sum_in_bf16 = FASTERMASK_PICK_COPY(weighted_sum_in_bf16, isa);
  ops.update_maximum = FASTERMASK_PICK_COPY(update_maximum, isa);
  ops.paste_line = FASTERMASK_PICK_COPY(paste_line, isa);
  ops.threshold_line = FASTERMASK_PICK_COPY(threshold_line, isa);
  ops.resize_row = FASTERMASK_PICK_COPY(resize_row, isa);
  ops.resize_rows = FASTERMASK_PICK_COPY(resize_rows, isa);
  ops.resize_column = FASTERMASK_PICK_COPY(resize_column, isa);
  ops.normalise_row = FASTERMASK_PICK_COPY(normalise_row, isa);
  ops.dot = FASTERMASK_PICK_COPY(dot, isa);
  return ops;
}

const RowOps& row_ops() {
  static const RowOps ops = row_ops(best_isa());
  return ops;
}

}  // namespace fastermask
