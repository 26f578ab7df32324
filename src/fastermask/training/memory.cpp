#include "fastermask/training/memory.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string_view>

#include "fastermask/base/error.h"
#include "fastermask/base/memory_arena.h"

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

constexpr std::size_t kSmallestLarge = std::size_t{256} << 10;

void free_tensor(void* memory) {
  MemoryArena* const arena = shared_arena();
  if (arena == nullptr || !arena->release(memory)) std::free(memory);
}

// LibTorch's tensors: large ones in the arena, small ones as LibTorch itself has them.
class TensorAllocator : public at::Allocator {
 public:
  at::DataPtr allocate(std::size_t bytes) const override {
    if (bytes == 0) return {nullptr, at::Device(at::DeviceType::CPU)};
    void* memory = nullptr;
    if (bytes >= kSmallestLarge) {
      memory = shared_arena()->allocate(bytes);
    } else if (::posix_memalign(&memory, 64, bytes) != 0) {
      memory = nullptr;
    }
    TORCH_CHECK(memory != nullptr, "TensorAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes.");
    return {memory, memory, &free_tensor, at::Device(at::DeviceType::CPU)};
  }

  at::DeleterFnPtr raw_deleter() const override { return &free_tensor; }
};

// Bytes that may lie unused: FASTERMASK_KEEP_MEMORY's gigabytes, else half of the machine's.
std::size_t most_unused_bytes(const char* wanted) {
  constexpr double kFew = 4 * kGibibyte;
  double bytes = std::max(proc_bytes("/proc/meminfo", "MemTotal:") / 2, kFew);
  if (wanted != nullptr) {
    char* end = nullptr;
    const double gibibytes = std::strtod(wanted, &end);
    if (end == wanted || *end != '\0' || !(gibibytes >= 0) || gibibytes > 1e6)
      fail("FASTERMASK_KEEP_MEMORY is '{}': gigabytes wanted, such as 4, or 0 to keep none", wanted);
    bytes = gibibytes * kGibibyte;
  }
  return static_cast<std::size_t>(bytes);
}

}  // namespace

void keep_freed_memory() {
  const std::size_t most_unused = most_unused_bytes(std::getenv("FASTERMASK_KEEP_MEMORY"));
  if (most_unused == 0) return;
  // What is not a tensor, above all oneDNN's scratch memory, comes from the C library.
  mallopt(M_MMAP_MAX, 0);         // blocks of any size come from the heap, which can be reused
  mallopt(M_TRIM_THRESHOLD, -1);  // and the heap's top is not given back
  mallopt(M_TOP_PAD, 64 << 20);   // it grows in large steps
  turn_on_shared_arena(most_unused);
  static TensorAllocator allocator;
  constexpr std::uint8_t kAboveOthers = 1;
  c10::SetAllocator(at::DeviceType::CPU, &allocator, kAboveOthers);
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
