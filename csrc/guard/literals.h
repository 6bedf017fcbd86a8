// A set of strings that may grow: where they stand in a text, leftmost and longest first.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text.h"

namespace guard {

// A trie whose edges lie in one hash table. A place costs at most as many steps as the longest word has code points.
class Literals {
 public:
  Literals();
  void add(const Text& word);  // an empty word is no word
  int32_t size() const { return words_; }
  bool has(const std::u32string& word) const;

  // Where the longest word ends that begins at `start`; `start` if there is none. `*more`: the text ends where a longer
  // one may still come.
  int32_t match(const Text& text, int32_t start, bool* more) const;

  // Disjoint (start, end). `open`: the text goes on, so it stops at the first place where a longer word may still come;
  // `*stop` is that place, or the end.
  std::vector<std::pair<int32_t, int32_t>> find(const Text& text, bool open, int32_t* stop) const;

  // The numbers, in order of adding, of the words that stand anywhere in the text, also within one another.
  std::vector<int32_t> occurring(const Text& text) const;

 private:
  struct Edge {
    uint64_t key;  // node * 2^21 + code point + 1; 0: free
    int32_t to;
  };
  struct Node {
    int32_t word;  // its number, -1: none ends here
    bool inner;    // longer words go on
  };
  int32_t follow(int32_t node, uint32_t c) const;  // -1: no such edge
  void put(uint64_t key, int32_t to);

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;  // open addressing, a power of two, half full at most
  int32_t words_ = 0;
};

}  // namespace guard
