// Span: a view of contiguous memory owned by someone else, checked at its bounds (gsl::span; C++17 has none).
#pragma once

#include <gsl/span>

namespace fastermask {

template <class T>
using Span = gsl::span<T>;

}  // namespace fastermask
