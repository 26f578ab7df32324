#include "fastermask/report/mask_layer.h"

#include <unordered_map>

namespace fastermask {
namespace {

// The edges between covered and free pixels, keyed by the corner they start from. Edges run with the covered pixel on
// their right, so that every path closes.
class EdgeMap {
 public:
  explicit EdgeMap(const BitMask& mask) : stride_(mask.width + 1) {
    const auto covered = [&mask](int y, int x) {
      return y >= 0 && x >= 0 && y < mask.height && x < mask.width && mask.row(y)[x] != 0;
    };
    for (int y = 0; y < mask.height; ++y) {
      for (int x = 0; x < mask.width; ++x) {
        if (!covered(y, x)) continue;
        if (!covered(y - 1, x)) add(x, y, x + 1, y);
        if (!covered(y, x + 1)) add(x + 1, y, x + 1, y + 1);
        if (!covered(y + 1, x)) add(x + 1, y + 1, x, y + 1);
        if (!covered(y, x - 1)) add(x, y + 1, x, y);
      }
    }
  }

  bool empty() const { return edges_.empty(); }

  // Removes and returns one closed path.
  OutlinePath take_path() {
    const std::int64_t start = edges_.begin()->first;
    OutlinePath path;
    std::int64_t corner = start;
    std::int64_t direction = 0;
    do {
      const auto it = edges_.find(corner);
      if (it == edges_.end()) break;
      const std::int64_t next = it->second;
      edges_.erase(it);
      if (next - corner != direction) path.emplace_back(static_cast<int>(corner % stride_), static_cast<int>(corner / stride_));
      direction = next - corner;
      corner = next;
    } while (corner != start);
    return path;
  }

 private:
  void add(int x1, int y1, int x2, int y2) { edges_.emplace(at(x1, y1), at(x2, y2)); }
  std::int64_t at(int x, int y) const { return static_cast<std::int64_t>(y) * stride_ + x; }

  std::int64_t stride_;
  std::unordered_multimap<std::int64_t, std::int64_t> edges_;  // corner -> next corner; two where pixels touch diagonally
};

}  // namespace

void tint_row(const BitMask& mask, int y, const std::array<std::uint8_t, 3>& bgr, double opacity, std::uint8_t* pixels) {
  const int weight = static_cast<int>(opacity * 256);
  const std::uint8_t* row = mask.row(y);
  for (int x = 0; x < mask.width; ++x) {
    if (row[x] == 0) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& value = pixels[4 * x + static_cast<int>(c)];
      value = static_cast<std::uint8_t>((value * (256 - weight) + bgr[c] * weight) >> 8);
    }
  }
}

std::vector<OutlinePath> mask_outlines(const BitMask& mask) {
  EdgeMap edges(mask);
  std::vector<OutlinePath> paths;
  while (!edges.empty()) {
    OutlinePath path = edges.take_path();
    if (path.size() > 2) paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace fastermask
