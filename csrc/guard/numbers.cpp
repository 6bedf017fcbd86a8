#include "numbers.h"

#include <algorithm>

#include "checks.h"

namespace guard {
namespace {

constexpr int kLongest = 34;     // characters without separators: an IBAN
constexpr int kSeparators = 3;   // in a row
constexpr int kNumerals = 7;     // fewer Chinese numerals in a row are words and years

bool is_separator(uint32_t c) {
  switch (c) {
    case ' ': case '-': case '.': case 0xB7: case '/': case '(': case ')': case '[': case ']': case '_':
      return true;
  }
  return false;
}

int numeral(uint32_t c) {
  if (c < 0x3007 || c > 0x96F6) return -1;
  switch (c) {
    case U'〇': case U'零': return 0;
    case U'一': case U'幺': case U'壹': return 1;
    case U'二': case U'两': case U'贰': return 2;
    case U'三': case U'叁': return 3;
    case U'四': case U'肆': return 4;
    case U'五': case U'伍': return 5;
    case U'六': case U'陆': return 6;
    case U'七': case U'柒': return 7;
    case U'八': case U'捌': return 8;
    case U'九': case U'玖': return 9;
  }
  return -1;
}

// A number as it grows word by word.
struct View {
  char s[kLongest + 1];
  int n = 0;
  int groups[kLongest + 1];
  int count = 0;
  uint32_t separators[kLongest + 1];  // the first character between two groups; all brackets count as one

  // All separators alike; `first`: the one from which on.
  bool uniform(int first = 0) const {
    for (int i = first + 1; i + 1 < count; ++i)
      if (separators[i] != separators[first]) return false;
    return true;
  }
  bool grouped(std::initializer_list<int> sizes) const {
    return count == int(sizes.size()) && std::equal(sizes.begin(), sizes.end(), groups);
  }
  bool fours() const {
    for (int i = 0; i + 1 < count; ++i)
      if (groups[i] != 4) return false;
    return groups[count - 1] <= 4;
  }
};

class Reader {
 public:
  Reader(const Text& text, int32_t today) : text_(text), today_(today) {}

  std::vector<Number> read() {
    for (Py_ssize_t i = 0; i < text_.size();) {
      uint32_t c = text_[i];
      if (is_alnum(c)) {
        Py_ssize_t end = word_end(i, false);
        if (worth(i, end)) walk(i, end, false);
        i = end;
      } else if (numeral(c) >= 0) {
        Py_ssize_t end = numerals_end(i);
        if (end > i) numerals(i);
        i = std::max(end, i + 1);
        while (i < text_.size() && numeral(text_[i]) >= 0) ++i;
      } else {
        ++i;
      }
    }
    return std::move(found_);
  }

 private:
  uint32_t at(Py_ssize_t i) const { return i >= 0 && i < text_.size() ? text_[i] : 0; }
  bool part(uint32_t c, bool chinese) const { return is_alnum(c) || (chinese && numeral(c) >= 0); }

  Py_ssize_t word_end(Py_ssize_t i, bool chinese) const {
    Py_ssize_t most = std::min(text_.size(), chinese ? i + kLongest + 1 : text_.size());
    while (i < most && part(text_[i], chinese)) ++i;
    return i;
  }

  // Words that may begin a number: with a digit, or up to two capitals (NINO, HKID, IBAN in groups).
  bool worth(Py_ssize_t start, Py_ssize_t end) const {
    if (end - start > kLongest) return false;
    bool digits = false;
    for (Py_ssize_t i = start; i < end && !digits; ++i) digits = is_digit(text_[i]);
    return digits || end - start <= 2;
  }

  // End of the stretch of Chinese numerals, digits and single separators that begins here; `start` if it is too short
  // to be a number.
  Py_ssize_t numerals_end(Py_ssize_t start) const {
    Py_ssize_t end = start, i = start;
    int count = 0, chinese = 0;
    while (i < text_.size() && i - start < 3 * kLongest) {
      uint32_t c = text_[i];
      if (numeral(c) >= 0 || is_digit(c)) {
        chinese += numeral(c) >= 0;
        ++count;
        end = ++i;
      } else if ((c == ' ' || c == '-' || c == 0xB7) && i == end) {
        ++i;
      } else {
        break;
      }
    }
    return chinese >= 3 && count >= kNumerals ? end : start;
  }

  void numerals(Py_ssize_t start) {
    Py_ssize_t least = std::max<Py_ssize_t>(0, start - kLongest);
    while (start > least && is_digit(text_[start - 1])) --start;  // digits before belong to it: 138零零一三八零零零
    if (!is_alnum(at(start - 1))) walk(start, word_end(start, true), true);
  }

  void walk(Py_ssize_t start, Py_ssize_t end, bool chinese) {
    View view;
    Py_ssize_t i = start;
    for (;;) {
      if (view.n + (end - i) > kLongest) return;
      for (Py_ssize_t k = i; k < end; ++k) {
        uint32_t c = text_[k];
        view.s[view.n++] = char(is_alnum(c) ? (is_letter(c) ? c & ~32u : c) : uint32_t('0' + numeral(c)));
      }
      view.groups[view.count++] = int(end - i);
      view.s[view.n] = 0;
      judge(view, start, end);
      Py_ssize_t next = end;
      while (next - end < kSeparators && is_separator(at(next))) ++next;
      if (next == end || !part(at(next), chinese)) return;
      uint32_t separator = text_[end];
      bool bracket = separator == '(' || separator == ')' || separator == '[' || separator == ']';
      view.separators[view.count - 1] = bracket ? '(' : separator;
      i = next;
      end = word_end(i, chinese);
      bool letters = true;
      for (Py_ssize_t k = i; k < end && letters; ++k) letters = is_letter(text_[k]);
      // Of an IBAN or a credit code a whole group may be letters: GB82 WEST 1234 ...
      bool iban = view.n >= 4 && is_letter(uint8_t(view.s[0])) && is_letter(uint8_t(view.s[1])) && is_digit(view.s[2]);
      bool code = view.n >= 8 && view.n < 18 && all_digits(view.s, 8);
      if (letters && end - i > (iban || code ? 4 : 1)) return;
    }
  }

  // No digit beside the number, also not behind a separator.
  bool alone(Py_ssize_t start, Py_ssize_t end) const {
    Py_ssize_t before = start - 1, after = end;
    while (start - before <= kSeparators && is_separator(at(before))) --before;
    while (after - end < kSeparators && is_separator(at(after))) ++after;
    return !is_digit(at(before)) && !is_digit(at(after));
  }

  // Part of a decimal fraction or of an amount with cents.
  bool fraction(Py_ssize_t start, Py_ssize_t end) const {
    return (at(start - 1) == '.' && is_digit(at(start - 2))) || (at(end) == '.' && is_digit(at(end + 1)));
  }

  void judge(const View& v, Py_ssize_t start, Py_ssize_t end) {
    const char* s = v.s;
    int n = v.n;
    if (n < 8 || fraction(start, end)) return;
    auto put = [&](Kind kind, bool usual) {
      // Behind an area code in brackets, or a country code, the other groups may be joined in another way.
      bool prefixed = kind >= kMobile || kind == kHkid;
      Form form = v.count == 1 ? kPlain : usual && (kind == kInternational || v.uniform(prefixed)) ? kGrouped : kScattered;
      bool date = v.count >= 3 && v.groups[0] == 4 && v.groups[1] <= 2 && v.groups[2] <= 2;
      bool quad = v.count == 4 && v.separators[0] == '.' && *std::max_element(v.groups, v.groups + 4) <= 3;  // IPv4
      if (form == kScattered && !(v.uniform() && !date && !quad && alone(start, end))) return;
      found_.push_back({int32_t(start), int32_t(end), kind, form});
    };
    bool digits = all_digits(s, n);
    if (n == 18) {
      bool usual = v.grouped({6, 8, 4}) || v.grouped({6, 4, 4, 4}) || v.grouped({6, 4, 2, 2, 4}) ||
                   v.grouped({17, 1}) || v.grouped({3, 3, 4, 4, 4}) || v.grouped({6, 12});
      if (cn_id_shape(s, today_)) put(cn_id_check(s) ? kCnId : kCnIdWrong, usual);
      else if (uscc(s)) put(kUscc, (!digits && v.fours()) || v.grouped({2, 6, 9, 1}) || v.grouped({8, 8, 2}));
    }
    if (digits && n >= 13 && n <= 19 && card_issuer(s, n)) {
      bool usual = v.fours() || v.grouped({4, 6, 5}) || v.grouped({4, 6, 4}) || v.grouped({6, 13}) ||
                   v.grouped({4, 4, 4, 7});
      bool same = std::all_of(s, s + n, [&](char c) { return c == s[0]; });
      if (!same) put(luhn(s, n) ? kCard : kCardWrong, usual);
    }
    if (n == 15 && digits) {
      if (luhn(s, n)) put(kImei, v.grouped({2, 6, 6, 1}) || v.grouped({6, 2, 6, 1}) || v.grouped({8, 6, 1}));
      if (cn_id15(s, today_)) put(kCnId15, v.grouped({6, 6, 3}));
    }
    if (n == 17 && !digits && vin_shape(s)) put(vin_check(s) ? kVin : kVinWrong, false);
    if (n >= 15 && iban(s, n)) put(kIban, v.fours());
    if (n == 9) {
      if (digits) {
        bool usual = v.grouped({3, 2, 4});
        if (ssn(s)) put(kSsn, usual);
        if (itin(s)) put(kItin, usual);
        if (aba(s)) put(kAba, v.grouped({4, 4, 1}) || v.grouped({3, 3, 3}));
      } else if (nino_shape(s)) {
        put(nino_prefix(s) ? kNino : kNinoWrong, v.grouped({2, 2, 2, 2, 1}) || v.grouped({2, 6, 1}));
      }
    }
    if (n <= 9 && !digits && hkid(s, n)) put(kHkid, v.count == 2 && v.groups[1] == 1);
    if (digits) phones(v, start, end, put);
    if (n == 10 && digits) {
      bool usual = v.grouped({3, 3, 4});
      if (npi(s)) put(kNpi, usual);
      if (nhs(s)) put(kNhs, usual);
    }
  }

  template <typename Put>
  void phones(const View& v, Py_ssize_t start, Py_ssize_t end, Put put) const {
    const char* s = v.s;
    int n = v.n;
    bool plus = at(start - 1) == '+' || (at(start - 1) == '(' && at(start - 2) == '+');
    int code = n == 13 && s[0] == '8' && s[1] == '6' ? 2 : n == 15 && std::equal(s, s + 4, "0086") ? 4 : n == 11 ? 0 : -1;
    if (code >= 0 && cn_mobile(s + code) && !(plus && code == 0)) {
      const int* groups = v.groups + (code > 0 && v.groups[0] == code);
      int count = v.count - int(groups - v.groups);
      auto is = [&](std::initializer_list<int> sizes) {
        return count == int(sizes.size()) && std::equal(sizes.begin(), sizes.end(), groups);
      };
      bool same = v.uniform(code > 0 && groups > v.groups);
      put(kMobile, same && (is({3, 4, 4}) || is({11}) || is({4, 4, 3}) || is({3, 3, 5}) || is({3, 8}) || is({4, 3, 4}) ||
                               is({7, 4})));
      return;
    }
    if (plus || (n >= 11 && s[0] == '0' && s[1] == '0')) return put(kInternational, true);
    if (!alone(start, end)) return;
    if (n >= 10 && n <= 12 && cn_landline(s, n)) put(kLandline, v.groups[0] == 3 || v.groups[0] == 4);
    if (n == 10 && cn_service(s)) put(kService, v.groups[0] == 3 || v.fours());
    if (n == 10 && nanp(s)) put(kNanp, v.grouped({3, 3, 4}));
    if (n == 11 && s[0] == '1' && nanp(s + 1)) put(kNanp, v.grouped({1, 3, 3, 4}));
    bool uk = n == 11 && s[0] == '0' && (s[1] >= '1' && s[1] <= '9' && s[1] != '4' && s[1] != '6');
    if (uk) put(kUkPhone, v.count <= 4 && v.groups[0] >= 3 && v.groups[0] <= 5);
  }

  const Text& text_;
  int32_t today_;
  std::vector<Number> found_;
};

}  // namespace

std::vector<Number> numbers(const Text& text, int32_t today) { return Reader(text, today).read(); }

}  // namespace guard
