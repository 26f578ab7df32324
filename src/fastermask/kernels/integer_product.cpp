// Packs weights for the integer product and chooses its compiled copies.
#include "fastermask/kernels/integer_product.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/kernels/integer_finish.h"
#include "fastermask/kernels/tile_product.h"
#include "fastermask/kernels/tile_units.h"

namespace fastermask {

void pack_integer_panel(const std::int8_t* weight, int columns, int depth, std::int8_t* panel) {
  FASTERMASK_CHECK(columns >= 0 && columns <= kIntegerPanelWidth, "integer product: a panel of {} columns", columns);
  std::fill_n(panel, integer_panel_bytes(depth), std::int8_t{0});
  for (int n = 0; n < columns; ++n) {
    for (int k = 0; k < depth; ++k) {
      const std::int8_t value = weight[static_cast<std::ptrdiff_t>(n) * depth + k];
      FASTERMASK_CHECK(value >= -kIntegerWeightMax && value <= kIntegerWeightMax,
                       "integer product: weight {} is not within -{} .. {}", int{value}, kIntegerWeightMax,
                       kIntegerWeightMax);
      panel[(static_cast<std::ptrdiff_t>(k / 4) * kIntegerPanelWidth + n) * 4 + k % 4] = value;
    }
  }
}

IntegerOps integer_ops(Isa isa) {
  IntegerOps ops{FASTERMASK_PICK_COPY(multiply_integer_panel, isa), FASTERMASK_PICK_COPY(finish_integers, isa),
                 FASTERMASK_PICK_COPY(quantise, isa)};
#if defined(__x86_64__)
  if (isa == Isa::avx512 && tiles_work()) {
    ops.multiply_panel = avx512::multiply_integer_panels_amx;
    ops.panels_at_once = avx512::kVnniPanelsAtOnce;
    ops.rows_at_once = kRowsOfTiles;
  } else if (isa == Isa::avx512 && has_vnni()) {
    ops.multiply_panel = avx512::multiply_integer_panels_vnni;
    ops.panels_at_once = avx512::kVnniPanelsAtOnce;
  }
#endif
  return ops;
}

}  // namespace fastermask
