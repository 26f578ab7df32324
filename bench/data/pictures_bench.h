// See pictures_bench.cpp.
#pragma once

#include <string>

namespace fastermask::bench {

void run_pictures(const std::string& name, int threads, int iterations);
void run_stages(const std::string& name);

}  // namespace fastermask::bench
