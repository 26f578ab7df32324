// The timings of `fastermask bench`, one function a part.
#pragma once

#include <CLI/CLI.hpp>

namespace fastermask::cli {

void add_bench_infer_command(CLI::App& bench);

}  // namespace fastermask::cli
