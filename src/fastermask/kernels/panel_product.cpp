// Chooses the compiled copies of the matrix product.
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

PanelOps panel_ops(Isa isa) {
  PanelOps ops{};
  ops.multiply_panel = FASTERMASK_PICK_COPY(multiply_panel, isa);
  ops.panels_at_once = FASTERMASK_PICK_COPY(panels_at_once, isa)();
  return ops;
}

}  // namespace fastermask
