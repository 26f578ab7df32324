#include "fastermask/training/memory.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string_view>

namespace fastermask {
namespace {

constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;

// The number behind `key` in one of /proc's files of "key: number kB" lines, in bytes; negative when it is not there.
double proc_bytes(const char* path, std::string_view key) {
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    if (line.compare(0, key.size(), key) == 0) return std::strtod(line.c_str() + key.size(), nullptr) * 1024;
  }
  return -1;
}

// What this process may still get: the machine's free memory, or less where `ulimit -v` says so.
double available_bytes() {
  double available = proc_bytes("/proc/meminfo", "MemAvailable:");
  struct rlimit limit {};
  const double used = proc_bytes("/proc/self/status", "VmSize:");
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && used >= 0) {
    const double rest = std::max(static_cast<double>(limit.rlim_cur) - used, 0.0);
    available = available < 0 ? rest : std::min(available, rest);
  }
  return available;
}

}  // namespace

void keep_freed_memory() {
  const char* wanted = std::getenv("FASTERMASK_KEEP_MEMORY");
  if (wanted != nullptr && std::string_view(wanted) == "0") return;
  mallopt(M_MMAP_MAX, 0);         // blocks of any size come from the heap, which can be reused
  mallopt(M_TRIM_THRESHOLD, -1);  // and the heap's top is not given back
  mallopt(M_TOP_PAD, 64 << 20);   // it grows in large steps
}

std::string memory_shortage(const std::exception& error) {
  // LibTorch: "DefaultCPUAllocator: can't allocate memory: you tried to allocate 123 bytes. ..."
  const std::string_view text = error.what();
  const bool torch = text.find("can't allocate memory") != std::string_view::npos;
  if (!torch && dynamic_cast<const std::bad_alloc*>(&error) == nullptr) return "";
  std::string wanted = "more memory wanted than there is";
  constexpr std::string_view kTried = "tried to allocate ";
  if (const std::size_t at = text.find(kTried); at != std::string_view::npos) {
    const double bytes = std::strtod(std::string(text.substr(at + kTried.size(), 32)).c_str(), nullptr);
    wanted = fmt::format("{:.2f} GiB more wanted", bytes / kGibibyte);
  }
  const double available = available_bytes();
  return available < 0 ? wanted : fmt::format("{}, {:.2f} GiB available", wanted, available / kGibibyte);
}

}  // namespace fastermask
