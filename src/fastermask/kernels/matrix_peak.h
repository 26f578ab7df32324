// What the machine gives at most, to compare with.
#pragma once

namespace fastermask {

// Floating-point operations a second of float32 matrix products whose operands stay in each core's first-level cache,
// all compute threads together: the best of a few tries. Takes a tenth of a second or so.
double matrix_peak();

}  // namespace fastermask
