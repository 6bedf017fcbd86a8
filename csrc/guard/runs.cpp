#include "runs.h"

namespace guard {
namespace {

constexpr int kNumerals = 4;    // fewer Chinese numerals in a row are words: 一三五, 万一
constexpr int kSeparators = 3;  // ") - " between two groups

bool is_separator(uint32_t c) {
  switch (c) {
    case ' ': case '-': case '.': case '/': case '(': case ')': case '_': case ':': case '+':
    case 0xB7: case 0x2022: case 0x30FB:
      return true;
  }
  return false;
}

bool is_numeral(uint32_t c) {
  switch (c) {
    case U'〇': case U'零': case U'一': case U'二': case U'三': case U'四': case U'五': case U'六': case U'七':
    case U'八': case U'九': case U'幺': case U'两': case U'壹': case U'贰': case U'叁': case U'肆': case U'伍':
    case U'陆': case U'柒': case U'捌': case U'玖':
      return true;
  }
  return false;
}

}  // namespace

std::vector<Run> runs(const Text& text, int32_t wanted) {
  std::vector<Run> found;
  const Py_ssize_t n = text.size();
  Run run{-1, -1, 0};
  auto close = [&] {
    if (run.start >= 0 && run.digits >= wanted) found.push_back(run);
    run = {-1, -1, 0};
  };
  for (Py_ssize_t i = 0; i < n;) {
    uint32_t c = text[i];
    Py_ssize_t start = i;
    int32_t digits = 0;
    if (is_alnum(c)) {
      for (; i < n && is_alnum(text[i]); ++i) digits += is_digit(text[i]);
    } else if (is_numeral(c)) {
      for (; i < n && is_numeral(text[i]); ++i) ++digits;
      if (digits < kNumerals) digits = 0;
    } else {
      ++i;
      if (run.start >= 0 && (!is_separator(c) || i - run.end > kSeparators)) close();
      continue;
    }
    if (digits == 0) {
      close();
      continue;
    }
    if (run.start < 0) run.start = int32_t(start);
    run.end = int32_t(i);
    run.digits += digits;
  }
  close();
  return found;
}

std::vector<Word> words(const Text& text, int32_t least) {
  std::vector<Word> found;
  for (Py_ssize_t i = 0; i < text.size(); ++i) {
    Py_ssize_t start = i;
    while (i < text.size() && is_alnum(text[i])) ++i;
    if (i - start >= least) found.push_back({int32_t(start), int32_t(i)});
  }
  return found;
}

}  // namespace guard
