#include "fastermask/cli/stop_signal.h"

#include <csignal>

namespace fastermask::cli {
namespace {

volatile std::sig_atomic_t stop_asked = 0;

void note_signal(int signal) {
  stop_asked = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_stop_signals() {
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
}

bool stop_was_asked() { return stop_asked != 0; }

}  // namespace fastermask::cli
