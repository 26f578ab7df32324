// Tests of several processes: a test starts this program again, once for each rank, with another test of it as the
// rank's work. Such tests are called DISABLED_..., do nothing without RANK, and find what they need in $RANK_FOLDER.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "fastermask/base/file.h"
#include "fastermask/training/distributed.h"

namespace fastermask {

// A port that nobody listens at just now.
inline int free_port() {
  const int number = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int port = 0;
  if (bind(number, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(number, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  close(number);
  return port;
}

// Runs `test` ("Suite.DISABLED_Name") as `world_size` ranks and expects all to pass; what they print is shown when not.
// `folder` is theirs to read and write; `extra` is RANK_EXTRA in their environment.
inline void run_ranks(const std::string& test, int world_size, const std::string& folder,
                      const std::string& extra = "") {
  std::filesystem::create_directories(folder);
  const int port = free_port();
  std::vector<pid_t> processes;
  for (int rank = 0; rank < world_size; ++rank) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      setenv("RANK", std::to_string(rank).c_str(), 1);
      setenv("WORLD_SIZE", std::to_string(world_size).c_str(), 1);
      setenv("MASTER_PORT", std::to_string(port).c_str(), 1);
      setenv("RANK_FOLDER", folder.c_str(), 1);
      setenv("RANK_EXTRA", extra.c_str(), 1);
      setenv("FASTERMASK_TIMEOUT", "60", 1);
      const std::string log = folder + "/rank" + std::to_string(rank) + ".txt", filter = "--gtest_filter=" + test;
      if (freopen(log.c_str(), "w", stdout) == nullptr || dup2(STDOUT_FILENO, STDERR_FILENO) < 0) _exit(126);
      execl("/proc/self/exe", "rank", "--gtest_also_run_disabled_tests", filter.c_str(), nullptr);
      _exit(127);
    }
    processes.push_back(pid);
  }
  for (int rank = 0; rank < world_size; ++rank) {
    int status = -1;
    waitpid(processes[static_cast<std::size_t>(rank)], &status, 0);
    EXPECT_EQ(status, 0) << "rank " << rank << ": " << read_file(folder + "/rank" + std::to_string(rank) + ".txt");
  }
}

// In such a rank: joins the others. False outside of one.
inline bool join_as_rank() {
  RankPlace place;
  if (std::getenv("RANK_FOLDER") == nullptr) return false;
  place.timeout_seconds = 60;
  place_from_environment(place);
  distributed::start(place);
  return true;
}

inline std::string rank_folder() { return std::getenv("RANK_FOLDER"); }
inline std::string rank_extra() { return std::getenv("RANK_EXTRA"); }

}  // namespace fastermask
