#include "fastermask/evaluation/rle_runs.h"

#include <algorithm>

#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

// Unpacks what is well formed and short of surprises; false for anything else, which rle_from_string then judges.
bool unpack_plain_rle_text(std::string_view text, std::uint64_t pixels, std::vector<std::uint32_t>& counts) {
  static thread_local std::vector<std::int64_t> unpacked;
  if (unpacked.size() < text.size()) unpacked.resize(text.size() + 64);
  std::int64_t* out = unpacked.data();
  std::size_t count = 0;
  std::int64_t sum = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    unsigned group = static_cast<unsigned>(static_cast<unsigned char>(*at++)) - '0';
    // One group, as most numbers are: its 5 bits with their sign.
    std::int64_t value = static_cast<std::int64_t>((group & 0x1f) ^ 0x10) - 0x10;
    if (group >= 0x20) {  // more groups follow, or the character is none of the alphabet
      if (group >= 64) return false;
      value = group & 0x1f;
      int bits = 5;
      while ((group & 0x20) != 0) {
        if (at == end || bits > 35) return false;
        group = static_cast<unsigned>(static_cast<unsigned char>(*at++)) - '0';
        if (group >= 64) return false;
        value |= static_cast<std::int64_t>(group & 0x1f) << bits;
        bits += 5;
      }
      value -= static_cast<std::int64_t>((group >> 4) & 1u) << bits;
    }
    if (count > 2) value += out[count - 2];
    if (static_cast<std::uint64_t>(value) > 0xffffffffu) return false;  // negative ones, too
    sum += value;
    out[count++] = value;
  }
  if (static_cast<std::uint64_t>(sum) != pixels) return false;
  counts.resize(count);
  for (std::size_t i = 0; i < count; ++i) counts[i] = static_cast<std::uint32_t>(out[i]);
  return true;
}

}  // namespace

void unpack_rle_text(std::string_view text, Rle& rle) {
  const std::uint64_t pixels = static_cast<std::uint64_t>(rle.height) * static_cast<std::uint64_t>(rle.width);
  if (rle.height < 0 || rle.width < 0 || !unpack_plain_rle_text(text, pixels, rle.counts)) {
    rle = rle_from_string(text, rle.height, rle.width);
  }
}

void MaskRuns::assign(const Rle& rle) {
  const std::size_t runs = rle.counts.size() / 2;
  edges_.resize(2 * runs);
  std::uint32_t position = 0;
  std::size_t used = 0;
  for (std::size_t i = 0; i < runs; ++i) {
    const std::uint32_t begin = position + rle.counts[2 * i];
    position = begin + rle.counts[2 * i + 1];
    if (begin == position) continue;
    edges_[used++] = begin;
    edges_[used++] = position;
  }
  edges_.resize(used);
  measure(static_cast<std::uint32_t>(std::max(rle.height, 1)));
}

void MaskRuns::assign_boundaries(const std::vector<std::uint32_t>& positions, int height, int width) {
  const std::uint32_t pixels = static_cast<std::uint32_t>(height) * static_cast<std::uint32_t>(width);
  edges_.resize(positions.size() + 1);
  std::size_t used = 0;
  for (const std::uint32_t position : positions) {
    if (position >= pixels) break;
    if (used > 0 && edges_[used - 1] == position) {
      --used;  // two changes at one place are none
    } else {
      edges_[used++] = position;
    }
  }
  if (used % 2 == 1) edges_[used++] = pixels;
  edges_.resize(used);
  measure(static_cast<std::uint32_t>(std::max(height, 1)));
}

void MaskRuns::measure(std::uint32_t height) {
  area_ = 0;
  x1_ = y1_ = x2_ = y2_ = 0;
  if (edges_.empty()) return;
  std::uint32_t column = 0;  // position where the current column begins
  std::uint32_t top = height;
  std::uint32_t bottom = 0;
  for (std::size_t i = 0; i < edges_.size(); i += 2) {
    const std::uint32_t begin = edges_[i];
    const std::uint32_t end = edges_[i + 1];
    area_ += end - begin;
    if (begin - column >= height) {  // most often by one column
      column += height;
      if (begin - column >= height) column = begin - begin % height;
    }
    if (end - column > height) {
      top = 0;
      bottom = height;
    } else {
      top = std::min(top, begin - column);
      bottom = std::max(bottom, end - column);
    }
  }
  x1_ = edges_.front() / height;
  x2_ = (edges_.back() - 1) / height + 1;
  y1_ = top;
  y2_ = bottom;
}

double MaskRuns::bound_within(double x0, double y0, double x1, double y1) const {
  const double width = std::min<double>(x2_, x1) - std::max<double>(x1_, x0);
  const double height = std::min<double>(y2_, y1) - std::max<double>(y1_, y0);
  return width > 0 && height > 0 ? width * height : 0;
}

std::uint64_t MaskRuns::intersection_bound(const MaskRuns& a, const MaskRuns& b) {
  const std::uint32_t x1 = std::max(a.x1_, b.x1_);
  const std::uint32_t x2 = std::min(a.x2_, b.x2_);
  const std::uint32_t y1 = std::max(a.y1_, b.y1_);
  const std::uint32_t y2 = std::min(a.y2_, b.y2_);
  if (x2 <= x1 || y2 <= y1) return 0;
  const std::uint64_t box = static_cast<std::uint64_t>(x2 - x1) * static_cast<std::uint64_t>(y2 - y1);
  return std::min(box, std::min(a.area_, b.area_));
}

std::uint64_t MaskRuns::intersection(const MaskRuns& a, const MaskRuns& b) {
  if (intersection_bound(a, b) == 0) return 0;
  // Skip the runs of each that end before the other begins; odd entries are ends.
  const auto first_run = [](const MaskRuns& runs, std::uint32_t begin) {
    const auto at = std::upper_bound(runs.edges_.begin(), runs.edges_.end(), begin);
    return static_cast<std::size_t>(at - runs.edges_.begin()) / 2;
  };
  const std::uint32_t* edges_a = a.edges_.data();
  const std::uint32_t* edges_b = b.edges_.data();
  const std::uint32_t* const end_a = edges_a + a.edges_.size();
  const std::uint32_t* const end_b = edges_b + b.edges_.size();
  edges_a += 2 * first_run(a, b.edges_.front());
  edges_b += 2 * first_run(b, a.edges_.front());
  std::uint64_t common = 0;
  while (edges_a < end_a && edges_b < end_b) {  // without branches that depend on the masks
    const std::uint32_t begin = std::max(edges_a[0], edges_b[0]);
    const std::uint32_t end = std::min(edges_a[1], edges_b[1]);
    common += end > begin ? end - begin : 0;
    const bool a_ends_first = edges_a[1] <= edges_b[1];
    edges_a += a_ends_first ? 2 : 0;
    edges_b += a_ends_first ? 0 : 2;
  }
  return common;
}

}  // namespace fastermask
