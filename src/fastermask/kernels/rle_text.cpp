// COCO's compressed text form of run-length encoded masks.
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

constexpr char kRleFirstCharacter = '0';  // stands for 0; 64 characters follow one another from here, up to 'o'
constexpr int kRleGroupBits = 5;
constexpr int kRleMoreFlag = 0x20;  // another group follows
constexpr int kRleSignBit = 0x10;   // of the last group: the number is negative

// Reads one number from text at `position`, which moves past it.
std::int64_t read_rle_number(std::string_view text, std::size_t& position) {
  const std::size_t start = position;
  std::uint64_t bits = 0;
  for (int shift = 0;; shift += kRleGroupBits) {
    if (position >= text.size()) {
      fail<DataError>("rle: the counts string ends in the middle of a number (the one at character {})", start);
    }
    const int group = text[position] - kRleFirstCharacter;
    if (group < 0 || group >= 64) {
      fail<DataError>("rle: the counts string may hold only characters '0' to 'o', got code {} at character {}",
                      static_cast<int>(static_cast<unsigned char>(text[position])), position);
    }
    if (shift > 35) fail<DataError>("rle: the number at character {} of the counts string is too large", start);
    bits |= static_cast<std::uint64_t>(group & 0x1f) << shift;
    ++position;
    if ((group & kRleMoreFlag) != 0) continue;
    std::int64_t value = static_cast<std::int64_t>(bits);
    if ((group & kRleSignBit) != 0) value -= std::int64_t{1} << (shift + kRleGroupBits);
    return value;
  }
}

}  // namespace

std::string rle_to_string(const Rle& rle) {
  std::string text;
  text.reserve(rle.counts.size() * 2);
  for (std::size_t i = 0; i < rle.counts.size(); ++i) {
    std::int64_t value = rle.counts[i];
    if (i > 2) value -= rle.counts[i - 2];
    for (bool more = true; more;) {
      int group = static_cast<int>(value & 0x1f);
      value >>= kRleGroupBits;
      more = (group & kRleSignBit) != 0 ? value != -1 : value != 0;
      if (more) group |= kRleMoreFlag;
      text.push_back(static_cast<char>(kRleFirstCharacter + group));
    }
  }
  return text;
}

Rle rle_from_string(std::string_view text, int height, int width) {
  Rle rle;
  rle.height = height;
  rle.width = width;
  rle.counts.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t start = position;
    std::int64_t value = read_rle_number(text, position);
    if (rle.counts.size() > 2) value += rle.counts[rle.counts.size() - 2];
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
      fail<DataError>("rle: count {} must be between 0 and 2^32 - 1, got {} (character {} of the counts string)",
                      rle.counts.size(), value, start);
    }
    rle.counts.push_back(static_cast<std::uint32_t>(value));
  }
  check_rle(rle, "rle");
  return rle;
}

}  // namespace fastermask
