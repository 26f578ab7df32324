// The timings of `fastermask bench`, one function a part.
#pragma once

#include <CLI/CLI.hpp>

namespace fastermask::cli {

void add_bench_infer_command(CLI::App& bench);
void add_bench_data_command(CLI::App& bench);
void add_bench_eval_command(CLI::App& bench);
void add_bench_train_stub(CLI::App& bench);  // started in fastermask-train, which has:
void add_bench_train_command(CLI::App& bench);

}  // namespace fastermask::cli
