#include "fastermask/report/environment.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "fastermask/base/cpu.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/kernels/half_kernels.h"
#include "fastermask/kernels/tile_units.h"

namespace fastermask {
namespace {

constexpr std::uint64_t kBytesInKib = 1024;

// The value of the first line "name : value" in a file of such lines; "unknown" when there is none.
std::string named_line(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && trim(line.substr(0, colon)) == name) {
      return std::string(trim(line.substr(colon + 1)));
    }
  }
  return "unknown";
}

// A quantity of /proc/meminfo, such as "MemTotal".
std::string memory_quantity(const std::string& name) {
  std::istringstream text(named_line("/proc/meminfo", name));
  std::uint64_t kib = 0;
  return text >> kib ? format_bytes(kib * kBytesInKib) : "unknown";
}

std::string system_name() {
  utsname system{};
  if (uname(&system) != 0) return "unknown";
  return fmt::format("{} {} {}", system.sysname, system.release, system.machine);
}

const char* bf16_units() {
  if (!has_bf16_units()) return "none";
  if (!bf16_units_pay()) return "slower than float32's, not used";
  return tiles_work() ? "AMX" : "used";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> environment_facts() {
  return {
      {"fastermask", FASTERMASK_VERSION},
      {"build", FASTERMASK_BUILD_TYPE},
      {"compiler", __VERSION__},
      {"system", system_name()},
      {"processor", named_line("/proc/cpuinfo", "model name")},
      {"cores", fmt::format("{}", std::thread::hardware_concurrency())},
      {"cores this process may use", fmt::format("{}", available_cores())},
      {"instruction set of kernels", isa_name(best_isa())},
      {"bfloat16 units", bf16_units()},
      {"float16 units", half_arithmetic() == HalfArithmetic::float16 ? "used for bf16 and AMP"
                        : has_fp16_units()                           ? "not used"
                                                                     : "none"},
      {"integer units", tiles_work() ? "AMX" : has_vnni() ? "used" : "none"},
      {"memory", memory_quantity("MemTotal")},
      {"memory available", memory_quantity("MemAvailable")},
      {"libraries", FASTERMASK_LIBRARY_VERSIONS},
  };
}

}  // namespace fastermask
