#include "fastermask/training/launch.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"

namespace fastermask {
namespace {

constexpr const char* kLaunch = "engine.launch";
constexpr int kTooManyRestarts = 1;

volatile std::sig_atomic_t g_signal = 0;
volatile std::sig_atomic_t g_signals = 0;  // how many have come

// Leaves this process the cores of its share, when there are enough to share out.
void take_cores(int local_rank, int local_size) {
  cpu_set_t all;
  CPU_ZERO(&all);
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &all)) cores.push_back(core);
  }
  const int count = static_cast<int>(cores.size());
  if (count < local_size) return;
  cpu_set_t own;
  CPU_ZERO(&own);
  for (int i = count * local_rank / local_size; i < count * (local_rank + 1) / local_size; ++i) {
    CPU_SET(cores[static_cast<std::size_t>(i)], &own);
  }
  sched_setaffinity(0, sizeof own, &own);
}

pid_t start_rank(const LaunchOptions& options, int local_rank, bool resume) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) fail("launch: cannot start a process: {}", std::strerror(errno));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no orphans
  if (getppid() != parent) _exit(1);
  setpgid(0, 0);  // Ctrl-C reaches only the launcher, which hands it on
  const RankPlace& first = options.first;
  const auto set = [](const char* name, const std::string& value) { setenv(name, value.c_str(), 1); };
  set("FASTERMASK_LAUNCHED", "1");
  set("RANK", std::to_string(first.rank + local_rank));
  set("WORLD_SIZE", std::to_string(first.world_size));
  set("LOCAL_RANK", std::to_string(local_rank));
  set("LOCAL_WORLD_SIZE", std::to_string(first.local_size));
  set("MASTER_ADDR", first.address);
  set("MASTER_PORT", std::to_string(first.port));
  take_cores(local_rank, first.local_size);
  std::vector<std::string> words = {"fastermask-train"};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  // After the word `train`: options may not follow KEY VALUE pairs.
  if (resume) words.insert(words.begin() + 2, "--resume");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  _exit(127);
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

int exit_status(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

// How one attempt went.
struct Attempt {
  int status = 0;  // 0 when all ended well
  int killed = 0;  // processes that somebody else killed
};

Attempt run_once(const LaunchOptions& options, bool resume) {
  std::map<pid_t, int> running;  // process -> rank
  for (int local = 0; local < options.first.local_size; ++local) {
    const pid_t pid = start_rank(options, local, resume);
    running[pid] = options.first.rank + local;
    log_info(kLaunch, "rank {} of {} is process {}", options.first.rank + local, options.first.world_size, pid);
  }
  Attempt attempt;
  int& result = attempt.status;
  bool killed = false;
  int handed_on = 0;
  std::chrono::steady_clock::time_point failed;
  while (!running.empty()) {
    if (g_signals != handed_on) {
      handed_on = g_signals;
      for (const auto& [pid, rank] : running) kill(pid, g_signal);
    }
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0 && running.count(pid) > 0) {
      const int rank = running[pid];
      running.erase(pid);
      if (exit_status(status) == 0 || killed) continue;
      log_error(kLaunch, "rank {} (process {}) {}", rank, pid, describe_end(status));
      if (WIFSIGNALED(status) && g_signals == 0) ++attempt.killed;
      if (result == 0) failed = std::chrono::steady_clock::now();
      if (result == 0) result = exit_status(status);
      continue;
    }
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - failed;
    if (result != 0 && !killed && since.count() > options.grace_seconds) {
      killed = true;
      for (const auto& [left, rank] : running) {
        log_error(kLaunch, "killing rank {} (process {})", rank, left);
        kill(left, SIGKILL);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return attempt;
}

// With options.min_procs, how many processes the next attempt has.
int processes_left(const LaunchOptions& options, int killed) {
  const int now = options.first.local_size;
  if (options.min_procs == 0 || killed == 0 || options.first.world_size != now) return now;
  for (int count = now - killed; count >= std::max(options.min_procs, 1); --count) {
    if (options.batch % count == 0) return count;
  }
  return now;
}

}  // namespace

int launch_processes(const LaunchOptions& given) {
  LaunchOptions options = given;
  struct sigaction action {};
  action.sa_handler = [](int signal) {
    g_signal = signal;
    g_signals = g_signals + 1;
  };
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  for (int restarts = 0;; ++restarts) {
    const auto [status, killed] = run_once(options, restarts > 0);
    // A usage or config error (2) would only come again.
    if (status == 0 || status == 2 || g_signal != 0) return status;
    if (restarts >= options.max_restarts) return std::max(status, kTooManyRestarts);
    const int left = processes_left(options, killed);
    log_warning(kLaunch, "Starting again from the last checkpoint: restart {} of {}, {} processes on this machine",
                restarts + 1, options.max_restarts, left);
    options.first.local_size = left;
    if (left != given.first.local_size) options.first.world_size = left;
  }
}

}  // namespace fastermask
