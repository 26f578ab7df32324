// The slow, obvious twin of deform_conv.h: one tap, one channel at a time. For tests, and for checking a machine.
#pragma once

#include "fastermask/kernels/deform_conv.h"

namespace fastermask {

// As deform_columns, serial, in plain loops.
void ref_deform_columns(const DeformShape& shape, const DeformParams& params, const float* input, const float* offsets,
                        float* columns);

}  // namespace fastermask
