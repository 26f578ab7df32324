#include "fastermask/base/random.h"

#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// SplitMix64's finaliser (Steele, Lea, Flood 2014): spreads a key over 64 bits.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = 0xD2511F53ull * counter[0];
    const std::uint64_t product1 = 0xCD9E8D57ull * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

}  // namespace

Random::Random(std::uint64_t seed, RandomPurpose purpose, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t key = mix(mix(seed) ^ static_cast<std::uint64_t>(purpose));
  const std::uint64_t place = mix(mix(a) ^ (b * 0xD1342543DE82EF95u + 1));
  key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  counter_ = {0, 0, static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32)};
}

void Random::refill() {
  block_ = philox(counter_, key_);
  if (++counter_[0] == 0) ++counter_[1];
  used_ = 0;
}

std::uint32_t Random::next_u32() {
  if (used_ == 4) refill();
  return block_[static_cast<std::size_t>(used_++)];
}

std::uint64_t Random::next_u64() {
  const std::uint64_t high = next_u32();
  return (high << 32) | next_u32();
}

double Random::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

double Random::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::int64_t Random::uniform_int(std::int64_t count) {
  FASTERMASK_CHECK(count >= 1, "random: count must be at least 1, got {}", count);
  const std::uint64_t range = static_cast<std::uint64_t>(count);
  const std::uint64_t unfair = (0 - range) % range;  // 2^64 mod range: values below it would favour small results
  std::uint64_t value = next_u64();
  while (value < unfair) value = next_u64();
  return static_cast<std::int64_t>(value % range);
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // Box-Muller; 1 - u is never 0
  return radius * std::cos(6.283185307179586476925 * uniform());
}

bool Random::bernoulli(double probability) { return uniform() < probability; }

std::vector<std::int64_t> Random::permutation(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = 0; i + 1 < count; ++i) {
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(i + uniform_int(count - i))]);
  }
  return order;
}

std::vector<std::int64_t> Random::sample(std::int64_t count, std::int64_t k) {
  FASTERMASK_CHECK(k >= 0 && k <= count, "random: cannot sample {} of {}", k, count);
  // Fisher-Yates on a virtual array: only moved positions are stored.
  std::unordered_map<std::int64_t, std::int64_t> moved;
  std::vector<std::int64_t> chosen;
  chosen.reserve(static_cast<std::size_t>(k));
  const auto at = [&moved](std::int64_t i) {
    const auto it = moved.find(i);
    return it == moved.end() ? i : it->second;
  };
  for (std::int64_t i = 0; i < k; ++i) {
    // permutation() draws nothing for its last element, so neither do we: the two agree number for number.
    const std::int64_t j = i + 1 < count ? i + uniform_int(count - i) : i;
    const std::int64_t value = at(j);
    moved[j] = at(i);
    chosen.push_back(value);
  }
  return chosen;
}

}  // namespace fastermask
