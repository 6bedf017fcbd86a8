#include "checks.h"

#include <cstring>

namespace guard {
namespace {

int digit(char c) { return c - '0'; }
bool is_digit_char(char c) { return c >= '0' && c <= '9'; }
bool is_letter_char(char c) { return c >= 'A' && c <= 'Z'; }

int number(const char* s, int n) {
  int value = 0;
  for (int i = 0; i < n; ++i) value = value * 10 + digit(s[i]);
  return value;
}

bool within(int value, int low, int high) { return value >= low && value <= high; }

// Countries of the IBAN registry (SWIFT, release 99) and their lengths.
constexpr char kIban[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22"
    "GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20"
    "MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26"
    "UA29VA22VG24XK20YE30";

int iban_length(const char* s) {
  for (const char* row = kIban; *row; row += 4)
    if (row[0] == s[0] && row[1] == s[1]) return number(row + 2, 2);
  return 0;
}

}  // namespace

bool all_digits(const char* s, int n) {
  for (int i = 0; i < n; ++i)
    if (!is_digit_char(s[i])) return false;
  return true;
}

bool luhn(const char* s, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) {
    int d = digit(s[n - 1 - i]) << (i & 1);
    sum += d > 9 ? d - 9 : d;
  }
  return sum % 10 == 0;
}

bool card_issuer(const char* s, int n) {
  int two = number(s, 2), three = number(s, 3), four = number(s, 4);
  if (two == 62) return within(n, 16, 19);                                       // UnionPay
  if (s[0] == '4') return n == 16 || n == 13 || n == 19;                         // Visa
  if (within(two, 51, 55) || within(four, 2221, 2720)) return n == 16;           // Mastercard
  if (two == 34 || two == 37) return n == 15;                                    // American Express
  if (within(four, 3528, 3589)) return within(n, 16, 19);                        // JCB
  if (two == 36 || two == 38 || two == 39 || within(three, 300, 305)) return n == 14 || n == 16;  // Diners
  if (four == 6011 || two == 65 || within(three, 644, 649)) return within(n, 16, 19);             // Discover
  if (within(four, 2200, 2204)) return within(n, 16, 19);                        // Mir
  if (two == 60 || two == 81 || two == 82 || three == 508) return n == 16;       // RuPay, UnionPay
  if (two == 50 || within(two, 56, 58) || two == 67 || two == 63) return within(n, 16, 19);  // Maestro
  return two == 95 || two == 94 || two == 90 || two == 68 ? within(n, 16, 19) : false;  // older Chinese debit cards
}

bool cn_region(const char* s) {
  int region = number(s, 2);
  return within(region, 11, 15) || within(region, 21, 23) || within(region, 31, 37) || within(region, 41, 46) ||
         within(region, 50, 54) || within(region, 61, 65) || region == 71 || within(region, 81, 83);
}

bool date_until(const char* s, int32_t today) {
  int year = number(s, 4), month = number(s + 4, 2), day = number(s + 6, 2);
  if (year < 1880 || month < 1 || month > 12 || day < 1 || number(s, 8) > today) return false;
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  int days = month == 2 ? 28 + leap : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
  return day <= days;
}

bool cn_id_shape(const char* s, int32_t today) {
  return all_digits(s, 17) && (is_digit_char(s[17]) || s[17] == 'X') && (s[0] == '9' || cn_region(s)) &&
         date_until(s + 6, today);
}

bool cn_id_check(const char* s) {
  constexpr int kWeights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (int i = 0; i < 17; ++i) sum += kWeights[i] * digit(s[i]);
  return "10X98765432"[sum % 11] == s[17];
}

bool cn_id15(const char* s, int32_t today) {
  char date[8] = {'1', '9'};
  std::memcpy(date + 2, s + 6, 6);
  return cn_region(s) && date_until(date, today);
}

bool uscc(const char* s) {
  constexpr char kAlphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
  if (!all_digits(s + 2, 6) || !cn_region(s + 2)) return false;
  int sum = 0, weight = 1;
  for (int i = 0; i < 18; ++i) {
    const char* at = std::strchr(kAlphabet, s[i]);
    if (at == nullptr) return false;
    int value = int(at - kAlphabet);
    if (i == 17) return value == (31 - sum % 31) % 31;
    sum += value * weight;
    weight = weight * 3 % 31;
  }
  return false;
}

bool vin_shape(const char* s) {
  int letters = 0;
  for (int i = 0; i < 17; ++i) {
    if (s[i] == 'I' || s[i] == 'O' || s[i] == 'Q') return false;
    letters += is_letter_char(s[i]);
  }
  return letters >= 2 && letters <= 13 && all_digits(s + 13, 4);
}

bool vin_check(const char* s) {
  constexpr char kValues[] = "12345678-12345-7-923456789";  // of A to Z; I, O and Q do not occur
  constexpr int kWeights[] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
  int sum = 0;
  for (int i = 0; i < 17; ++i) sum += kWeights[i] * digit(is_digit_char(s[i]) ? s[i] : kValues[s[i] - 'A']);
  return s[8] == "0123456789X"[sum % 11];
}

bool iban(const char* s, int n) {
  if (!is_letter_char(s[0]) || !is_letter_char(s[1]) || !all_digits(s + 2, 2) || iban_length(s) != n) return false;
  int rest = 0;
  for (int i = 0; i < n; ++i) {
    char c = s[(i + 4) % n];
    rest = is_digit_char(c) ? (rest * 10 + digit(c)) % 97 : (rest * 100 + c - 'A' + 10) % 97;
  }
  return rest == 1;
}

bool aba(const char* s) {
  int sum = 0;
  for (int i = 0; i < 9; ++i) sum += digit(s[i]) * (i % 3 == 0 ? 3 : i % 3 == 1 ? 7 : 1);
  return sum % 10 == 0 && sum > 0;
}

bool ssn(const char* s) {
  int area = number(s, 3);
  return area != 0 && area != 666 && area < 900 && number(s + 3, 2) != 0 && number(s + 5, 4) != 0;
}

bool itin(const char* s) {
  int group = number(s + 3, 2);
  return s[0] == '9' && (within(group, 50, 65) || within(group, 70, 88) || within(group, 90, 92) ||
                         within(group, 94, 99));
}

bool npi(const char* s) {
  char full[15] = {'8', '0', '8', '4', '0'};
  std::memcpy(full + 5, s, 10);
  return (s[0] == '1' || s[0] == '2') && luhn(full, 15);
}

bool nhs(const char* s) {
  int sum = 0;
  for (int i = 0; i < 9; ++i) sum += digit(s[i]) * (10 - i);
  return (11 - sum % 11) % 11 == digit(s[9]) && sum > 0;
}

bool nino_shape(const char* s) {
  return is_letter_char(s[0]) && is_letter_char(s[1]) && all_digits(s + 2, 6) && s[8] >= 'A' && s[8] <= 'D';
}

bool nino_prefix(const char* s) {
  if (std::strchr("DFIQUV", s[0]) || std::strchr("DFIOQUV", s[1])) return false;
  for (const char* pair = "BGGBNKKNTNNTZZ"; *pair; pair += 2)
    if (s[0] == pair[0] && s[1] == pair[1]) return false;
  return true;
}

bool hkid(const char* s, int n) {
  int letters = n - 7;
  if (!is_letter_char(s[0]) || (letters == 2 && !is_letter_char(s[1])) || !all_digits(s + letters, 6)) return false;
  int sum = letters == 2 ? 9 * (s[0] - 'A' + 10) + 8 * (s[1] - 'A' + 10) : 9 * 36 + 8 * (s[0] - 'A' + 10);
  for (int i = 0; i < 6; ++i) sum += digit(s[letters + i]) * (7 - i);
  return s[n - 1] == "0123456789A"[(11 - sum % 11) % 11];
}

bool cn_mobile(const char* s) { return s[0] == '1' && s[1] >= '3'; }

bool cn_landline(const char* s, int n) {
  if (s[0] != '0' || s[1] == '0') return false;
  bool short_area = s[1] == '1' ? s[2] == '0' : s[1] == '2' && s[2] != '6';  // 010, 020 to 029
  if (!short_area && s[1] < '3') return false;
  int area = short_area ? 3 : 4, local = n - area;
  return s[area] >= '2' && (short_area ? local == 8 : local == 7 || local == 8);
}

bool cn_service(const char* s) {
  return (s[0] == '4' || s[0] == '8') && s[1] == '0' && s[2] == '0' && (s[0] == '8' || s[3] != '0');
}

bool nanp(const char* s) {
  return s[0] >= '2' && s[3] >= '2' && s[1] != '9' && !(s[1] == '1' && s[2] == '1') && !(s[4] == '1' && s[5] == '1');
}

}  // namespace guard
