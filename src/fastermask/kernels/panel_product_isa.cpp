// See panel_product.h: products of float32.
#include "fastermask/kernels/panel_product_rows.h"

namespace fastermask::FASTERMASK_ISA {

void multiply_panel(const PanelProduct& product) { multiply_any(product); }

int panels_at_once() { return kPanels; }

}  // namespace fastermask::FASTERMASK_ISA
