#include "fastermask/training/distributed.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/training/process_group.h"

namespace fastermask {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kBeat{500};
constexpr Milliseconds kSilence{2500};  // without a beat for so long, a rank counts as lost
constexpr Milliseconds kPoll{20};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<std::uint8_t> to_bytes(const std::string& text) { return {text.begin(), text.end()}; }

// The group this process belongs to; none: it trains alone.
struct Group {
  RankPlace place;
  c10::intrusive_ptr<c10d::TCPStore> store;
  c10::intrusive_ptr<c10d::TCPStore> beat_store;  // a connection of its own: the others may wait on `store`
  c10::intrusive_ptr<c10d::ProcessGroup> collectives;
  std::thread beat;
  std::atomic<bool> ending{false};
  std::map<std::string, int> uses;  // of each wait_for_main() and check_same()

  std::string get(const std::string& key) {
    const std::vector<std::uint8_t> bytes = store->get(key);
    return {bytes.begin(), bytes.end()};
  }
  std::string text_or(const std::string& key, const std::string& otherwise) {
    return store->check({key}) ? get(key) : otherwise;
  }
  void set(const std::string& key, const std::string& value) { store->set(key, to_bytes(value)); }
};

// Never destroyed: after the loss of a rank its thread may be waiting for ever.
std::unique_ptr<Group>& g_group = *new std::unique_ptr<Group>;

Milliseconds timeout_of(const RankPlace& place) {
  return Milliseconds(static_cast<std::int64_t>(place.timeout_seconds * 1000));
}

c10::intrusive_ptr<c10d::TCPStore> connect(const RankPlace& place, bool server) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.port);
  options.isServer = server;
  options.waitWorkers = false;
  options.timeout = timeout_of(place);
  return c10::make_intrusive<c10d::TCPStore>(place.address, options);
}

std::string rank_key(const std::string& what, int rank) { return fmt::format("{}/{}", what, rank); }

// Waits until all ranks have set `what`/rank; past the time-out throws, naming those who have not.
void await_all(Group& group, const std::string& what) {
  const auto end = std::chrono::steady_clock::now() + timeout_of(group.place);
  std::vector<int> missing;
  for (int rank = 0; rank < group.place.world_size; ++rank) missing.push_back(rank);
  while (true) {
    missing.erase(std::remove_if(missing.begin(), missing.end(),
                                 [&](int rank) { return group.store->check({rank_key(what, rank)}); }),
                  missing.end());
    if (missing.empty()) return;
    if (std::chrono::steady_clock::now() > end) break;
    std::this_thread::sleep_for(kPoll);
  }
  std::vector<std::string> names;
  for (const int rank : missing) {
    names.push_back(fmt::format("rank {} ({})", rank, group.text_or(rank_key("stage", rank), "never came")));
  }
  fail("distributed: waited {} s at {}:{} for {}; missing: {}. Is each machine started with its own --machine-rank, the "
       "same --num-machines, --num-procs, --master-addr and --master-port, and is the port open?",
       group.place.timeout_seconds, group.place.address, group.place.port, what, join(names, ", "));
}

void all_reduce(std::vector<double>& values, c10d::ReduceOp::RedOpType operation) {
  if (g_group == nullptr) return;
  std::vector<at::Tensor> tensors = {
      at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kDouble))};
  c10d::AllreduceOptions options;
  options.reduceOp = operation;
  try {
    g_group->collectives->allreduce(tensors, options)->wait();
  } catch (const std::exception& error) {
    fail("distributed: rank {}: a sum over the {} processes failed: {}", g_group->place.rank, g_group->place.world_size,
         first_line(error.what()));
  }
}

// An integer of the environment.
bool read_number(const char* name, int& number) {
  const char* text = std::getenv(name);
  if (text == nullptr) return false;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0 || value > 1000000)
    fail<UsageError>("train: the environment's {} must be a number, got '{}'", name, text);
  number = static_cast<int>(value);
  return true;
}

struct LauncherNames {
  const char *rank, *world_size, *local_rank, *local_size;
};
constexpr LauncherNames kLaunchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"},
};

}  // namespace

bool place_from_environment(RankPlace& place) {
  for (const LauncherNames& names : kLaunchers) {
    int rank = 0, world_size = 0;
    if (!read_number(names.rank, rank) || !read_number(names.world_size, world_size) || world_size < 2) continue;
    if (rank >= world_size) {
      fail<UsageError>("train: the environment has {}={}, which must be below {}={}", names.rank, rank,
                       names.world_size, world_size);
    }
    place.rank = rank;
    place.world_size = world_size;
    place.local_rank = 0;
    place.local_size = 1;
    read_number(names.local_rank, place.local_rank);
    read_number(names.local_size, place.local_size);
    if (const char* address = std::getenv("MASTER_ADDR")) place.address = address;
    read_number("MASTER_PORT", place.port);
    return true;
  }
  return false;
}

namespace distributed {

void start(const RankPlace& place) {
  if (place.world_size == 1) return;
  if (place.port < 1 || place.port > 65535)
    fail<UsageError>("train: --master-port must be 1 to 65535, got {}", place.port);
  auto group = std::make_unique<Group>();
  group->place = place;
  try {
    group->store = connect(place, place.rank == 0);
    group->beat_store = connect(place, false);
  } catch (const std::exception& error) {
    fail("distributed: rank {} cannot {} {}:{}: {}", place.rank, place.rank == 0 ? "listen at" : "reach rank 0 at",
         place.address, place.port, first_line(error.what()));
  }
  group->set(rank_key("stage", place.rank), "start-up");
  group->set(rank_key("start-up", place.rank), "here");
  await_all(*group, "start-up");
  group->collectives = make_gloo_group(group->store, place.rank, place.world_size, place.address, timeout_of(place));
  Group* shared = group.get();
  group->beat = std::thread([shared] {
    const std::string key = rank_key("beat", shared->place.rank);
    try {
      while (!shared->ending) {
        shared->beat_store->add(key, 1);
        std::this_thread::sleep_for(kBeat);
      }
    } catch (const std::exception&) {
      // Rank 0 is gone: the next collective says so.
    }
  });
  g_group = std::move(group);
  log_info("engine.launch", "rank {} of {} has joined at {}:{}", place.rank, place.world_size, place.address,
           place.port);
}

void stop() {
  if (g_group == nullptr) return;
  Group& group = *g_group;
  set_stage("finished");
  group.set(rank_key("finished", group.place.rank), "yes");
  if (group.place.rank == 0) await_all(group, "finished");  // the store lives here
  group.ending = true;
  group.beat.join();
  g_group.reset();
}

int rank() { return g_group == nullptr ? 0 : g_group->place.rank; }
int world_size() { return g_group == nullptr ? 1 : g_group->place.world_size; }

void set_stage(const std::string& stage) {
  if (g_group == nullptr) return;
  try {
    g_group->set(rank_key("stage", rank()), stage);
  } catch (const std::exception& error) {
    fail("distributed: rank {} cannot reach rank 0 any more: {}", rank(), first_line(error.what()));
  }
}

std::string from_main(const std::string& what, const std::string& value) {
  if (g_group == nullptr) return value;
  const std::string key = fmt::format("main/{}/{}", what, g_group->uses[what]++);
  if (rank() == 0) g_group->set(key, value);
  return g_group->get(key);  // waits until the time-out
}

void check_same(const std::string& what, const std::string& value) {
  if (g_group == nullptr) return;
  const std::string key = fmt::format("{}/{}", what, g_group->uses[what]++);
  g_group->set(rank_key(key, rank()), value);
  await_all(*g_group, key);
  const std::string expected = g_group->get(rank_key(key, 0));
  std::vector<std::string> others;
  for (int other = 1; other < world_size(); ++other) {
    const std::string got = g_group->get(rank_key(key, other));
    if (got != expected) others.push_back(fmt::format("rank {} has {}", other, got));
  }
  if (others.empty()) return;
  fail<ConfigError>("distributed: {} must be the same on all ranks: rank 0 has {}, {}", what, expected,
                    join(others, ", "));
}

void sum(std::vector<double>& values) { all_reduce(values, c10d::ReduceOp::SUM); }
void maximum(std::vector<double>& values) { all_reduce(values, c10d::ReduceOp::MAX); }

double share(double count) {
  if (g_group == nullptr) return 1;
  std::vector<double> total = {count};
  sum(total);
  return total[0] > 0 ? count * world_size() / total[0] : 1;
}

std::string wait_for_main(const std::string& what, const std::string& value) {
  if (g_group == nullptr) return value;
  const std::string key = fmt::format("wait/{}/{}", what, g_group->uses["wait/" + what]++);
  if (rank() == 0) {
    g_group->set(key, value);
    return value;
  }
  std::int64_t beats = -1;
  auto heard = std::chrono::steady_clock::now();
  while (!g_group->store->check({key})) {
    std::this_thread::sleep_for(kPoll);
    const std::int64_t now = g_group->store->add("beat/0", 0);
    if (now != beats) heard = std::chrono::steady_clock::now();
    beats = now;
    if (std::chrono::steady_clock::now() - heard > timeout_of(g_group->place))
      fail("distributed: rank {} waited for rank 0's {}, but rank 0 gives no sign any more", rank(), what);
  }
  return g_group->get(key);
}

std::string lost_ranks() {
  if (g_group == nullptr) return "";
  try {
    std::vector<std::int64_t> before;
    for (int other = 0; other < world_size(); ++other) before.push_back(g_group->store->add(rank_key("beat", other), 0));
    std::this_thread::sleep_for(kSilence);
    std::string lost;
    for (int other = 0; other < world_size(); ++other) {
      if (other == rank()) continue;
      if (g_group->store->add(rank_key("beat", other), 0) != before[static_cast<std::size_t>(other)]) continue;
      lost += fmt::format("\nLost: rank {}, last seen in: {}", other, g_group->text_or(rank_key("stage", other), "?"));
    }
    return lost;
  } catch (const std::exception&) {
    return fmt::format("\nLost: rank 0, which holds the store at {}:{}", g_group->place.address, g_group->place.port);
  }
}

std::string hash_text(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

}  // namespace distributed

c10::intrusive_ptr<c10d::ProcessGroup> process_group() {
  return g_group == nullptr ? c10::intrusive_ptr<c10d::ProcessGroup>() : g_group->collectives;
}

}  // namespace fastermask
