#include "fastermask/base/cpu.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fastermask {
namespace {

Isa detect() {
  Isa best = Isa::generic;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    best = Isa::avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      best = Isa::avx512;
    }
  }
#endif
  if (const char* wanted = std::getenv("FASTERMASK_ISA")) {
    for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512}) {
      if (std::string_view(wanted) == isa_name(isa)) best = std::min(best, isa);
    }
  }
  return best;
}

bool is_turned_off(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && std::string_view(value) == "0";
}

}  // namespace

Isa best_isa() {
  static const Isa isa = detect();
  return isa;
}

bool has_bf16_units() {
#if defined(__x86_64__)
  static const bool found = best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16");
  return found;
#else
  return false;
#endif
}

bool has_fp16_units() {
#if defined(__x86_64__)
  static const bool found =
      best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512fp16") && !is_turned_off("FASTERMASK_FP16_UNITS");
  return found;
#else
  return false;
#endif
}

bool has_vnni() {
#if defined(__x86_64__)
  static const bool found =
      best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512vnni") && !is_turned_off("FASTERMASK_VNNI");
  return found;
#else
  return false;
#endif
}

bool has_amx() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool found = [] {
    if (!has_bf16_units() || !has_vnni() || is_turned_off("FASTERMASK_AMX")) return false;
    if (!__builtin_cpu_supports("amx-tile") || !__builtin_cpu_supports("amx-bf16") ||
        !__builtin_cpu_supports("amx-int8")) {
      return false;
    }
    // The tiles' 8 KB are part of a thread's state only for processes that asked for them. (asm/prctl.h has these
    // numbers since Linux 5.16.)
    constexpr long kRequestPermission = 0x1023;
    constexpr long kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return found;
#else
  return false;
#endif
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    default: return "generic";
  }
}

}  // namespace fastermask
