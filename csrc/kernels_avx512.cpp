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

#include "half.h"
#include "simd_avx512.h"

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

// The planes of one block of 16 rows.
struct Block {
  const uint8_t* codes;
  const uint8_t* scales;
  const int8_t* mins;
  const uint16_t *supers, *supers_min;
  int64_t groups_per_super;

  Block(const Matrix& w, int64_t block) {
    int64_t elements = block * 16 * w.padded_cols(), group = w.group;
    codes = w.codes + (w.type == Type::I8 ? elements : elements / 2);
    scales = w.scales + elements / group * (w.scale == Scale::F16 ? 2 : 1);
    mins = w.has_min ? w.mins + elements / group : nullptr;
    supers = w.scale == Scale::K ? w.supers + elements / 256 : nullptr;
    supers_min = w.has_min ? w.supers_min + elements / 256 : nullptr;
    groups_per_super = 256 / group;
  }

  static __m512 halves(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
  static __m512 bytes(const void* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
  }

  template <Scale S>
  __m512 scale(int64_t group) const {
    if constexpr (S == Scale::F16) return halves(scales + group * 32);
    return _mm512_mul_ps(halves(supers + group / groups_per_super * 16), bytes(scales + group * 16));
  }
  __m512 min(int64_t group) const {
    return _mm512_mul_ps(halves(supers_min + group / groups_per_super * 16), bytes(mins + group * 16));
  }
};

// ---- decoding ----

// Columns k to k + 15 of 16 rows: lane quarter q of rows[i] holds the 16 codes of row 4 q + i.
template <Type T>
void rows_of_codes(const uint8_t* codes, int64_t k, __m512i rows[4]) {
  __m512i a, b, c, d;
  two_lines<T>(codes, k, a, b);
  two_lines<T>(codes, k + 8, c, d);
  __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
  __m512i cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
  rows[0] = _mm512_unpacklo_epi64(ab0, cd0);
  rows[1] = _mm512_unpackhi_epi64(ab0, cd0);
  rows[2] = _mm512_unpacklo_epi64(ab1, cd1);
  rows[3] = _mm512_unpackhi_epi64(ab1, cd1);
}

template <Type T, Scale S>
void decode(const Matrix& w, int64_t block, int64_t k0, int64_t cols, float* out, int64_t ld) {
  Block planes(w, block);
  const __m512i zero = _mm512_set1_epi32(w.zero());
  alignas(64) float scale[16], min[16];
  for (int64_t k = k0; k < k0 + cols; k += 16) {
    if (k == k0 || k % w.group == 0) {
      _mm512_store_ps(scale, planes.scale<S>(k / w.group));
      if (w.has_min) _mm512_store_ps(min, planes.min(k / w.group));
    }
    __m512i rows[4];
    rows_of_codes<T>(planes.codes, k, rows);
    for (int i = 0; i < 4; ++i) {
      alignas(64) uint8_t codes[64];
      _mm512_store_si512(codes, rows[i]);
      for (int quarter = 0; quarter < 4; ++quarter) {
        int r = quarter * 4 + i;
        __m512i wide = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(codes) + quarter));
        __m512 value = _mm512_mul_ps(_mm512_set1_ps(scale[r]), _mm512_cvtepi32_ps(_mm512_sub_epi32(wide, zero)));
        if (w.has_min) value = _mm512_sub_ps(value, _mm512_set1_ps(min[r]));
        _mm512_storeu_ps(out + r * ld + k - k0, value);
      }
    }
  }
}

// The exact values of columns [k0, k0 + cols) of 16 rows, rows `ld` apart. k0 and cols in 16s.
void decode_block(const Matrix& w, int64_t block, int64_t k0, int64_t cols, float* out, int64_t ld) {
  bool k = w.scale == Scale::K;
  auto run = w.type == Type::I8 ? (k ? decode<Type::I8, Scale::K> : decode<Type::I8, Scale::F16>)
                                : (k ? decode<Type::I4, Scale::K> : decode<Type::I4, Scale::F16>);
  run(w, block, k0, cols, out, ld);
}

}  // namespace
}  // namespace fathom

#include "kernels_simd.inl"

namespace fathom {
namespace {

// ---- int8 activations ----

__m512i quad(const int8_t* q) {  // 4 activations beside each row
  int32_t bits;
  std::memcpy(&bits, q, 4);
  return _mm512_set1_epi32(bits);
}

// 16 rows x N tokens. Per 32 columns (16 where a scale serves 16): an integer product that starts at -zero * sum, then
// one float step, scale_w * scale_x. Codes are the unsigned, activations the signed operand of vpdpbusd.
template <Type T, Scale S, int kStep, int N>
void int8_block(const Matrix& w, const Block& planes, const Int8Rows& x, int64_t t0, int64_t cols, float* y,
                int64_t ldy, __mmask16 rows) {
  const int64_t x_blocks = x.cols / 32;
  const int8_t* q = x.q + t0 * x.cols;
  const float* x_scale = x.scale + t0 * x_blocks;
  const int32_t* x_sums = x.sums + t0 * x_blocks * 2;
  const int32_t zero = w.zero();
  const int64_t steps_per_scale = w.group / kStep;
  __m512 sums[N], scale = _mm512_setzero_ps(), min = scale;
  for (__m512& sum : sums) sum = _mm512_setzero_ps();

  for (int64_t k = 0, step = 0; k < cols; k += kStep, ++step) {
    if (step % steps_per_scale == 0) {
      scale = planes.scale<S>(step / steps_per_scale);
      if (S == Scale::K && w.has_min) min = planes.min(step / steps_per_scale);
    }
    __m512i products[N];
    int32_t totals[N];
    for (int t = 0; t < N; ++t) {
      const int32_t* part = x_sums + t * x_blocks * 2 + k / 16;
      totals[t] = kStep == 32 ? part[0] + part[1] : part[0];
      products[t] = _mm512_set1_epi32(-zero * totals[t]);
    }
    for (int i = 0; i < kStep; i += 8) {
      __m512i first, second;
      two_lines<T>(planes.codes, k + i, first, second);
      for (int t = 0; t < N; ++t) {
        const int8_t* at = q + t * x.cols + k + i;
        products[t] = _mm512_dpbusd_epi32(products[t], first, quad(at));
        products[t] = _mm512_dpbusd_epi32(products[t], second, quad(at + 4));
      }
    }
    for (int t = 0; t < N; ++t) {
      __m512 token = _mm512_set1_ps(x_scale[t * x_blocks + k / 32]);
      sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[t]), _mm512_mul_ps(scale, token), sums[t]);
      if (S == Scale::K && w.has_min) {
        __m512 total = _mm512_mul_ps(token, _mm512_set1_ps(static_cast<float>(totals[t])));
        sums[t] = _mm512_fnmadd_ps(min, total, sums[t]);
      }
    }
  }
  for (int t = 0; t < N; ++t) _mm512_mask_storeu_ps(y + (t0 + t) * ldy, rows, sums[t]);
}

template <Type T, Scale S, int kStep>
void int8_rows(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  int64_t cols = smaller(w.padded_cols(), x.cols);
  for (int64_t block = row0 / 16; block * 16 < row1; ++block) {
    int64_t first = block * 16, skipped = first < row0 ? row0 - first : 0, shown = smaller(row1 - first, 16);
    __mmask16 rows = static_cast<__mmask16>((0xffffu >> (16 - shown)) & (0xffffu << skipped));
    Block planes(w, block);
    for (int64_t t = 0; t < x.n; t += 4) {
      with_count(smaller(4, x.n - t), [&](auto n) {
        int8_block<T, S, kStep, decltype(n)::value>(w, planes, x, t, cols, y + (first - row0), ldy, rows);
      });
    }
  }
}

template <Type T, Scale S>
void int8_group(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  auto run = w.group == 16 ? int8_rows<T, S, 16> : int8_rows<T, S, 32>;
  run(w, row0, row1, x, y, ldy);
}

void linear_int8(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  bool k = w.scale == Scale::K;
  auto run = w.type == Type::I8 ? (k ? int8_group<Type::I8, Scale::K> : int8_group<Type::I8, Scale::F16>)
                                : (k ? int8_group<Type::I4, Scale::K> : int8_group<Type::I4, Scale::F16>);
  run(w, row0, row1, x, y, ldy);
}

void row(const Matrix& w, int64_t r, float* y) { kernels_portable()->row(w, r, y); }

constexpr Kernels kTable = {
    "avx512",         linear<Avx512>,   linear_int8,    linear_t<Avx512>, quantize_rows<Avx512>, row,
    rms_norm<Avx512>, silu_mul<Avx512>, axpy<Avx512>,   to_bf16<Avx512>,  from_bf16<Avx512>,     attend<Avx512>,
};

}  // namespace

const Kernels* kernels_avx512() { return &kTable; }

}  // namespace fathom

#else

namespace fathom {
const Kernels* kernels_avx512() { return nullptr; }
}  // namespace fathom

#endif
