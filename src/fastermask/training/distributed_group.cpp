// Joining and leaving a group, and waiting for others in it.
#include "fastermask/training/distributed_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

using Milliseconds = std::chrono::milliseconds;
using GroupClock = std::chrono::steady_clock;

constexpr Milliseconds kBeat{500};
constexpr Milliseconds kPoll{20};
constexpr Milliseconds kBetweenAttempts{300};
constexpr Milliseconds kCutOff{6000};    // beyond the time-out, within which collectives report what they know
constexpr Milliseconds kLastWords{700};  // how long a failing rank 0 keeps the store for the others to read

std::string key_prefix() { return store_prefix(); }

std::int64_t now_in_milliseconds() {
  return std::chrono::duration_cast<Milliseconds>(GroupClock::now().time_since_epoch()).count();
}

c10::intrusive_ptr<c10d::TCPStore> connect(const RankPlace& place, bool server, Milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.port);
  options.isServer = server;
  options.waitWorkers = false;
  options.timeout = timeout;
  return c10::make_intrusive<c10d::TCPStore>(place.address, options);
}

void join_store(DistributedGroup& group) {
  const RankPlace& place = group.place;
  const bool server = place.rank == 0 && !place.store_elsewhere;
  try {
    group.store = connect(place, server, group.timeout());
    group.beat_store = connect(place, false, group.timeout());
  } catch (const std::exception& error) {
    fail("distributed: rank {} cannot {} {}:{}: {}. {}", place.rank, server ? "listen at" : "reach rank 0 at",
         place.address, place.port, first_line(error.what()),
         server
             ? "Another program may have the port (take another --master-port), and the address must be this machine's"
             : "Is machine 0 started, are --master-addr and --master-port the same on all machines, and is the port "
               "open?");
  }
}

// Tells the others that this rank is there, and finds out whether it should be.
void introduce(DistributedGroup& group) {
  const RankPlace& place = group.place;
  group.set(rank_key("stage", place.rank), "start-up");
  if (group.store->add(key_prefix() + rank_key("joined", place.rank), 1) > 1) {
    const std::string why = fmt::format(
        "rank {} of {} is there twice at {}:{}: is each machine started with its own --machine-rank, and each "
        "training with its own --master-port?",
        place.rank, place.world_size, place.address, place.port);
    group.set("failed", why);
    fail<ConfigError>("distributed: {}", why);
  }
  if (place.rank == 0) {
    group.set("world_size", std::to_string(place.world_size));
  } else if (const std::string expected = group.get("world_size"); expected != std::to_string(place.world_size)) {
    const std::string why = fmt::format(
        "rank {} was told of {} processes, rank 0 of {}: --num-machines and --num-procs must be the same on all "
        "machines",
        place.rank, place.world_size, expected);
    group.set("failed", why);
    fail<ConfigError>("distributed: {}", why);
  }
  group.set(rank_key("start-up", place.rank), "here");
}

// Joins and waits for all. A rank that reached a rank 0 about to end (that of an attempt before this one) tries again.
void meet(DistributedGroup& group) {
  const auto end = GroupClock::now() + group.timeout();
  while (true) {
    join_store(group);
    try {
      introduce(group);
      if (group.place.rank == 0) {
        group.await_all("start-up");
        group.set("all here", "yes");
      } else {
        group.await("all here", -1, "the other ranks");
      }
      return;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (group.place.rank == 0 || GroupClock::now() > end)
        fail("distributed: rank {}: start-up failed: {}", group.place.rank, first_line(error.what()));
    }
    std::this_thread::sleep_for(kBetweenAttempts);
  }
}

}  // namespace

std::string store_prefix() {
  const char* restarts = std::getenv("TORCHELASTIC_RESTART_COUNT");
  return fmt::format("fastermask/{}/", restarts == nullptr ? "0" : restarts);
}

std::string rank_key(const std::string& what, int rank) { return fmt::format("{}/{}", what, rank); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::unique_ptr<DistributedGroup>& distributed_group() {
  static auto& group = *new std::unique_ptr<DistributedGroup>;
  return group;
}

c10::intrusive_ptr<c10d::Store> DistributedGroup::another_store() const { return connect(place, false, timeout()); }

std::string DistributedGroup::get(const std::string& key) {
  const std::vector<std::uint8_t> bytes = store->get(key_prefix() + key);
  return {bytes.begin(), bytes.end()};
}

std::string DistributedGroup::text_or(const std::string& key, const std::string& otherwise) {
  return store->check({key_prefix() + key}) ? get(key) : otherwise;
}

void DistributedGroup::set(const std::string& key, const std::string& value) {
  store->set(key_prefix() + key, {value.begin(), value.end()});
}

std::string DistributedGroup::next_key(const std::string& name) { return fmt::format("{}/{}", name, uses[name]++); }

void DistributedGroup::check_failures() {
  if (const std::string why = text_or("failed", ""); !why.empty()) fail<ConfigError>("distributed: {}", why);
  if (const std::string why = text_or("ended", ""); !why.empty()) fail("distributed: another rank has failed: {}", why);
}

void DistributedGroup::await_all(const std::string& what) {
  const auto end = GroupClock::now() + timeout();
  std::vector<int> missing;
  for (int rank = 0; rank < place.world_size; ++rank) missing.push_back(rank);
  while (true) {
    missing.erase(std::remove_if(missing.begin(), missing.end(),
                                 [&](int rank) { return store->check({key_prefix() + rank_key(what, rank)}); }),
                  missing.end());
    if (missing.empty()) return;
    check_failures();
    if (GroupClock::now() > end) break;
    std::this_thread::sleep_for(kPoll);
  }
  std::vector<std::string> names;
  for (const int rank : missing)
    names.push_back(fmt::format("rank {} ({})", rank, text_or(rank_key("stage", rank), "never came")));
  const std::string why = fmt::format(
      "waited {} s at {}:{} for {}; missing: {}. Is each machine started with its own --machine-rank, the same "
      "--num-machines, --num-procs, --master-addr and --master-port, and is the port open?",
      place.timeout_seconds, place.address, place.port, what, join(names, ", "));
  set("ended", why);
  std::this_thread::sleep_for(kLastWords);
  fail("distributed: {}", why);
}

std::string DistributedGroup::await(const std::string& key, int rank, const std::string& what) {
  std::int64_t beats = -1;
  auto heard = GroupClock::now();
  while (!store->check({key_prefix() + key})) {
    check_failures();
    std::this_thread::sleep_for(kPoll);
    const std::int64_t now = rank < 0 ? -1 : store->add(key_prefix() + rank_key("beat", rank), 0);
    if (now != beats) heard = GroupClock::now();
    beats = now;
    if (GroupClock::now() - heard < timeout() + (rank < 0 ? 2 * kLastWords : Milliseconds(0))) continue;
    if (rank < 0) fail("distributed: rank {} waited {} s for {}", place.rank, place.timeout_seconds, what);
    fail("distributed: rank {} waited for rank {}'s {}, but rank {} gives no sign any more; last seen in: {}",
         place.rank, rank, what, rank, text_or(rank_key("stage", rank), "?"));
  }
  return get(key);
}

void DistributedGroup::start_beating() {
  beat = std::thread([this] {
    const std::string key = key_prefix() + rank_key("beat", place.rank);
    try {
      while (!ending) {
        beat_store->add(key, 1);
        last_beat = now_in_milliseconds();
        std::this_thread::sleep_for(kBeat);
      }
    } catch (const std::exception&) {
      beat_failed = true;  // rank 0 is gone: the next collective says so
    }
  });
  last_beat = now_in_milliseconds();
  watch = std::thread([this] {
    std::int64_t looked = now_in_milliseconds();
    while (!ending && !beat_failed) {
      std::this_thread::sleep_for(kPoll);
      // Who was stopped himself has heard nothing, and should listen first.
      if (Milliseconds(now_in_milliseconds() - looked) > kBeat * 4) last_beat = now_in_milliseconds();
      looked = now_in_milliseconds();
      if (Milliseconds(now_in_milliseconds() - last_beat) < timeout() + kCutOff) continue;
      log_error("engine.launch",
                "rank {}: rank 0 at {}:{} has not answered for {} s: this process is cut off, and ends", place.rank,
                place.address, place.port, place.timeout_seconds);
      std::_Exit(1);
    }
  });
}

namespace distributed {

void start(const RankPlace& place) {
  if (place.world_size == 1) return;
  if (place.port < 1 || place.port > 65535)
    fail<UsageError>("train: --master-port must be 1 to 65535, got {}", place.port);
  // Gloo writes to the others' sockets without MSG_NOSIGNAL: a rank that dies must be an error here, which says who it
  // was, and not the end of this process too.
  std::signal(SIGPIPE, SIG_IGN);
  auto group = std::make_unique<DistributedGroup>();
  group->place = place;
  // The name means this machine (RFC 6761) also where no /etc/hosts says so, as in bare containers.
  if (group->place.address == "localhost") group->place.address = "127.0.0.1";
  meet(*group);
  try {
    group->collectives = make_gloo_group(group->store, group->place, "gradients", group->timeout());
  } catch (const std::exception& error) {
    fail(
        "distributed: rank {} cannot connect to the other ranks: {}. Each process listens on an address of its own: "
        "--local-addr says which of this machine's (or GLOO_SOCKET_IFNAME, its network interface)",
        place.rank, first_line(error.what()));
  }
  group->start_beating();
  distributed_group() = std::move(group);
  log_info("engine.launch", "rank {} of {} has joined at {}:{}", place.rank, place.world_size, place.address,
           place.port);
}

void stop() {
  if (distributed_group() == nullptr) return;
  DistributedGroup& group = *distributed_group();
  set_stage("finished");
  group.set(rank_key("finished", group.place.rank), "yes");
  if (group.place.rank == 0) group.await_all("finished");  // the store lives here
  group.ending = true;
  group.beat.join();
  group.watch.join();
  distributed_group().reset();
}

void report_failure(const std::string& why) {
  if (distributed_group() == nullptr) return;
  DistributedGroup& group = *distributed_group();
  if (group.store_lost) return;
  try {
    if (group.text_or("ended", "").empty() && group.text_or("failed", "").empty())
      group.set("ended", fmt::format("rank {}: {}", group.place.rank, why));
    if (group.place.rank == 0) std::this_thread::sleep_for(kLastWords);
  } catch (const std::exception&) {
    // The store is gone, and with it whoever could read this.
  }
}

}  // namespace distributed
}  // namespace fastermask
