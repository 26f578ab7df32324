// Where a training computes: MODEL.DEVICE, and backends that are loaded into LibTorch. Free of LibTorch, for the
// command line.
#pragma once

#include <string>
#include <vector>

namespace fastermask {

// Loads libraries that register a backend with LibTorch (a vendor's NPU library). Throws Error naming the file and the
// loader's reason.
void load_device_plugins(const std::vector<std::string>& libraries);

// The libraries of the environment's FASTERMASK_PLUGINS, separated by ':'.
std::vector<std::string> plugins_of_environment();

// The device of this process, as LibTorch spells it ("cpu", "cuda:1", "privateuseone:0"), for MODEL.DEVICE: "auto" (the
// first kind there is besides the CPU, else the CPU), "cpu", or any of LibTorch's names with or without a number; "npu"
// is LibTorch's own where it knows the word, else the backend of a plug-in. Without a number, it is `device_ids` at
// this process's `local_rank`, else the local rank. Throws ConfigError, saying what there is and what to install.
std::string resolve_device(const std::string& name, const std::vector<int>& device_ids, int local_rank);

// What LibTorch can use here: "cpu, cuda (2 devices)".
std::string devices_here();

}  // namespace fastermask
