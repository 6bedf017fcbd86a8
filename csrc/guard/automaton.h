// Aho-Corasick: every occurrence of every word of a list, in one pass over the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text.h"

namespace guard {

struct Hit {
  int32_t start, end, id;
};

class Automaton {
 public:
  // Words are matched without regard to the case of ASCII letters; an empty word never matches. A word that is `whole`
  // and begins or ends with an ASCII letter does not count within a longer ASCII word, but counts at a hump
  // (dbPassword), before the s of a plural and before a number (IBANGB82).
  // `longest`: of the words that end at one place only the longest counts, so that there are no more than places,
  // whatever the words are.
  Automaton(const std::vector<std::u32string>& words, const std::vector<int32_t>& ids, const std::vector<bool>& whole,
            bool longest = false);
  std::vector<Hit> find(const Text& text) const;  // by end, the longer first

 private:
  struct State {
    int32_t fail = 0;
    int32_t depth = 0;
    int32_t out = -1;   // the nearest state along the failure links, itself included, that ends a word
    int32_t first = -1; // of words_ that end here
    uint32_t edges = 0, count = 0;
    int32_t row = -1;   // of ascii_; -1: none, as of all but the first kRows by depth
  };
  struct Edge {
    uint32_t c;
    int32_t to;
  };
  struct Word {
    int32_t id, next;
    bool whole;
  };
  int32_t step(int32_t state, uint32_t c) const;
  int32_t follow(int32_t state, uint32_t c) const;

  bool longest_;
  std::vector<State> states_;
  std::vector<Edge> edges_;           // of one state: sorted by c
  std::vector<int32_t> root_;         // by code point below 0x10000
  std::vector<Word> words_;
  std::vector<int32_t> ascii_;        // rows of 128 next states, of states that an ASCII character leads to
};

}  // namespace guard
