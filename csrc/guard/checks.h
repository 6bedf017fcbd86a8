// Checksums and shapes of numbers that check themselves. A number is `n` characters 0-9A-Z without separators.
#pragma once

#include <cstdint>

namespace guard {

bool all_digits(const char* s, int n);
bool luhn(const char* s, int n);               // ISO/IEC 7812-1, annex B
bool card_issuer(const char* s, int n);        // an issuer's range (ISO/IEC 7812) with this length
bool cn_region(const char* s);                 // 2 digits: a province (GB/T 2260)
bool date_until(const char* s, int32_t today); // yyyymmdd, not before 1880 and not after `today` (yyyymmdd)
bool cn_id_shape(const char* s, int32_t today);  // 18: region, date; the last is a digit or X
bool cn_id_check(const char* s);               // 18: GB 11643-1999, ISO 7064 mod 11-2
bool cn_id15(const char* s, int32_t today);    // 15: the number before 1999, without century and check
bool uscc(const char* s);                      // 18: GB 32100-2015
bool vin_shape(const char* s);                 // 17: ISO 3779
bool vin_check(const char* s);                 // 17: 49 CFR 565
bool iban(const char* s, int n);               // ISO 13616: length of the country, mod 97
bool aba(const char* s);                       // 9: US routing number
bool ssn(const char* s);                       // 9: SSA rules
bool itin(const char* s);                      // 9: IRS publication 1915
bool npi(const char* s);                       // 10: Luhn with the prefix 80840
bool nhs(const char* s);                       // 10: mod 11
bool nino_shape(const char* s);                // 9: two letters, six digits, A-D
bool nino_prefix(const char* s);               // HMRC NIM39110
bool hkid(const char* s, int n);               // 8 or 9: one or two letters, six digits, check character
bool cn_mobile(const char* s);                 // 11
bool cn_landline(const char* s, int n);        // 10 to 12: area code and number
bool cn_service(const char* s);                // 10: 400 or 800
bool nanp(const char* s);                      // 10: North American numbering plan

}  // namespace guard
