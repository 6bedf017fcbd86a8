#include "names.h"

#include "features.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace guard {
namespace {

struct Token {
  size_t start;
  size_t end;
  char shape;      // C Xxxx, I initial, U XXXX, p particle
  uint64_t flags;  // 1 given name, 2 family name, 4 ordinary word, 8 pinyin
  uint64_t hash;   // of its lower-case letters
  uint64_t tail;   // of its last three letters
};

// Characters of no given name.
constexpr std::u32string_view kNotGiven = U"的了是我你您他她它们在与就不也都很这那吗呢吧被把从到给点些个么样着过";
constexpr size_t kMaxWord = 24;  // letters of a word that may be part of a name
constexpr size_t kMaxRun = 12;   // words of a run that are looked at together
constexpr size_t kMaxNameWords = 4;
constexpr size_t kMaxOrganisation = 30;  // code points

bool is_particle(const std::u32string& word) {
  static const char32_t* const kParticles[] = {U"van", U"von", U"de", U"der", U"den", U"da", U"di", U"del",
                                               U"la",  U"le",  U"du", U"bin", U"ibn", U"al", U"dos", U"ter"};
  return std::any_of(std::begin(kParticles), std::end(kParticles), [&](const char32_t* p) { return word == p; });
}

// One or two syllables of pinyin without tones: initial and final by their spelling.
size_t syllable_ends(const std::u32string& word, size_t at, size_t (&ends)[4]) {
  static constexpr std::u32string_view kInitials[] = {
      U"zh", U"ch", U"sh", U"b", U"p", U"m", U"f", U"d", U"t", U"n", U"l", U"g",
      U"k",  U"h",  U"j",  U"q", U"x", U"r", U"z", U"c", U"s", U"y", U"w", U""};
  static constexpr std::u32string_view kFinals[] = {
      U"iang", U"iong", U"uang", U"ang", U"eng", U"ing", U"ong", U"iao", U"ian", U"uai", U"uan",
      U"ai",   U"ei",   U"ao",   U"ou",  U"an",  U"en",  U"in",  U"un",  U"ia",  U"ie",  U"iu",
      U"ua",   U"uo",   U"ui",   U"ue",  U"er",  U"a",   U"o",   U"e",   U"i",   U"u",   U"v"};
  size_t n = 0;
  for (const std::u32string_view first : kInitials) {
    if (word.compare(at, first.size(), first) != 0) continue;
    for (const std::u32string_view final : kFinals) {
      const size_t from = at + first.size();
      if (n < 4 && word.compare(from, final.size(), final) == 0) ends[n++] = from + final.size();
    }
    break;
  }
  return n;
}

bool is_pinyin(const std::u32string& word) {
  if (word.size() < 2 || word.size() > 12) return false;
  size_t ends[4];
  const size_t n = syllable_ends(word, 0, ends);
  for (size_t i = 0; i < n; ++i) {
    if (ends[i] == word.size()) return true;
    size_t second[4];
    const size_t m = syllable_ends(word, ends[i], second);
    for (size_t j = 0; j < m; ++j) {
      if (second[j] == word.size()) return true;
    }
  }
  return false;
}

// The word that ends before (or starts after) a place, at most kMaxWord letters: its hash, 0 if none.
uint64_t word_before(const char32_t* text, size_t end, size_t* start) {
  size_t i = end;
  while (i > 0 && end - i < kMaxWord && is_latin(text[i - 1])) --i;
  std::u32string word;
  for (size_t j = i; j < end; ++j) word.push_back(lower(text[j]));
  *start = i;
  return word.empty() ? 0 : hash_word(7, word.data(), word.size());
}

uint64_t word_after(const char32_t* text, size_t length, size_t start) {
  std::u32string word;
  while (start < length && word.size() < kMaxWord && is_latin(text[start])) word.push_back(lower(text[start++]));
  return word.empty() ? 0 : hash_word(7, word.data(), word.size());
}

}  // namespace

std::array<uint32_t, 3> WordFilter::bits(WordClass word_class, const char32_t* word, size_t length) {
  const uint64_t h = hash_word(uint64_t(word_class), word, length);
  const uint64_t g = mix(h + 0x9e3779b97f4a7c15ULL);
  return {uint32_t(h % kWordBits), uint32_t((h >> 32) % kWordBits), uint32_t(g % kWordBits)};
}

bool WordFilter::has(WordClass word_class, const char32_t* word, size_t length) const {
  for (const uint32_t bit : bits(word_class, word, length)) {
    if ((bits_[bit >> 3] >> (bit & 7) & 1) == 0) return false;
  }
  return true;
}

NameModel::NameModel(const uint8_t* words, const int8_t* weights, float scale)
    : words_(words), weights_(weights), scale_(scale), role_(65536, 0) {
  // The filter is asked once for every character: false positives (0.2 %) would be candidates only.
  for (char32_t c = 0x4e00; c <= 0x9fff; ++c) {
    const char32_t first[2] = {c, U'*'};
    if (words_.has(WordClass::kSurname, &c, 1)) role_[c] |= 1;
    if (words_.has(WordClass::kSurname, first, 2)) role_[c] |= 2;
    if (words_.has(WordClass::kEnding, first, 2)) role_[c] |= 4;
    if (words_.has(WordClass::kPlace, first, 2)) role_[c] |= 8;
  }
}

void NameModel::chinese_features(const char32_t* text, size_t length, size_t surname, NameCandidate& candidate) const {
  const size_t s = candidate.start, e = candidate.end, n = e - s;
  const auto left = [&](size_t k) -> char32_t { return s >= k ? neighbour(text[s - k]) : U'\n'; };
  const auto right = [&](size_t k) -> char32_t { return e + k <= length ? neighbour(text[e + k - 1]) : U'\n'; };
  const auto word = [&](size_t from, size_t to) -> uint64_t {  // is text[from, to) an ordinary word?
    return from < to && to <= length && words_.has(WordClass::kChinese, text + from, to - from) ? 1 : 0;
  };
  const char32_t l1 = left(1), l2 = left(2), l3 = left(3), r1 = right(1), r2 = right(2), r3 = right(3);
  const char32_t last = text[e - 1];
  const size_t given = e - s - surname;
  const uint64_t name = hash_word(1, text + s, n);
  const uint64_t sur = hash_word(2, text + s, surname);
  const uint64_t length_key = n * 8 + surname;
  const uint64_t inside = word(s, e) | word(s, s + 2) << 1 | (given == 2 ? word(s + surname, e) : 0) << 2;
  const uint64_t before = (s >= 1 ? word(s - 1, s + 1) : 0) | (s >= 2 ? word(s - 2, s + 1) : 0) << 1 |
                          (s >= 1 ? word(s - 1, s + 2) : 0) << 2;
  const uint64_t after = word(e - 1, e + 1) | word(e - 1, e + 2) << 1 | (n > 2 ? word(e - 2, e + 1) : 0) << 2 |
                         word(s, e + 1) << 3;
  const uint64_t l_class = is_han(l1) ? 1 : l1;
  const uint64_t r_class = is_han(r1) ? 1 : r1;
  // The neighbours beyond separators.
  size_t p = s, q = e;
  while (p > 0 && s - p < 3 && is_separator(neighbour(text[p - 1]))) --p;
  while (q < length && q - e < 3 && is_separator(neighbour(text[q]))) ++q;
  const auto beyond_left = [&](size_t k) -> uint64_t { return p >= k ? neighbour(text[p - k]) : U'\n'; };
  const auto beyond_right = [&](size_t k) -> uint64_t { return q + k <= length ? neighbour(text[q + k - 1]) : U'\n'; };
  const uint64_t gap_left = p == s ? 0 : neighbour(text[s - 1]), gap_right = q == e ? 0 : neighbour(text[e]);

  Features f(candidate);
  f.add(length_key, inside, before, after);
  f.add(sur, length_key);
  f.add(name);
  f.add(given > 0 ? hash_word(3, text + s + surname, given) : 0, length_key);
  f.add(given > 0 ? text[s + surname] : 0, length_key);
  f.add(given > 1 ? last : 0, length_key);
  f.add(l1, length_key);
  f.add(l1, l2);
  f.add(l1, l2, l3);
  f.add(l1, sur);
  f.add(r1, length_key);
  f.add(r1, r2);
  f.add(r1, r2, r3);
  f.add(last, r1);
  f.add(l_class, r_class, length_key, inside);
  f.add(beyond_left(1), beyond_left(2), gap_left != 0);
  f.add(beyond_left(1), beyond_left(2), beyond_left(3), gap_left);
  f.add(beyond_right(1), beyond_right(2), gap_right);
  f.add(inside, before, sur);
  f.add(inside, after, r1);
  f.add(inside, before, l1);
  f.add(l1, r1);
}

template <class Sink>
void NameModel::chinese_at(const char32_t* text, size_t length, size_t i, Sink&& sink) const {
  const auto surname_at = [&](size_t at) -> uint8_t { return text[at] < 0x10000 ? role_[text[at]] : uint8_t{0}; };
  const auto emit = [&](size_t start, size_t end, size_t surname, NameKind kind) {
    NameCandidate candidate{uint32_t(start), uint32_t(end), kind, {}};
    chinese_features(text, length, surname, candidate);
    sink(candidate);
  };
  const uint8_t here = surname_at(i);
  size_t han = 1;  // Chinese characters from i on, as far as a name may reach
  while (han < 4 && i + han < length && is_han(text[i + han])) ++han;
  const bool compound = (here & 2) != 0 && han > 1 && words_.has(WordClass::kSurname, text + i, 2);
  for (size_t surname = 1; surname <= (compound ? 2u : 1u); ++surname) {
    if (surname == 1 && (here & 1) == 0) continue;
    for (size_t n = surname + 1; n <= std::min(surname + 2, han); ++n) {
      if (kNotGiven.find(text[i + n - 1]) != kNotGiven.npos) break;
      emit(i, i + n, surname, NameKind::kChinese);
    }
    const bool word = i > 0 && words_.has(WordClass::kChinese, text + i - 1, 2);  // 谢谢医生, 了解律师
    for (size_t n = 1; n <= 3 && surname + n <= han && !word; ++n) {
      if (!words_.has(WordClass::kTitle, text + i + surname, n)) continue;
      emit(i, i + surname, surname, NameKind::kTitled);
      break;
    }
  }
  if ((here & 1) != 0 && i > 0 && (text[i - 1] == U'小' || text[i - 1] == U'老' || text[i - 1] == U'阿'))
    emit(i - 1, i + 1, 1, NameKind::kFamiliar);
}

// A run of capitalised words that starts at i: returns where it ends (at least i + 1).
template <class Sink>
size_t NameModel::english_run(const char32_t* text, size_t length, size_t i, Sink&& sink) const {
  Token run[kMaxRun];
  size_t n = 0, at = i;
  std::u32string word;
  while (n < kMaxRun && at < length && is_latin(text[at])) {
    const size_t start = at;
    size_t upper = 0;
    bool inner = false;  // an upper-case letter after a lower-case one: JavaScript
    word.clear();
    while (at < length && word.size() <= kMaxWord &&
           (is_latin(text[at]) ||
            ((text[at] == '-' || text[at] == '\'' || text[at] == 0x2019) && at + 1 < length && is_latin(text[at + 1]) &&
             !((text[at] != '-') && text[at + 1] == 's' && (at + 2 >= length || !is_latin(text[at + 2])))))) {
      if (is_upper(text[at])) {
        ++upper;
        const bool mac = word == U"mc" || word == U"mac" || word == U"de" || word == U"la";
        inner = inner || (at > start && is_lower(text[at - 1]) && !mac);
      }
      word.push_back(lower(text[at++]));
    }
    const bool overlong = at < length && is_latin(text[at]);
    const bool joined = at < length && (is_digit(text[at]) || text[at] == '_' || text[at] == '@');
    char shape = 0;
    if (overlong || joined || inner) shape = 0;
    else if (!is_upper(text[start])) shape = n > 0 && is_particle(word) ? 'p' : char(0);
    else if (word.size() == 1) shape = 'I';
    else shape = upper == word.size() && word.size() > 1 ? 'U' : 'C';
    if (shape == 0) {
      while (at < length && (is_latin(text[at]) || is_digit(text[at]) || text[at] == '_')) ++at;  // to the word's end
      break;
    }
    uint64_t flags = words_.has(WordClass::kGiven, word.data(), word.size()) |
                     words_.has(WordClass::kFamily, word.data(), word.size()) << 1 |
                     words_.has(WordClass::kEnglish, word.data(), word.size()) << 2 | uint64_t(is_pinyin(word)) << 3;
    const size_t tail = std::min<size_t>(3, word.size());
    run[n++] = {start, at, shape, flags, hash_word(7, word.data(), word.size()),
                hash_word(8, word.data() + word.size() - tail, tail)};
    size_t next = at;
    if (shape == 'I' && next < length && text[next] == '.') ++next;
    if (next < length && text[next] == ' ') ++next;
    else if (!(shape == 'I' && next > at)) break;
    if (next >= length || !is_latin(text[next])) break;
    at = next;
  }
  for (size_t a = 0; a < n; ++a) {
    if (run[a].shape == 'p') continue;
    for (size_t b = a; b < std::min(n, a + kMaxNameWords); ++b) {
      if (run[b].shape == 'p' || (run[b].shape == 'I' && a == b)) continue;
      const Token &first = run[a], &last = run[b];
      const size_t s = first.start, e = last.end, count = b - a + 1;
      uint64_t shapes = 0;
      for (size_t k = a; k <= b; ++k) shapes = shapes << 8 | uint64_t(run[k].shape);
      size_t p = s, before = 0;
      while (p > 0 && s - p < 3 && !is_latin(text[p - 1]) && !is_han(text[p - 1]) && !is_digit(text[p - 1])) --p;
      const uint64_t prev = p > 0 && is_han(text[p - 1]) ? text[p - 1] : word_before(text, p, &before);
      if (p > 0 && is_han(text[p - 1])) before = p - 1;
      const uint64_t prev2_han = before > 0 && is_han(text[before - 1]) ? text[before - 1] : 0;
      size_t ignored = 0;
      const uint64_t prev2 = prev2_han != 0 ? prev2_han : before > 1 ? word_before(text, before - 1, &ignored) : 0;
      const uint64_t l1 = s > 0 ? neighbour(text[s - 1]) : '\n', l2 = s > 1 ? neighbour(text[s - 2]) : '\n';
      const uint64_t r1 = e < length ? neighbour(text[e]) : '\n', r2 = e + 1 < length ? neighbour(text[e + 1]) : '\n';
      size_t q = e;
      while (q < length && q - e < 2 && !is_latin(text[q]) && !is_han(text[q]) && !is_digit(text[q])) ++q;
      const uint64_t next = q < length && is_han(text[q]) ? text[q] : word_after(text, length, q);
      const uint64_t outer = uint64_t(a > 0) | uint64_t(b + 1 < n) << 1;
      const uint64_t out_flags = (a > 0 ? run[a - 1].flags + 1 : 0) | (b + 1 < n ? run[b + 1].flags + 1 : 0) << 8;
      const uint64_t flags = first.flags << 8 | last.flags;
      NameCandidate candidate{uint32_t(s), uint32_t(e), NameKind::kEnglish, {}};
      Features f(candidate);
      f.add(count, flags, outer, shapes);
      f.add(first.hash, count > 1);
      f.add(last.hash, count > 1);
      f.add(first.hash, last.hash, count);
      f.add(count, flags, out_flags);
      f.add(shapes, outer);
      f.add(prev, l1, count > 1);
      f.add(prev, prev2, l1);
      f.add(prev, flags, l1);
      f.add(next, r1, count > 1);
      f.add(next, flags);
      f.add(l1, l2, flags);
      f.add(r1, r2, flags);
      f.add(l1, r1, count);
      f.add(first.tail, count > 1);
      f.add(last.tail, count > 1);
      f.add(a > 0 ? run[a - 1].hash : 0, outer);
      f.add(b + 1 < n ? run[b + 1].hash : 0, outer);
      f.add(l1, l2, r1, r2);
      sink(candidate);
    }
  }
  return std::max(at, i + 1);
}

size_t NameModel::place_at(const char32_t* text, size_t length, size_t at) const {
  if (text[at] >= 0x10000 || (role_[text[at]] & 8) == 0) return 0;
  for (size_t n = std::min<size_t>(8, length - at); n >= 2; --n) {
    if (words_.has(WordClass::kPlace, text + at, n)) return n;
  }
  return 0;
}

void NameModel::organisation_features(const char32_t* text, size_t length, size_t ending,
                                      NameCandidate& candidate) const {
  const size_t s = candidate.start, e = candidate.end, n = e - s, stem = e - ending;
  const auto at = [&](size_t i) -> uint64_t { return i < length ? neighbour(text[i]) : U'\n'; };
  const auto left = [&](size_t k) -> uint64_t { return s >= k ? neighbour(text[s - k]) : U'\n'; };
  const auto word = [&](size_t from, size_t to) -> uint64_t {
    return from < to && to <= length && words_.has(WordClass::kChinese, text + from, to - from) ? 1 : 0;
  };
  const uint64_t suffix = hash_word(4, text + stem, ending);
  const size_t place = place_at(text, length, s);
  const size_t inner = s + place < stem ? s + place : s;  // where the name goes on after its place
  // Characters of the rest that belong to no ordinary word: a brand has some.
  uint64_t strange = 0;
  for (size_t i = inner; i < stem;) {
    const size_t step = i + 3 <= stem && word(i, i + 3) ? 3 : i + 2 <= stem && word(i, i + 2) ? 2 : 1;
    strange += step == 1;
    i += step;
  }
  strange = std::min<uint64_t>(strange, 4);
  const uint64_t placed = std::min<size_t>(place, 4) + 8 * (place == stem - s);
  uint64_t crossing = 0;  // words that the start of the candidate would cut
  if (s >= 1) crossing = word(s - 1, s + 1) | (s >= 2 ? word(s - 2, s + 1) : 0) << 1 | word(s - 1, s + 2) << 2;
  const uint64_t around = word(s, s + 2) | word(s, s + 3) << 1 | (s >= 2 ? word(s - 2, s) : 0) << 2 |
                          (s >= 3 ? word(s - 3, s) : 0) << 3;
  bool after_place = false;
  for (size_t k = 2; k <= 4 && k <= s; ++k) after_place = after_place || place_at(text, s, s - k) == k;
  const uint64_t size = std::min<size_t>(stem - s, 12);
  size_t p = s;
  while (p > 0 && s - p < 2 && is_separator(neighbour(text[p - 1]))) --p;
  const auto beyond = [&](size_t k) -> uint64_t { return p >= k ? neighbour(text[p - k]) : U'\n'; };

  Features f(candidate);
  f.add(suffix, size);
  f.add(suffix, placed, strange);
  f.add(left(1), after_place);
  f.add(left(1), left(2));
  f.add(left(1), left(2), left(3));
  f.add(at(s), size);
  f.add(at(s), at(s + 1));
  f.add(at(s), at(s + 1), at(s + 2));
  f.add(left(1), at(s));
  f.add(left(2), left(1), at(s), at(s + 1));
  f.add(crossing, placed);
  f.add(crossing, around, after_place);
  f.add(size, placed, strange, after_place);
  f.add(at(stem - 2), at(stem - 1), size <= 2);
  f.add(at(stem - 2), at(stem - 1), suffix);
  f.add(hash_word(5, text + s, n));
  f.add(at(e), at(e + 1));
  f.add(at(e), suffix);
  f.add(crossing, strange, suffix, placed);
  f.add(p != s, beyond(1), beyond(2), beyond(3));
  f.add(at(inner), at(inner + 1), placed);
  f.add(at(stem - 1), suffix, placed);
  f.add(crossing, around, left(1));
  f.add(hash_word(6, text + s, stem - s));
}

// Candidates whose last character is text[end - 1]: every start that no full stop or function word cuts off.
template <class Sink>
void NameModel::organisation_at(const char32_t* text, size_t length, size_t end, Sink&& sink) const {
  static constexpr std::u32string_view kNever = U"的了是我你您他她它们把也很吗呢吧这那哪每某";
  size_t ending = 0;
  for (size_t n = std::min<size_t>(4, end); n >= 2 && ending == 0; --n) {
    if (words_.has(WordClass::kEnding, text + end - n, n)) ending = n;
  }
  if (ending == 0) return;
  size_t others = 0;  // endings within: a university's hospital has one, hostile text has many
  for (size_t s = end - ending; s > 0 && end - s < kMaxOrganisation;) {
    const char32_t c = text[--s];
    const bool plain = is_latin(c) || is_digit(c);
    const bool mark = c == '(' || c == ')' || c == 0xff08 || c == 0xff09 || c == '&';
    if (is_han(c) ? kNever.find(c) != kNever.npos : !plain && !mark) break;
    const bool ends = is_han(c) && (role_[c] & 4) != 0 && s > 0 && words_.has(WordClass::kEnding, text + s - 1, 2);
    if (ends && ++others > 2) break;
    const bool within = plain && s > 0 && (is_latin(text[s - 1]) || is_digit(text[s - 1]));  // a Latin word
    if (mark || within) continue;
    NameCandidate candidate{uint32_t(s), uint32_t(end), NameKind::kOrganisation, {}};
    organisation_features(text, length, ending, candidate);
    sink(candidate);
  }
}

template <class Sink>
void NameModel::walk(const char32_t* text, size_t length, Sink&& sink) const {
  for (size_t i = 0; i < length;) {
    const char32_t c = text[i];
    if (c < 0x250) {
      const bool inside = i > 0 && (is_latin(text[i - 1]) || is_digit(text[i - 1]) || text[i - 1] == '_');
      if (is_upper(c) && !inside) i = english_run(text, length, i, sink);
      else ++i;
      continue;
    }
    if (c < 0x10000 && role_[c] != 0) {
      if ((role_[c] & 3) != 0) chinese_at(text, length, i, sink);
      if ((role_[c] & 4) != 0) organisation_at(text, length, i + 1, sink);
    }
    ++i;
  }
}

std::vector<NameCandidate> NameModel::candidates(const char32_t* text, size_t length) const {
  std::vector<NameCandidate> out;
  walk(text, length, [&](const NameCandidate& candidate) { out.push_back(candidate); });
  return out;
}

std::vector<NameHit> NameModel::find(const char32_t* text, size_t length, float threshold) const {
  std::vector<NameHit> hits;
  const int32_t least = int32_t(threshold / scale_);
  walk(text, length, [&](const NameCandidate& candidate) {
    int32_t sum = 0;
    for (const uint32_t feature : candidate.features) sum += weights_[feature];
    if (sum >= least) hits.push_back({candidate.start, candidate.end, candidate.kind, float(sum) * scale_});
  });
  std::vector<uint32_t> order(hits.size());
  for (size_t k = 0; k < order.size(); ++k) order[k] = uint32_t(k);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return hits[a].score > hits[b].score; });
  std::vector<bool> taken(hits.empty() ? 0 : length, false);
  std::vector<NameHit> out;
  for (const uint32_t k : order) {
    const NameHit& hit = hits[k];
    bool free = true;
    for (uint32_t i = hit.start; i < hit.end; ++i) free = free && !taken[i];
    if (!free) continue;
    for (uint32_t i = hit.start; i < hit.end; ++i) taken[i] = true;
    out.push_back(hit);
  }
  std::sort(out.begin(), out.end(), [](const NameHit& a, const NameHit& b) { return a.start < b.start; });
  return out;
}

}  // namespace guard
