// What the machine gives at most, to compare with.
#pragma once

namespace fastermask {

enum class MatrixNumbers { f32, bf16, int8 };

// Operations a second (a multiplication and an addition are two) of matrix products whose operands stay in each core's
// first-level cache, all compute threads together: the best of a few tries. bf16 are those of the numbers that are used
// for it (half_arithmetic()). Takes a tenth of a second or so.
double matrix_peak(MatrixNumbers numbers = MatrixNumbers::f32);

}  // namespace fastermask
