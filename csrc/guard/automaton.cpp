#include "automaton.h"

#include <algorithm>
#include <map>

namespace guard {
namespace {

constexpr size_t kRows = 65536;  // 32 MiB; the words of the assets need fewer

uint32_t lower(uint32_t c) { return c - 'A' < 26u ? c | 32 : c; }

}  // namespace

Automaton::Automaton(const std::vector<std::u32string>& words, const std::vector<int32_t>& ids,
                     const std::vector<bool>& whole, bool longest)
    : longest_(longest), states_(1), root_(0x10000, 0) {
  std::vector<std::map<uint32_t, int32_t>> next(1);
  for (size_t w = 0; w < words.size(); ++w) {
    if (words[w].empty()) continue;
    int32_t at = 0;
    for (char32_t raw : words[w]) {
      auto [edge, fresh] = next[at].try_emplace(lower(raw), int32_t(states_.size()));
      int32_t to = edge->second;
      if (fresh) {
        next.emplace_back();
        states_.emplace_back();
        states_.back().depth = states_[at].depth + 1;
      }
      at = to;
    }
    words_.push_back({ids[w], states_[at].first, whole[w]});
    states_[at].first = int32_t(words_.size()) - 1;
  }
  for (size_t s = 0; s < states_.size(); ++s) {
    states_[s].edges = uint32_t(edges_.size());
    states_[s].count = uint32_t(next[s].size());
    for (auto [c, to] : next[s]) edges_.push_back({c, to});
  }
  for (auto [c, to] : next[0])
    if (c < root_.size()) root_[c] = to;
  std::vector<int32_t> queue{0};  // breadth first: the failure state of a parent is ready before its children
  for (size_t head = 0; head < queue.size(); ++head) {
    int32_t s = queue[head];
    for (auto [c, to] : next[s]) {
      states_[to].fail = s == 0 ? 0 : follow(states_[s].fail, c);
      states_[to].out = states_[to].first >= 0 ? to : states_[states_[to].fail].out;
      queue.push_back(to);
      if (c < 128) states_[to].row = 0;
    }
  }
  states_[0].row = 0;
  size_t rows = 0;
  for (int32_t s : queue) {
    State& state = states_[s];
    if (state.row < 0) continue;
    if (rows == kRows) {
      state.row = -1;
      continue;
    }
    for (uint32_t c = 0; c < 128; ++c) ascii_.push_back(follow(s, c));
    state.row = int32_t(rows++);
  }
}

int32_t Automaton::step(int32_t state, uint32_t c) const {
  if (c < 128 && states_[state].row >= 0) return ascii_[size_t(states_[state].row) * 128 + c];
  return follow(state, c);
}

int32_t Automaton::follow(int32_t state, uint32_t c) const {
  for (;;) {
    if (state == 0 && c < root_.size()) return root_[c];
    const State& s = states_[state];
    const Edge* begin = edges_.data() + s.edges;
    const Edge* end = begin + s.count;
    const Edge* edge = std::lower_bound(begin, end, c, [](const Edge& e, uint32_t value) { return e.c < value; });
    if (edge != end && edge->c == c) return edge->to;
    if (state == 0) return 0;
    state = s.fail;
  }
}

std::vector<Hit> Automaton::find(const Text& text) const {
  std::vector<Hit> hits;
  int32_t state = 0;
  const Py_ssize_t n = text.size();
  auto letter = [&](Py_ssize_t i) { return i >= 0 && i < n && is_letter(text[i]); };
  auto digit = [&](Py_ssize_t i) { return i < n && is_digit(text[i]); };
  auto goes_on = [&](Py_ssize_t end) {  // a word that ends here is the beginning of a longer one
    if (!letter(end - 1) || !letter(end) || ((text[end] | 32) == 's' && !letter(end + 1))) return false;
    return !(digit(end + 1) || (letter(end + 1) && digit(end + 2)));
  };
  auto began = [&](Py_ssize_t start) {  // a word that starts here is the end of a longer one
    return start > 0 && is_alnum(text[start - 1]) && letter(start) && !(text[start] < 'a' && text[start - 1] >= 'a');
  };
  for (Py_ssize_t i = 0; i < n; ++i) {
    state = step(state, lower(text[i]));
    int32_t s = states_[state].out;
    if (s < 0) continue;
    const bool within = goes_on(i + 1);
    bool done = false;
    for (; s >= 0 && !done; s = states_[states_[s].fail].out)
      for (int32_t w = states_[s].first; w >= 0 && !done; w = words_[w].next) {
        const Py_ssize_t start = i + 1 - states_[s].depth;
        if (words_[w].whole && (within || began(start))) {
          done = within && longest_;  // all shorter ones, too
          continue;
        }
        hits.push_back({int32_t(start), int32_t(i + 1), words_[w].id});
        done = longest_;
      }
  }
  return hits;
}

}  // namespace guard
