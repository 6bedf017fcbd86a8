#include "fold.h"

#include <algorithm>
#include <iterator>

namespace guard {
namespace {

struct Range {
  uint32_t first, last;
};

// Nobody sees them, or they only decorate what stands before: default-ignorable code points, the soft hyphen, and the
// combining marks that strike out, underline, circle and box.
constexpr Range kInvisible[] = {
    {0x00AD, 0x00AD}, {0x0300, 0x036F}, {0x061C, 0x061C}, {0x115F, 0x1160},   {0x17B4, 0x17B5},   {0x180B, 0x180F},
    {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x20D0, 0x20F0}, {0x3164, 0x3164},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

// Ten digits in a row, of scripts and styles in which people or programs write numbers.
constexpr uint32_t kZeros[] = {0x0660, 0x06F0, 0x0966, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1FBF0};

// Styles of the 26 letters: first code point of each alphabet (A-Z, then a-z) in the mathematical block.
constexpr uint32_t kMathLetters = 0x1D400, kMathLettersEnd = 0x1D6A4;

bool invisible(uint32_t c) {
  auto range = std::lower_bound(std::begin(kInvisible), std::end(kInvisible), c,
                                [](const Range& r, uint32_t value) { return r.last < value; });
  return range != std::end(kInvisible) && c >= range->first;
}

void number(uint32_t n, std::u32string& out) {
  if (n >= 10) out += char32_t('0' + n / 10);
  out += char32_t('0' + n % 10);
}

}  // namespace

void fold_char(uint32_t c, std::u32string& out) {
  auto put = [&](uint32_t plain) { out += char32_t(plain); };
  if (c < 0xA0) return put(c);
  if (c >= 0x2E80 && c < 0xA000) {  // CJK: nearly all characters of a Chinese text
    if (c == 0x3000) return put(' ');
    if (c == 0x3164) return;
    if (c == 0x30FB) return put(0xB7);
    if (c >= 0x3251 && c <= 0x325F) return number(c - 0x3251 + 21, out);
    if (c >= 0x32B1 && c <= 0x32BF) return number(c - 0x32B1 + 36, out);
    return put(c);
  }
  if (c >= 0xFF01 && c <= 0xFF5E) return put(c - 0xFEE0);
  if (invisible(c)) return;
  for (uint32_t zero : kZeros)
    if (c - zero < 10) return put('0' + (c - zero));
  switch (c) {
    case 0xA0: case 0x202F: case 0x205F: return put(' ');
    case 0xB2: case 0xB3: return put('0' + (c - 0xB0));
    case 0xB9: return put('1');
    case 0x2070: return put('0');
    case 0x24EA: case 0x24FF: return put('0');
    case 0x2024: return put('.');
    case 0x2025: out.append(U".."); return;
    case 0x2026: out.append(U"..."); return;
    case 0x2044: case 0x2215: return put('/');
    case 0x2043: case 0x2212: case 0xFE58: case 0xFE63: return put('-');
    case 0x2022: case 0x2027: case 0x2219: case 0x22C5: case 0xFF65: return put(0xB7);
    case 0x207A: return put('+');
    case 0xFE55: case 0xFE13: return put(':');
    case 0xFE52: return put('.');
    case 0xFE6B: return put('@');
    case 0xFFE5: return put(0xA5);
  }
  if (c >= 0x2000 && c <= 0x200A) return put(' ');
  if (c >= 0x2010 && c <= 0x2015) return put('-');
  if (c >= 0x2074 && c <= 0x2079) return put('0' + (c - 0x2070));
  if (c >= 0x2080 && c <= 0x2089) return put('0' + (c - 0x2080));
  if (c >= 0x2460 && c <= 0x2473) return number(c - 0x2460 + 1, out);
  if (c >= 0x2474 && c <= 0x2487) return number(c - 0x2474 + 1, out);
  if (c >= 0x2488 && c <= 0x249B) return number(c - 0x2488 + 1, out);
  if (c >= 0x24B6 && c <= 0x24CF) return put('A' + (c - 0x24B6));
  if (c >= 0x24D0 && c <= 0x24E9) return put('a' + (c - 0x24D0));
  if (c >= 0x24F5 && c <= 0x24FE) return number(c - 0x24F5 + 1, out);
  if (c >= 0x2776 && c <= 0x2793) return number((c - 0x2776) % 10 + 1, out);
  if (c >= kMathLetters && c < kMathLettersEnd) {
    uint32_t at = (c - kMathLetters) % 52;
    return put(at < 26 ? 'A' + at : 'a' + (at - 26));
  }
  if (c >= 0x1F130 && c <= 0x1F149) return put('A' + (c - 0x1F130));
  if (c >= 0x1F150 && c <= 0x1F169) return put('A' + (c - 0x1F150));
  if (c >= 0x1F170 && c <= 0x1F189) return put('A' + (c - 0x1F170));
  put(c);
}

Folded fold(const Text& text) {
  Folded folded;
  auto plain = [](uint32_t c) { return c < 0xA0 || c - 0x4E00 < 0x5200; };  // most of any text
  std::u32string one;
  Py_ssize_t i = 0;
  for (; i < text.size(); ++i) {  // most texts fold to themselves
    uint32_t c = text[i];
    if (plain(c)) continue;
    one.clear();
    fold_char(c, one);
    if (one.size() != 1 || one[0] != c) break;
  }
  if (i == text.size()) return folded;
  folded.same = false;
  folded.text.reserve(size_t(text.size()) + 16);
  folded.origin.reserve(size_t(text.size()) + 16);
  for (Py_ssize_t k = 0; k < text.size(); ++k) {
    uint32_t c = text[k];
    if (plain(c) || k < i) {
      folded.text.push_back(char32_t(c));
      folded.origin.push_back(int32_t(k));
      continue;
    }
    fold_char(c, folded.text);
    folded.origin.resize(folded.text.size(), int32_t(k));
  }
  folded.origin.push_back(int32_t(text.size()));
  return folded;
}

}  // namespace guard
