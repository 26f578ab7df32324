// Whether products may run on units that multiply tiles (tile_product.h).
#pragma once

#include "fastermask/kernels/integer_product.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

// has_amx(), and what they compute was found right: the first call multiplies some numbers both ways. AMX was not at hand
// when its kernels were written, and emulators and virtual machines get new instructions wrong at times; on such a
// machine a warning is logged and the other kernels are used.
bool tiles_work();

// Whether two such products are right, on a few numbers that leave rests of rows and columns.
bool half_tiles_are_right(void (*multiply)(const HalfProduct& product));
bool byte_tiles_are_right(void (*multiply)(const IntegerProduct& product));

}  // namespace fastermask
