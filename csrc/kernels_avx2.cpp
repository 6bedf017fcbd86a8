// The AVX2 level (with FMA and F16C): the 16 rows of a packed block are two halves of 8 lanes.
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "half.h"
#include "simd_avx2.h"

namespace fathom {
namespace {

// Columns k to k + 7 of 8 rows as two int8 half-lines: 4 columns of each row. half 1 is rows 8 to 15.
template <Type T>
void two_lines(const uint8_t* codes, int64_t k, int half, __m256i& first, __m256i& second) {
  auto line_at = [half](const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * half));
  };
  if constexpr (T == Type::I8) {
    first = line_at(codes + k * 16);
    second = line_at(codes + k * 16 + 64);
  } else {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i line = line_at(codes + k * 8);
    first = _mm256_and_si256(line, nibble);
    second = _mm256_and_si256(_mm256_srli_epi16(line, 4), nibble);
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

  static __m256 bytes(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }

  template <Scale S>
  __m256 scale(int64_t group, int half) const {
    if constexpr (S == Scale::F16) {
      return Avx2::load_half(reinterpret_cast<const uint16_t*>(scales) + group * 16 + half * 8);
    }
    return _mm256_mul_ps(Avx2::load_half(supers + group / groups_per_super * 16 + half * 8),
                         bytes(reinterpret_cast<const int8_t*>(scales) + group * 16 + half * 8));
  }
  __m256 min(int64_t group, int half) const {
    return _mm256_mul_ps(Avx2::load_half(supers_min + group / groups_per_super * 16 + half * 8),
                         bytes(mins + group * 16 + half * 8));
  }
};

// ---- decoding ----

// Columns k to k + 15 of 8 rows: half q of rows[i] holds the 16 codes of row 4 q + i.
template <Type T>
void rows_of_codes(const uint8_t* codes, int64_t k, int half, __m256i rows[4]) {
  __m256i a, b, c, d;
  two_lines<T>(codes, k, half, a, b);
  two_lines<T>(codes, k + 8, half, c, d);
  __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
  __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
  rows[0] = _mm256_unpacklo_epi64(ab0, cd0);
  rows[1] = _mm256_unpackhi_epi64(ab0, cd0);
  rows[2] = _mm256_unpacklo_epi64(ab1, cd1);
  rows[3] = _mm256_unpackhi_epi64(ab1, cd1);
}

template <Type T, Scale S>
void decode(const Matrix& w, int64_t block, int64_t k0, int64_t cols, float* out, int64_t ld) {
  Block planes(w, block);
  const __m256i zero = _mm256_set1_epi32(w.zero());
  alignas(32) float scale[16], min[16];
  for (int64_t k = k0; k < k0 + cols; k += 16) {
    for (int half = 0; half < 2; ++half) {
      if (k == k0 || k % w.group == 0) {
        _mm256_store_ps(scale + half * 8, planes.scale<S>(k / w.group, half));
        if (w.has_min) _mm256_store_ps(min + half * 8, planes.min(k / w.group, half));
      }
      __m256i rows[4];
      rows_of_codes<T>(planes.codes, k, half, rows);
      for (int i = 0; i < 8; ++i) {  // row half * 8 + i
        alignas(32) uint8_t codes[32];
        _mm256_store_si256(reinterpret_cast<__m256i*>(codes), rows[i % 4]);
        int r = half * 8 + i;
        for (int part = 0; part < 2; ++part) {  // 8 columns each
          const uint8_t* eight = codes + i / 4 * 16 + part * 8;
          __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(eight)));
          __m256 value = _mm256_mul_ps(_mm256_set1_ps(scale[r]), _mm256_cvtepi32_ps(_mm256_sub_epi32(wide, zero)));
          if (w.has_min) value = _mm256_sub_ps(value, _mm256_set1_ps(min[r]));
          _mm256_storeu_ps(out + r * ld + k - k0 + part * 8, value);
        }
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
//
// maddubs multiplies unsigned by signed bytes and adds pairs in 16 bits, saturating. Exact here:
//   int4 codes: a pair is at most 2 * 15 * 127 = 3810, and 8 of them (32 columns) still fit 16 bits;
//   int8 codes: taken as signed w = code - 128, the product is |w| * (x with w's sign), a pair at most 2 * 128 * 127
//   = 32512; pairs are widened at once. The zero point left over is zero - 128.

template <Type T>
constexpr int kOffset = T == Type::I8 ? 128 : 0;  // what the codes have lost before the product

__m256i quad(const int8_t* q) {  // 4 activations beside each row
  int32_t bits;
  std::memcpy(&bits, q, 4);
  return _mm256_set1_epi32(bits);
}

template <Type T, Scale S, int kStep, int N>
void int8_block(const Matrix& w, const Block& planes, const Int8Rows& x, int64_t t0, int64_t cols, float (*out)[16]) {
  const int64_t x_blocks = x.cols / 32;
  const int8_t* q = x.q + t0 * x.cols;
  const float* x_scale = x.scale + t0 * x_blocks;
  const int32_t* x_sums = x.sums + t0 * x_blocks * 2;
  const int32_t zero = w.zero() - kOffset<T>;
  const int64_t steps_per_scale = w.group / kStep;
  const __m256i ones = _mm256_set1_epi16(1), top = _mm256_set1_epi8(-128);
  __m256 sums[2][N];
  for (auto& half : sums) {
    for (__m256& sum : half) sum = _mm256_setzero_ps();
  }
  for (int64_t k = 0, step = 0; k < cols; k += kStep, ++step) {
    for (int half = 0; half < 2; ++half) {
      __m256i products[N];
      for (__m256i& product : products) product = _mm256_setzero_si256();
      for (int i = 0; i < kStep; i += 8) {
        __m256i lines[2];
        two_lines<T>(planes.codes, k + i, half, lines[0], lines[1]);
        for (int j = 0; j < 2; ++j) {
          if constexpr (T == Type::I8) {
            __m256i code = _mm256_xor_si256(lines[j], top), magnitude = _mm256_abs_epi8(code);
            for (int t = 0; t < N; ++t) {
              __m256i signed_x = _mm256_sign_epi8(quad(q + t * x.cols + k + i + 4 * j), code);
              __m256i pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, signed_x), ones);
              products[t] = _mm256_add_epi32(products[t], pairs);
            }
          } else {
            for (int t = 0; t < N; ++t) {
              __m256i pairs = _mm256_maddubs_epi16(lines[j], quad(q + t * x.cols + k + i + 4 * j));
              products[t] = _mm256_add_epi16(products[t], pairs);
            }
          }
        }
      }
      __m256 scale = planes.scale<S>(step / steps_per_scale, half);
      for (int t = 0; t < N; ++t) {
        const int32_t* part = x_sums + t * x_blocks * 2 + k / 16;
        int32_t total = kStep == 32 ? part[0] + part[1] : part[0];
        __m256i product = T == Type::I8 ? products[t] : _mm256_madd_epi16(products[t], ones);
        __m256 whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(product, _mm256_set1_epi32(zero * total)));
        __m256 token = _mm256_set1_ps(x_scale[t * x_blocks + k / 32]);
        sums[half][t] = _mm256_fmadd_ps(whole, _mm256_mul_ps(scale, token), sums[half][t]);
        if (S == Scale::K && w.has_min) {
          __m256 taken = _mm256_mul_ps(token, _mm256_set1_ps(static_cast<float>(total)));
          sums[half][t] = _mm256_fnmadd_ps(planes.min(step / steps_per_scale, half), taken, sums[half][t]);
        }
      }
    }
  }
  for (int t = 0; t < N; ++t) {
    for (int half = 0; half < 2; ++half) _mm256_storeu_ps(out[t] + 8 * half, sums[half][t]);
  }
}

template <Type T, Scale S, int kStep>
void int8_rows(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  int64_t cols = smaller(w.padded_cols(), x.cols);
  for (int64_t block = row0 / 16; block * 16 < row1; ++block) {
    int64_t first = block * 16 < row0 ? row0 : block * 16, last = smaller(block * 16 + 16, row1);
    Block planes(w, block);
    for (int64_t t = 0; t < x.n; t += 4) {
      int64_t n = smaller(4, x.n - t);
      float out[4][16];
      with_count(n, [&](auto count) {
        int8_block<T, S, kStep, decltype(count)::value>(w, planes, x, t, cols, out);
      });
      for (int64_t i = 0; i < n; ++i) {
        std::memcpy(y + (t + i) * ldy + first - row0, out[i] + first % 16, static_cast<size_t>(last - first) * 4);
      }
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
    "avx2",         linear<Avx2>,   linear_int8, linear_t<Avx2>, quantize_rows<Avx2>, row,
    rms_norm<Avx2>, silu_mul<Avx2>, axpy<Avx2>,  to_bf16<Avx2>,  from_bf16<Avx2>,     attend<Avx2>,
};

}  // namespace

const Kernels* kernels_avx2() { return &kTable; }

}  // namespace fathom

#else

namespace fathom {
const Kernels* kernels_avx2() { return nullptr; }
}  // namespace fathom

#endif
