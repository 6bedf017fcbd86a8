// The folded twin of a text: what the eye reads, in plain characters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text.h"

namespace guard {

// Appends what one code point reads as: itself, its plain form (full-width, circled, mathematical ...), several
// characters (⑫ -> 12), or nothing (zero-width, bidi controls, variation selectors, tags).
void fold_char(uint32_t c, std::u32string& out);

struct Folded {
  bool same = true;               // the text is its own twin; the rest is empty then
  std::u32string text;
  std::vector<int32_t> origin;    // index in the original of every character; one more entry: its length
};

Folded fold(const Text& text);

}  // namespace guard
