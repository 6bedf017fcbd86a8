// Ethereum's checksum of addresses.
#pragma once

#include <cstdint>

namespace guard {

// Whether the case of the 40 hexadecimal digits is that of EIP-55 (Keccak-256 of the address in lower case).
bool eip55(const char* hex);

}  // namespace guard
