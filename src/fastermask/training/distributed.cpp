#include "fastermask/training/distributed.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <future>
#include <memory>
#include <thread>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/training/distributed_group.h"

namespace fastermask {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSilence{2500};  // without a beat for so long, a rank counts as lost
constexpr std::size_t kBlockBytes = 4 << 20;         // of what gather() and send_file() send at once
constexpr std::size_t kLinesShown = 3;
constexpr const char* kStoreGone = "store gone";

void all_reduce(std::vector<double>& values, c10d::ReduceOp::RedOpType operation) {
  DistributedGroup* group = distributed_group().get();
  if (group == nullptr) return;
  std::vector<at::Tensor> tensors = {
      at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kDouble))};
  c10d::AllreduceOptions options;
  options.reduceOp = operation;
  const auto start = Clock::now();
  try {
    group->collectives->allreduce(tensors, options)->wait();
  } catch (const std::exception& error) {
    fail("distributed: rank {}: a sum over the {} processes failed: {}", group->place.rank, group->place.world_size,
         first_line(error.what()));
  }
  add_traffic(std::chrono::duration<double>(Clock::now() - start).count(),
              static_cast<std::int64_t>(values.size() * sizeof(double)));
}

// Where two texts differ, line by line: "BASE_LR: 0.01 (rank 0: BASE_LR: 0.02)".
std::string describe_difference(const std::string& mine, const std::string& of_main) {
  const std::vector<std::string> here = split(mine, '\n'), there = split(of_main, '\n');
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::max(here.size(), there.size()) && lines.size() < kLinesShown; ++i) {
    const std::string a = i < here.size() ? std::string(trim(here[i])) : "nothing";
    const std::string b = i < there.size() ? std::string(trim(there[i])) : "nothing";
    if (a != b) lines.push_back(fmt::format("{} (rank 0: {})", a, b));
  }
  return join(lines, "; ");
}

// What lost_ranks() says, as far as the store answers.
std::string silent_ranks(DistributedGroup& group) {
  std::vector<std::string> before;
  try {
    const auto beats = [&](int other) { return group.text_or(rank_key("beat", other), ""); };
    for (int other = 0; other < group.place.world_size; ++other) before.push_back(beats(other));
    std::this_thread::sleep_for(kSilence);
    std::string lost;
    for (int other = 0; other < group.place.world_size; ++other) {
      if (other == group.place.rank || beats(other) != before[static_cast<std::size_t>(other)]) continue;
      lost += fmt::format("\nLost: rank {}, last seen in: {}", other, group.text_or(rank_key("stage", other), "?"));
    }
    if (const std::string why = group.text_or("ended", ""); !why.empty()) lost += "\nFailed: " + why;
    return lost;
  } catch (const std::exception&) {
    return kStoreGone;
  }
}

at::Tensor bytes_of(std::string& block) {
  return at::from_blob(block.data(), {static_cast<std::int64_t>(block.size())}, at::TensorOptions(at::kByte));
}

void send_block(DistributedGroup& group, std::string& block) {
  std::vector<at::Tensor> tensors = {bytes_of(block)};
  group.collectives->send(tensors, 0, 0)->wait();
  add_traffic(0, static_cast<std::int64_t>(block.size()));
  block.clear();
}

// Rank 0's side of gather() for one other rank: blocks come in, pieces with their lengths in front go out.
void take_pieces(DistributedGroup& group, int rank, std::size_t bytes,
                 const std::function<void(std::string_view)>& take) {
  std::string kept;
  while (bytes > 0) {
    std::string block(std::min(bytes, kBlockBytes), '\0');
    std::vector<at::Tensor> tensors = {bytes_of(block)};
    group.collectives->recv(tensors, rank, 0)->wait();
    bytes -= block.size();
    kept += block;
    std::size_t position = 0;
    std::uint64_t length = 0;
    while (kept.size() - position >= sizeof length) {
      std::memcpy(&length, kept.data() + position, sizeof length);
      if (kept.size() - position - sizeof length < length) break;
      take(std::string_view(kept).substr(position + sizeof length, length));
      position += sizeof length + length;
    }
    kept.erase(0, position);
  }
}

void give_pieces(DistributedGroup& group, const std::vector<std::string>& pieces) {
  std::string block;
  const auto append = [&](const char* data, std::size_t size) {
    while (size > 0) {
      const std::size_t part = std::min(size, kBlockBytes - block.size());
      block.append(data, part);
      data += part;
      size -= part;
      if (block.size() == kBlockBytes) send_block(group, block);
    }
  };
  for (const std::string& piece : pieces) {
    const std::uint64_t length = piece.size();
    append(reinterpret_cast<const char*>(&length), sizeof length);
    append(piece.data(), piece.size());
  }
  if (!block.empty()) send_block(group, block);
}

}  // namespace

void add_traffic(double seconds, std::int64_t bytes) {
  DistributedGroup* group = distributed_group().get();
  if (group == nullptr) return;
  group->traffic.seconds += seconds;
  group->traffic.bytes += bytes;
  ++group->traffic.collectives;
}

const RankPlace& own_place() { return distributed_group()->place; }

c10::intrusive_ptr<c10d::ProcessGroup> process_group() {
  const DistributedGroup* group = distributed_group().get();
  return group == nullptr ? c10::intrusive_ptr<c10d::ProcessGroup>() : group->collectives;
}

c10::intrusive_ptr<c10d::ProcessGroup> statistics_group() {
  DistributedGroup* group = distributed_group().get();
  if (group == nullptr) return {};
  if (!group->statistics)
    group->statistics = make_gloo_group(group->store, group->place, "statistics", group->timeout());
  return group->statistics;
}

c10::intrusive_ptr<c10d::ProcessGroup> gradient_group() {
  DistributedGroup* group = distributed_group().get();
  if (group == nullptr) return {};
  if (!group->gradients) {
    const std::string& backend = group->place.backend;
    distributed::check_same("the backend of gradients (--backend)", backend);
    group->gradients = backend == "gloo" ? group->collectives
                                         : make_gradient_group(group->another_store(), group->place, group->timeout());
    if (backend != "gloo") log_info("engine.launch", "gradients travel by {}", backend);
  }
  return group->gradients;
}

namespace distributed {

int rank() { return distributed_group() == nullptr ? 0 : distributed_group()->place.rank; }
int world_size() { return distributed_group() == nullptr ? 1 : distributed_group()->place.world_size; }

Traffic traffic() { return distributed_group() == nullptr ? Traffic() : distributed_group()->traffic; }

void set_stage(const std::string& stage) {
  if (distributed_group() == nullptr) return;
  try {
    distributed_group()->set(rank_key("stage", rank()), stage);
  } catch (const std::exception& error) {
    fail("distributed: rank {} cannot reach rank 0 any more: {}", rank(), first_line(error.what()));
  }
}

std::string from_main(const std::string& what, const std::string& value) {
  if (distributed_group() == nullptr) return value;
  DistributedGroup& group = *distributed_group();
  const std::string key = group.next_key("main/" + what);
  if (rank() == 0) {
    group.set(key, value);
    return value;
  }
  return group.await(key, 0, what);
}

// Rank 0 says what it has; each other rank answers how it differs; rank 0 gives the verdict.
void check_same(const std::string& what, const std::string& value, const std::string& detail) {
  if (distributed_group() == nullptr) return;
  DistributedGroup& group = *distributed_group();
  const std::string key = group.next_key(what);
  const std::string expected = from_main(key + "/value", value);
  const std::string details = from_main(key + "/detail", detail);
  std::string answer;
  if (value != expected) {
    const std::string difference = describe_difference(detail, details);
    answer = fmt::format("rank {} has {}{}", rank(), value, difference.empty() ? "" : ": " + difference);
  }
  group.set(rank_key(key, rank()), answer);
  std::string verdict;
  if (rank() == 0) {
    group.await_all(key);
    std::vector<std::string> others;
    for (int other = 1; other < world_size(); ++other) {
      if (const std::string got = group.get(rank_key(key, other)); !got.empty()) others.push_back(got);
    }
    if (!others.empty()) {
      verdict = fmt::format("{} must be the same on all ranks: rank 0 has {}, {}", what, expected, join(others, ", "));
    }
  }
  verdict = from_main(key + "/verdict", verdict);
  if (!verdict.empty()) fail<ConfigError>("distributed: {}", verdict);
}

void sum(std::vector<double>& values) { all_reduce(values, c10d::ReduceOp::SUM); }
void maximum(std::vector<double>& values) { all_reduce(values, c10d::ReduceOp::MAX); }

double share(double count) {
  if (distributed_group() == nullptr) return 1;
  std::vector<double> total = {count};
  sum(total);
  return total[0] > 0 ? count * world_size() / total[0] : 1;
}

std::string wait_for_main(const std::string& what, const std::string& value) {
  return from_main("wait/" + what, value);
}

void gather(const std::string& what, const std::vector<std::string>& pieces,
            const std::function<void(std::string_view)>& take) {
  if (rank() == 0) {
    for (const std::string& piece : pieces) take(piece);
  }
  if (distributed_group() == nullptr) return;
  DistributedGroup& group = *distributed_group();
  const std::string key = group.next_key("gather/" + what);
  try {
    if (rank() > 0) {
      std::size_t bytes = 0;
      for (const std::string& piece : pieces) bytes += sizeof(std::uint64_t) + piece.size();
      group.set(rank_key(key, rank()), std::to_string(bytes));
      group.await(rank_key(key + "/turn", rank()), 0, what);
      give_pieces(group, pieces);
      return;
    }
    for (int other = 1; other < world_size(); ++other) {
      const std::size_t bytes = std::stoull(group.await(rank_key(key, other), other, what));
      group.set(rank_key(key + "/turn", other), "now");
      take_pieces(group, other, bytes, take);
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail("distributed: rank {}: {} could not be gathered: {}{}", rank(), what, first_line(error.what()), lost_ranks());
  }
}

void send_file(const std::string& path_of_main, const std::string& path_to_write) {
  if (distributed_group() == nullptr) return;
  DistributedGroup& group = *distributed_group();
  std::vector<double> wanted = {path_to_write.empty() ? 0.0 : 1.0};
  sum(wanted);
  if (wanted[0] == 0) return;
  std::ifstream source;
  std::ofstream target;
  std::vector<double> bytes = {0};
  if (rank() == 0) {
    source.open(path_of_main, std::ios::binary | std::ios::ate);
    bytes[0] = static_cast<double>(source.tellg());
    source.seekg(0);
  } else if (!path_to_write.empty()) {
    target.open(path_to_write, std::ios::binary);
  }
  maximum(bytes);
  for (auto left = static_cast<std::size_t>(bytes[0]); left > 0;) {
    std::string block(std::min(left, kBlockBytes), '\0');
    if (rank() == 0) source.read(block.data(), static_cast<std::streamsize>(block.size()));
    std::vector<at::Tensor> tensors = {bytes_of(block)};
    group.collectives->broadcast(tensors)->wait();
    if (target.is_open()) target.write(block.data(), static_cast<std::streamsize>(block.size()));
    left -= block.size();
  }
  const bool good = rank() == 0 ? bytes[0] >= 0 && source.good() : !target.is_open() || target.good();
  if (!good)
    fail("distributed: rank {} cannot {}", rank(), rank() == 0 ? "read " + path_of_main : "write " + path_to_write);
}

std::string lost_ranks() {
  if (distributed_group() == nullptr) return "";
  DistributedGroup& group = *distributed_group();
  // On a thread of its own: where the network is cut or rank 0 is stopped, the store does not even refuse an answer.
  auto answer = std::make_shared<std::promise<std::string>>();
  std::future<std::string> future = answer->get_future();
  std::thread([&group, answer] {
    try {
      answer->set_value(silent_ranks(group));
    } catch (const std::exception&) {
      answer->set_value("");
    }
  }).detach();
  const bool answered = future.wait_for(2 * kSilence) == std::future_status::ready;
  const std::string lost = answered ? future.get() : "";
  if (answered && lost != kStoreGone) return lost;
  group.store_lost = true;
  return fmt::format("\nLost: rank 0, which holds the store at {}:{}", group.place.address, group.place.port);
}

std::string hash_text(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

}  // namespace distributed
}  // namespace fastermask
