// Addresses of machines: MAC and IPv6.
#pragma once

#include <cstdint>
#include <vector>

#include "text.h"

namespace guard {

struct Machine {
  int32_t start, end;
  int32_t kind;  // 0: IPv6 by its looks, 1: MAC in pairs, 2: MAC in fours (aabb.ccdd.eeff)
};

// By start. Each is a maximal run of hexadecimal digits and one kind of mark, not beside another letter or digit.
std::vector<Machine> machines(const Text& text);

}  // namespace guard
