// The group this process belongs to, and its side of the store. Only distributed*.cpp include this.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fastermask/training/distributed.h"
#include "fastermask/training/process_group.h"

namespace fastermask {

struct DistributedGroup {
  using Milliseconds = std::chrono::milliseconds;

  RankPlace place;
  c10::intrusive_ptr<c10d::TCPStore> store;
  c10::intrusive_ptr<c10d::TCPStore> beat_store;  // a connection of its own: the others may wait on `store`
  c10::intrusive_ptr<c10d::ProcessGroup> collectives;
  c10::intrusive_ptr<c10d::ProcessGroup> statistics;  // made when first asked for, as is the next
  c10::intrusive_ptr<c10d::ProcessGroup> gradients;   // `collectives`, or another backend's
  std::thread beat;
  std::thread watch;
  std::atomic<bool> ending{false};
  std::atomic<bool> beat_failed{false};
  std::atomic<std::int64_t> last_beat{0};  // milliseconds of the steady clock
  std::atomic<bool> store_lost{false};     // the store no longer answers: nothing may wait for it any more
  std::map<std::string, int> uses;         // of each name that may come again
  distributed::Traffic traffic;

  // Another connection to the store, for those that may wait on it at any time.
  c10::intrusive_ptr<c10d::Store> another_store() const;

  Milliseconds timeout() const { return Milliseconds(static_cast<std::int64_t>(place.timeout_seconds * 1000)); }

  std::string get(const std::string& key);
  std::string text_or(const std::string& key, const std::string& otherwise);
  void set(const std::string& key, const std::string& value);
  // "name/3" for the fourth use of the name.
  std::string next_key(const std::string& name);

  // Waits until all ranks have set `what`/rank; past the time-out, or when a rank failed, throws, naming those who have
  // not.
  void await_all(const std::string& what);

  // The value of a key that `rank` sets, however long that takes while it is alive.
  std::string await(const std::string& key, int rank, const std::string& what);

  // Throws when a rank has reported its failure.
  void check_failures();

  // Gives signs of life, and ends this process when rank 0's store has taken none for longer than the time-out: a cut
  // network leaves a thread that waits for an answer waiting for ever.
  void start_beating();
};

std::string rank_key(const std::string& what, int rank);
std::string first_line(const std::string& text);

// Null: this process trains alone. Never destroyed: after the loss of a rank its thread may be waiting for ever.
std::unique_ptr<DistributedGroup>& distributed_group();

}  // namespace fastermask
