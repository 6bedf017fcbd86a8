#include "literals.h"

namespace guard {

namespace {

size_t spread(uint64_t key) { return size_t(key * 0x9E3779B97F4A7C15u >> 20); }  // Fibonacci hashing

}  // namespace

Literals::Literals() : nodes_{{-1, false}}, edges_(64, Edge{0, 0}) {}

int32_t Literals::follow(int32_t node, uint32_t c) const {
  uint64_t key = (uint64_t(node) << 21) + c + 1;
  for (size_t i = spread(key);; ++i) {
    const Edge& edge = edges_[i & (edges_.size() - 1)];
    if (edge.key == key) return edge.to;
    if (edge.key == 0) return -1;
  }
}

void Literals::put(uint64_t key, int32_t to) {
  size_t i = spread(key);
  while (edges_[i & (edges_.size() - 1)].key != 0) ++i;
  edges_[i & (edges_.size() - 1)] = Edge{key, to};
}

void Literals::add(const Text& word) {
  if (word.size() == 0) return;
  int32_t node = 0;
  for (Py_ssize_t i = 0; i < word.size(); ++i) {
    int32_t next = follow(node, word[i]);
    if (next < 0) {
      next = int32_t(nodes_.size());
      if (2 * nodes_.size() > edges_.size()) {  // a node has one edge that leads to it
        std::vector<Edge> old(4 * edges_.size(), Edge{0, 0});
        old.swap(edges_);
        for (const Edge& edge : old)
          if (edge.key != 0) put(edge.key, edge.to);
      }
      put((uint64_t(node) << 21) + word[i] + 1, next);
      nodes_[node].inner = true;
      nodes_.push_back({-1, false});
    }
    node = next;
  }
  if (nodes_[node].word < 0) nodes_[node].word = words_++;
}

bool Literals::has(const std::u32string& word) const {
  int32_t node = 0;
  for (char32_t c : word)
    if ((node = follow(node, c)) < 0) return false;
  return nodes_[node].word >= 0;
}

int32_t Literals::match(const Text& text, int32_t start, bool* more) const {
  const int32_t size = int32_t(text.size());
  int32_t node = 0, end = start, i = start;
  while (i < size && (node = follow(node, text[i])) >= 0) {
    ++i;
    if (nodes_[node].word >= 0) end = i;
  }
  *more = i == size && node >= 0 && nodes_[node].inner;
  return end;
}

std::vector<std::pair<int32_t, int32_t>> Literals::find(const Text& text, bool open, int32_t* stop) const {
  std::vector<std::pair<int32_t, int32_t>> places;
  const int32_t size = int32_t(text.size());
  int32_t start = 0;
  while (start < size) {
    bool more = false;
    const int32_t end = match(text, start, &more);
    if (open && more) break;
    if (end > start) places.emplace_back(start, end);
    start = end > start ? end : start + 1;
  }
  *stop = start;
  return places;
}

std::vector<int32_t> Literals::occurring(const Text& text) const {
  std::vector<bool> seen(size_t(words_), false);
  std::vector<int32_t> found;
  for (Py_ssize_t start = 0; start < text.size(); ++start) {
    int32_t node = 0;
    for (Py_ssize_t i = start; i < text.size() && (node = follow(node, text[i])) >= 0; ++i) {
      int32_t word = nodes_[node].word;
      if (word < 0 || seen[size_t(word)]) continue;
      seen[size_t(word)] = true;
      found.push_back(word);
    }
  }
  return found;
}

}  // namespace guard
