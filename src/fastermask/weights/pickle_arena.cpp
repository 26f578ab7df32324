// The list of all nodes of one unpickling, and the check of the finished tree.
#include <unordered_map>
#include <utility>

#include "fastermask/weights/unpickler.h"

namespace fastermask {
namespace {

constexpr int kMaxPickleDepth = 500;

void unlink_pickle_node(PickleNode& node) {
  node.items.clear();
  node.entries.clear();
  node.index.clear();
  node.state = PickleValue();
}

// A node on the way down, and which of its children comes next.
struct PickleVisit {
  PickleNode* node;
  std::size_t next = 0;
  int height = 0;  // of its children so far
};

std::size_t pickle_child_count(const PickleNode& node) { return node.items.size() + 2 * node.entries.size() + 1; }

PickleNode* pickle_child(const PickleNode& node, std::size_t i) {
  if (i < node.items.size()) return node.items[i].node().get();
  i -= node.items.size();
  if (i < 2 * node.entries.size()) {
    const PickleEntry& entry = node.entries[i / 2];
    return (i % 2 == 0 ? entry.key : entry.value).node().get();
  }
  return node.state.node().get();
}

constexpr int kPickleNodeOpen = -1;

// Heights of all nodes below `root`, without recursion. Returns what is wrong, or nullptr.
const char* measure_pickle_tree(PickleNode* root, std::unordered_map<PickleNode*, int>& heights) {
  std::vector<PickleVisit> path{{root}};
  heights[root] = kPickleNodeOpen;
  while (!path.empty()) {
    PickleVisit& visit = path.back();
    if (visit.next < pickle_child_count(*visit.node)) {
      PickleNode* child = pickle_child(*visit.node, visit.next++);
      if (child == nullptr) continue;
      const auto [known, is_new] = heights.try_emplace(child, kPickleNodeOpen);
      if (is_new) {
        path.push_back({child});
      } else if (known->second == kPickleNodeOpen) {
        return "a value contains itself";
      } else {
        visit.height = std::max(visit.height, known->second);
      }
      continue;
    }
    const int height = visit.height + 1;
    if (height > kMaxPickleDepth) return "values are nested deeper than 500";
    heights[visit.node] = height;
    path.pop_back();
    if (!path.empty()) path.back().height = std::max(path.back().height, height);
  }
  return nullptr;
}

}  // namespace

PickleArena::~PickleArena() {
  for (const auto& node : nodes_) unlink_pickle_node(*node);
}

PickleValue PickleArena::make(PickleValue::Kind kind, std::string text) {
  auto node = std::make_shared<PickleNode>();
  node->kind = kind;
  node->text = std::move(text);
  nodes_.push_back(node);
  return PickleValue(std::move(node));
}

const char* PickleArena::release(const PickleValue& root) {
  std::unordered_map<PickleNode*, int> heights;
  const char* problem = root.node() == nullptr ? nullptr : measure_pickle_tree(root.node().get(), heights);
  if (problem != nullptr) return problem;
  for (const auto& node : nodes_) {
    if (heights.count(node.get()) == 0) unlink_pickle_node(*node);
  }
  nodes_.clear();
  return nullptr;
}

}  // namespace fastermask
