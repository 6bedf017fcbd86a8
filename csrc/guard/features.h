// What the features of names are made of: characters, their classes, hashes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "names.h"
#include "text.h"

namespace guard {

inline uint64_t mix(uint64_t h) {  // finaliser of splitmix64
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

inline uint64_t hash_word(uint64_t seed, const char32_t* word, size_t length) {
  uint64_t h = seed * 0x9e3779b97f4a7c15ULL + length;
  for (size_t i = 0; i < length; ++i) h = (h ^ word[i]) * 0x100000001b3ULL + (h >> 29);
  return mix(h);
}

inline bool is_han(char32_t c) { return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf); }
inline bool is_upper(char32_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x100 && c <= 0x17f && c % 2 == 0);
}
inline bool is_lower(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7) || (c >= 0x100 && c <= 0x17f && c % 2 == 1);
}
inline bool is_latin(char32_t c) { return is_upper(c) || is_lower(c); }
inline char32_t lower(char32_t c) {
  if (!is_upper(c)) return c;
  return c < 0x100 ? c + 32 : c + 1;
}

// A neighbour as the features see it: full-width forms as ASCII, all digits and all letters alike; the ends of the
// text are line ends.
inline char32_t neighbour(char32_t c) {
  if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
  if (c == 0x3000 || c == 0xa0 || c == '\t') return ' ';
  if (c == '\r') return '\n';
  if (is_digit(c)) return '0';
  if (is_upper(c)) return 'A';
  if (is_lower(c)) return 'a';
  return c;
}

inline bool is_separator(char32_t c) {  // what stands between a label and a name: 姓名：「张伟」
  switch (c) {
    case ' ': case ':': case '"': case '\'': case '(': case ')': case '[': case ']': case ',': case '*': case '|':
    case '=': case '/': case 0x201c: case 0x201d: case 0x3010: case 0x3011: case 0x300c: case 0x300d: case 0x3001:
      return true;
    default:
      return false;
  }
}

// Collects the features of one candidate: bucket 0 is kept for "none".
class Features {
 public:
  explicit Features(NameCandidate& candidate) : candidate_(candidate) {
    candidate.features.fill(0);
  }
  void add(uint64_t a, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0) {
    ++id_;
    uint64_t h = mix((uint64_t(candidate_.kind) * 64 + id_) * 0x9e3779b97f4a7c15ULL ^ a);
    h = mix(h ^ (b + 0x7f4a7c15ULL));
    if (c != 0 || d != 0) h = mix(h ^ (c << 32 | d));
    candidate_.features[id_ - 1] = uint32_t(h % (kNameBuckets - 1)) + 1;
  }

 private:
  NameCandidate& candidate_;
  uint64_t id_ = 0;
};

}  // namespace guard
