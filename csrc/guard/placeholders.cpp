#include "placeholders.h"

namespace guard {
namespace {

constexpr int kSpaces = 2;
constexpr int kDigits = 18;

uint32_t plain(uint32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) return c - 0xFEE0;
  return c == 0x3000 || c == 0xA0 ? ' ' : c;
}

uint32_t closing(uint32_t open) {  // 0: no opening bracket
  switch (open) {
    case '[': return ']';
    case '<': return '>';
    case '{': return '}';
    case 0x27E6: case 0x27E8: case 0x27EA:                                      // ⟦ ⟨ ⟪
    case 0x3008: case 0x300A: case 0x3010: case 0x3014: case 0x3016: case 0x301A:  // 〈 《 【 〔 〖 〚
      return open + 1;
  }
  return 0;
}

}  // namespace

Placeholders::Placeholders(std::vector<std::u32string> types) : types_(std::move(types)) {
  for (size_t t = 0; t < types_.size(); ++t)
    if (!types_[t].empty() && types_[t][0] - U'A' < 26u) by_letter_[types_[t][0] - U'A'].push_back(int32_t(t));
}

Placeholders::Answer Placeholders::at(const Text& text, int32_t start, Place* place) const {
  const int32_t size = int32_t(text.size());
  const uint32_t open = plain(text[start]), close = closing(open);
  if (close == 0) return kNone;
  int32_t i = start + 1;
  bool doubled = open < 0x80 && i < size && plain(text[i]) == open;
  i += doubled;
  for (int spaces = 0; i < size && plain(text[i]) == ' ' && spaces < kSpaces; ++spaces) ++i;
  if (i == size) return kCut;
  const uint32_t letter = plain(text[i]);
  if (!is_letter(letter)) return kNone;
  place->start = start;
  Answer answer = kNone;
  for (int32_t type : by_letter_[(letter & ~32u) - 'A']) {
    Answer one = name(text, i, type, close, doubled, place);
    if (one == kWhole) return one;
    if (one == kCut) answer = kCut;
  }
  return answer;
}

Placeholders::Answer Placeholders::name(const Text& text, int32_t i, int32_t type, uint32_t close, bool doubled,
                                        Place* place) const {
  const int32_t size = int32_t(text.size());
  auto separator = [&]() -> Answer {  // kNone: there is none, and `i` stays
    if (i == size) return kCut;
    uint32_t c = plain(text[i]);
    if (c == '\\') {
      if (i + 1 == size) return kCut;
      if (plain(text[i + 1]) != '_') return kNone;
      i += 2;
      return kWhole;
    }
    if (c != '_' && c != ' ' && c != '-') return kNone;
    ++i;
    return kWhole;
  };
  bool capitals = true;
  for (char32_t wanted : types_[size_t(type)]) {
    if (i == size) return kCut;
    if (wanted == U'_') {
      if (Answer answer = separator(); answer != kWhole) return answer;
    } else {
      uint32_t c = plain(text[i]);
      if (!is_letter(c) || (c & ~32u) != wanted) return kNone;
      capitals = capitals && c == wanted;
      ++i;
    }
  }
  const Answer before = separator();
  if (before == kCut || i == size) return kCut;
  if (before == kNone && !capitals) return kNone;
  if (plain(text[i]) == '0') return kNone;
  int64_t number = 0;
  int digits = 0;
  for (; i < size && is_digit(plain(text[i])); ++i) {
    if (++digits > kDigits) return kNone;
    number = number * 10 + int64_t(plain(text[i]) - '0');
  }
  if (i < size && digits == 0) return kNone;
  for (int spaces = 0; i < size && plain(text[i]) == ' ' && spaces < kSpaces; ++spaces) ++i;
  for (int closers = 0; closers < 1 + doubled; ++closers, ++i) {
    if (i == size) return kCut;
    if (plain(text[i]) != close) return kNone;
  }
  place->end = i;
  place->type = type;
  place->number = number;
  return kWhole;
}

bool Placeholders::is_token(const Literals& tokens, const Place& place) const {
  std::u32string token = U"⟦" + types_[size_t(place.type)] + U"_";
  for (char digit : std::to_string(place.number)) token += char32_t(digit);
  return tokens.has(token + U"⟧");
}

std::vector<Placeholders::Place> Placeholders::find(const Text& text, const Literals& literals, const Literals& tokens,
                                                    bool open, std::vector<Place>* unknown, int32_t* stop) const {
  std::vector<Place> places;
  const int32_t size = int32_t(text.size());
  int32_t start = 0;
  while (start < size) {
    bool more = false;
    const int32_t end = literals.match(text, start, &more);
    Place place{};
    const bool exact = end > start && text[end - 1] == U'⟧';  // a placeholder in its own spelling
    const Answer answer = exact ? kNone : at(text, start, &place);
    if (open && (more || answer == kCut)) break;
    const bool known = answer == kWhole && is_token(tokens, place);
    if (answer == kWhole && !known) unknown->push_back(place);
    if (known && place.end > end) {
      places.push_back(place);
      start = place.end;
    } else if (end > start) {
      places.push_back({start, end, -1, 0});
      start = end;
    } else {
      ++start;
    }
  }
  *stop = start;
  return places;
}

}  // namespace guard
