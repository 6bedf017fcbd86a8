// Where numbers may stand: stretches of words with digits, joined by separators.
#pragma once

#include <cstdint>
#include <vector>

#include "text.h"

namespace guard {

struct Run {
  int32_t start, end;
  int32_t digits;  // also Chinese numerals, in stretches of at least kNumerals
};

// Maximal runs with at least `digits` digits. A run is a sequence of words ([0-9A-Za-z]+ that hold a digit, or Chinese
// numerals) joined by one to three of the separators people put into numbers: space - . · / ( ) _ : +
std::vector<Run> runs(const Text& text, int32_t digits);

struct Word {
  int32_t start, end;
};

// Maximal words of [0-9A-Za-z] with at least `least` characters.
std::vector<Word> words(const Text& text, int32_t least);

}  // namespace guard
