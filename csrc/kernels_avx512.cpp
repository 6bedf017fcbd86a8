// The AVX-512 level (F, BW, VL, DQ, VNNI): 16 rows of a packed block are the 16 lanes of a register.
#include "kernels.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // _mm512_undefined_ps of GCC 12's own headers
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "dispatch.h"
#include "half.h"
#include "simd_avx512.h"
// These two are written over the vector type.
#include "kernels_simd.inl"
#include "packed_simd.inl"

namespace fathom {
namespace {

__m512i line_at(const uint8_t* p) { return _mm512_loadu_si512(p); }

// Columns k to k + 7 of a block as two int8 lines: 4 columns of 16 rows each.
template <Type T>
void two_lines(const uint8_t* codes, int64_t k, __m512i& first, __m512i& second) {
  if constexpr (T == Type::I8) {
    first = line_at(codes + k * 16);
    second = line_at(codes + k * 16 + 64);
  } else {
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i line = line_at(codes + k * 8);
    first = _mm512_and_si512(line, nibble);
    second = _mm512_and_si512(_mm512_srli_epi16(line, 4), nibble);
  }
}

// ---- int8 activations ----

// Asks for the lines `distance` bytes on, on huge pages (measured, Zen 4, November 2026: +15 % at 4 tokens 4 KiB ahead,
// +10 % at one token 3 KiB ahead; 0.5 KiB ahead costs 12 %).
template <Type T>
void fetch(const uint8_t* codes, int64_t k, int64_t distance) {
  const char* ahead = reinterpret_cast<const char*>(codes) + k * (T == Type::I8 ? 16 : 8) + distance;
  _mm_prefetch(ahead, _MM_HINT_T0);
  if (T == Type::I8) _mm_prefetch(ahead + 64, _MM_HINT_T0);
}

__m512i quad(const int8_t* q) {  // 4 activations beside each row
  int32_t bits;
  std::memcpy(&bits, q, 4);
  return _mm512_set1_epi32(bits);
}

// Codes are the unsigned, activations the signed operand of vpdpbusd; the product starts at -zero * sum.
template <class V, Type T, Scale S, int kStep, int B, int N>
void int8_tile(const Matrix& w, const Planes<V>* planes, const Int8Rows& x, int64_t t0, int64_t cols,
               float (*out)[16 * V::kInt8Blocks]) {
  const int64_t x_blocks = x.cols / kRounded;
  const int8_t* q = x.q + t0 * x.cols;
  const float* x_scale = x.scale + t0 * x_blocks;
  const int32_t* x_sums = x.sums + t0 * (x.cols / 16);
  const int32_t zero = w.zero();
  const int scale_shift = __builtin_ctz(w.group / kStep);  // steps a scale, a power of 2
  // Bytes ahead: the next two blocks, or what memory needs with one token or with several.
  const int64_t ahead = B > 1 ? B * (planes[B - 1].codes - planes[0].codes) : N > 1 ? 4096 : 3072;
  __m512 sums[B][N];
  for (auto& block : sums) {
    for (__m512& sum : block) sum = _mm512_setzero_ps();
  }
  for (int64_t k = 0, step = 0; k < cols; k += kStep, ++step) {
    __m512 scale[B], min[B];
    for (int b = 0; b < B; ++b) {
      scale[b] = planes[b].template scale<S>(step >> scale_shift);
      if (S == Scale::K && w.has_min) min[b] = planes[b].min(step >> scale_shift);
    }
    __m512i products[B][N];
    int32_t totals[N];
    for (int t = 0; t < N; ++t) {
      const int32_t* part = x_sums + t * (x.cols / 16) + k / 16;
      totals[t] = part[0];
      for (int i = 1; i < kStep / 16; ++i) totals[t] += part[i];
      for (int b = 0; b < B; ++b) products[b][t] = _mm512_set1_epi32(-zero * totals[t]);
    }
#pragma GCC unroll 4  // rolled, GCC spills the sums
    for (int i = 0; i < kStep; i += 8) {
      __m512i lines[B][2];
      for (int b = 0; b < B; ++b) {
        two_lines<T>(planes[b].codes, k + i, lines[b][0], lines[b][1]);
        fetch<T>(planes[b].codes, k + i, ahead);
      }
      for (int j = 0; j < 2; ++j) {
        for (int t = 0; t < N; ++t) {
          __m512i four = quad(q + t * x.cols + k + i + 4 * j);
          for (int b = 0; b < B; ++b) products[b][t] = _mm512_dpbusd_epi32(products[b][t], lines[b][j], four);
        }
      }
    }
    for (int b = 0; b < B; ++b) {
      for (int t = 0; t < N; ++t) {
        __m512 token = _mm512_set1_ps(x_scale[t * x_blocks + k / kRounded]);
        sums[b][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[b][t]), _mm512_mul_ps(scale[b], token), sums[b][t]);
        if (S == Scale::K && w.has_min) {
          __m512 total = _mm512_mul_ps(token, _mm512_set1_ps(static_cast<float>(totals[t])));
          sums[b][t] = _mm512_fnmadd_ps(min[b], total, sums[b][t]);
        }
      }
    }
  }
  for (int b = 0; b < B; ++b) {
    for (int t = 0; t < N; ++t) _mm512_storeu_ps(out[t] + 16 * b, sums[b][t]);
  }
}

constexpr Kernels kTable = table<Avx512>("avx512-f32");

}  // namespace

const Kernels* kernels_avx512_f32() { return &kTable; }

const Kernels* kernels_avx512() {
  static const Kernels chosen = [] {
    Kernels kernels = kTable;
    kernels.name = "avx512";
    if (cpu_features().avx512bf16) use_bf16_products(kernels);
    return kernels;
  }();
  return &chosen;
}

}  // namespace fathom

#else

namespace fathom {
const Kernels* kernels_avx512() { return nullptr; }
const Kernels* kernels_avx512_f32() { return nullptr; }
}  // namespace fathom

#endif
