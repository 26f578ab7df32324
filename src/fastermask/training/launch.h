// `fastermask train --num-procs N`: starts the processes of this machine and looks after them. Free of LibTorch.
#pragma once

#include <string>
#include <vector>

#include "fastermask/training/distributed.h"

namespace fastermask {

struct LaunchOptions {
  RankPlace first;            // of this machine's rank 0
  int max_restarts = 0;       // after the loss of a process, from the last checkpoint
  double grace_seconds = 15;  // between the first process's end in failure and the others' by force
  // Above 0, on one machine: a restart takes only as many processes as were not killed, the most that `batch` (pictures
  // a step) is a multiple of, but no fewer than this. Losses and the order of the pictures stay the same.
  int min_procs = 0;
  int batch = 0;
  std::vector<std::string> arguments;  // of this program, without its name
};

// Runs this program once for each local rank, with RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and
// MASTER_PORT in its environment and its share of the cores. SIGTERM and SIGINT are handed on, each time they come.
// When one fails, the others get a while to report it and are then killed. Returns 0 when all ended well, else the
// first failure's status.
int launch_processes(const LaunchOptions& options);

}  // namespace fastermask
