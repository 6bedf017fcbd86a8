// What the CPU offers and which levels may be used; kernels.h has the choice itself.
#pragma once
#include <vector>

#include "kernels.h"

namespace fathom {

// A feature counts only where the operating system saves its registers (XCR0).
struct CpuFeatures {
  bool fma = false, f16c = false, avx2 = false;
  bool avx512f = false, avx512bw = false, avx512vl = false, avx512dq = false, avx512vnni = false, avx512bf16 = false;
  bool amx_tile = false, amx_int8 = false, amx_bf16 = false;
};

CpuFeatures cpu_features();

// Puts the entries of attend_bf16.cpp into an AVX-512 table; needs avx512bf16.
void use_bf16_products(Kernels& kernels);

// Levels that are compiled in, offered by the CPU and passed their self-test; best first, portable last.
const std::vector<const Kernels*>& usable_levels();

// Whether AMX tiles can be used: CPU, system and permission offer them and a first product is right. Asked once.
bool tiles_work();

// The int8 operations done by so many rounds of AMX tile products, on this thread; 0 without AMX.
int64_t multiply_tiles(int64_t rounds);

}  // namespace fathom
