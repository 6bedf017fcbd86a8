#include "machines.h"

namespace guard {
namespace {

constexpr Py_ssize_t kLongestIpv6 = 45;  // with an IPv4 tail

bool is_hex(uint32_t c) { return is_digit(c) || (c | 32) - 'a' < 6u; }

// `size` hexadecimal digits, `count` times, joined by `mark`, and nothing else.
bool pairs(const Text& text, Py_ssize_t start, Py_ssize_t end, uint32_t mark, int size, int count) {
  if (end - start != count * (size + 1) - 1) return false;
  for (Py_ssize_t i = start; i < end; ++i)
    if ((i - start) % (size + 1) == size ? text[i] != mark : !is_hex(text[i])) return false;
  return true;
}

// Seven colons, or two in a row once; at most four digits between them. What is left is for a parser.
bool looks_ipv6(const Text& text, Py_ssize_t start, Py_ssize_t end) {
  int colons = 0, digits = 0;
  bool gap = false;
  for (Py_ssize_t i = start; i < end; ++i) {
    if (text[i] == ':') {
      if (i > start && text[i - 1] == ':') {
        if (gap) return false;
        gap = true;
      }
      ++colons;
      digits = 0;
    } else if (text[i] == '.') {
      digits = 0;
    } else if (++digits > 4) {
      return false;
    }
  }
  return colons == 7 || (gap && colons >= 2 && colons <= 8) || (colons == 6 && !gap);
}

}  // namespace

std::vector<Machine> machines(const Text& text) {
  std::vector<Machine> found;
  const Py_ssize_t n = text.size();
  for (Py_ssize_t i = 0; i < n;) {
    auto within = [&](Py_ssize_t k) { return is_hex(text[k]) || text[k] == ':' || text[k] == '.' || text[k] == '-'; };
    if (!within(i)) {
      do ++i;
      while (i < n && is_alnum(text[i - 1]) && is_alnum(text[i]));  // a word that begins otherwise holds none
      continue;
    }
    Py_ssize_t start = i;
    int marks = 0;
    for (; i < n && within(i); ++i) marks += !is_hex(text[i]);
    Py_ssize_t end = i;
    bool broken = end < n && is_alnum(text[end]);
    while (end > start && (text[end - 1] == '.' || text[end - 1] == '-' ||
                           (text[end - 1] == ':' && !(end - start > 1 && text[end - 2] == ':'))))
      --end;
    while (start < end && (text[start] == '.' || text[start] == '-' ||
                           (text[start] == ':' && !(end - start > 1 && text[start + 1] == ':'))))
      ++start;
    if (broken || marks < 2 || end - start > kLongestIpv6) {
      while (i < n && is_alnum(text[i])) ++i;
      continue;
    }
    auto put = [&](int32_t kind) { found.push_back({int32_t(start), int32_t(end), kind}); };
    if (pairs(text, start, end, ':', 2, 6) || pairs(text, start, end, '-', 2, 6)) put(1);
    else if (pairs(text, start, end, '.', 4, 3)) put(2);
    else if (looks_ipv6(text, start, end)) put(0);
  }
  return found;
}

}  // namespace guard
