// Numbers that check themselves or have a known shape, seen through separators and Chinese numerals.
#pragma once

#include <cstdint>
#include <vector>

#include "text.h"

namespace guard {

// The order is that of KINDS in guard/numbers.py.
enum Kind : int32_t {
  kCnId, kCnIdWrong, kCnId15, kUscc, kCard, kCardWrong, kImei, kVin, kVinWrong, kIban, kAba, kSsn, kItin, kNpi, kNhs,
  kNino, kNinoWrong, kHkid, kMobile, kLandline, kService, kNanp, kUkPhone, kInternational,
};

// How the number is written.
enum Form : int32_t {
  kPlain,      // in one piece
  kGrouped,    // in the groups that are usual for its kind
  kScattered,  // in other groups, with one kind of separator, and no other digits beside it
};

struct Number {
  int32_t start, end;
  int32_t kind, form;
};

// All of them, by start. A number begins and ends at the border of a word of [0-9A-Za-z]; between its characters up to
// three separators may stand. Its digits may be Chinese numerals where at least seven stand together. Each place is
// judged by its surroundings of a few dozen characters alone. `today`: yyyymmdd.
std::vector<Number> numbers(const Text& text, int32_t today);

}  // namespace guard
