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
// These two are written over the vector type.
#include "kernels_simd.inl"
#include "packed_simd.inl"

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

template <class V, Type T, Scale S, int kStep, int B, int N>
void int8_tile(const Matrix& w, const Planes<V>* blocks, const Int8Rows& x, int64_t t0, int64_t cols,
               float (*out)[16 * V::kInt8Blocks]) {
  static_assert(B == 1);
  const Planes<V>& planes = *blocks;
  const int64_t x_blocks = x.cols / kRounded;
  const int8_t* q = x.q + t0 * x.cols;
  const float* x_scale = x.scale + t0 * x_blocks;
  const int32_t* x_sums = x.sums + t0 * (x.cols / 16);
  const int32_t zero = w.zero() - kOffset<T>;
  const int scale_shift = __builtin_ctz(w.group / kStep);  // steps a scale, a power of 2
  const __m256i ones = _mm256_set1_epi16(1), top = _mm256_set1_epi8(-128);
  __m256 sums[2][N];
  for (auto& half : sums) {
    for (__m256& sum : half) sum = _mm256_setzero_ps();
  }
  for (int64_t k = 0, step = 0; k < cols; k += kStep, ++step) {
    __m256i products[2][N];
    for (auto& half : products) {
      for (__m256i& product : half) product = _mm256_setzero_si256();
    }
#pragma GCC unroll 1  // unrolled, GCC hoists all activations at once and spills them
    for (int i = 0; i < kStep; i += 8) {
      __m256i lines[2][2];  // half, columns 0-3 or 4-7
      for (int half = 0; half < 2; ++half) two_lines<T>(planes.codes, k + i, half, lines[half][0], lines[half][1]);
      for (int j = 0; j < 2; ++j) {
        const int8_t* at = q + k + i + 4 * j;
        if constexpr (T == Type::I8) {
          __m256i code[2], magnitude[2];
          for (int half = 0; half < 2; ++half) {
            code[half] = _mm256_xor_si256(lines[half][j], top);
            magnitude[half] = _mm256_abs_epi8(code[half]);
          }
          for (int t = 0; t < N; ++t) {
            __m256i four = quad(at + t * x.cols);
            for (int half = 0; half < 2; ++half) {
              __m256i pairs = _mm256_maddubs_epi16(magnitude[half], _mm256_sign_epi8(four, code[half]));
              products[half][t] = _mm256_add_epi32(products[half][t], _mm256_madd_epi16(pairs, ones));
            }
          }
        } else {
          for (int t = 0; t < N; ++t) {
            __m256i four = quad(at + t * x.cols);
            for (int half = 0; half < 2; ++half) {
              products[half][t] = _mm256_add_epi16(products[half][t], _mm256_maddubs_epi16(lines[half][j], four));
            }
          }
        }
      }
    }
    for (int half = 0; half < 2; ++half) {
      __m256 scale = planes.template scale<S>(step >> scale_shift, half * 8), min = scale;
      if (S == Scale::K && w.has_min) min = planes.min(step >> scale_shift, half * 8);
      for (int t = 0; t < N; ++t) {
        const int32_t* part = x_sums + t * (x.cols / 16) + k / 16;
        int32_t total = kStep == 32 ? part[0] + part[1] : part[0];
        __m256i product = T == Type::I8 ? products[half][t] : _mm256_madd_epi16(products[half][t], ones);
        __m256 whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(product, _mm256_set1_epi32(zero * total)));
        __m256 token = _mm256_set1_ps(x_scale[t * x_blocks + k / kRounded]);
        sums[half][t] = _mm256_fmadd_ps(whole, _mm256_mul_ps(scale, token), sums[half][t]);
        if (S == Scale::K && w.has_min) {
          __m256 taken = _mm256_mul_ps(token, _mm256_set1_ps(static_cast<float>(total)));
          sums[half][t] = _mm256_fnmadd_ps(min, taken, sums[half][t]);
        }
      }
    }
  }
  for (int t = 0; t < N; ++t) {
    for (int half = 0; half < 2; ++half) _mm256_storeu_ps(out[t] + 8 * half, sums[half][t]);
  }
}

constexpr Kernels kTable = table<Avx2>("avx2");

}  // namespace

const Kernels* kernels_avx2() { return &kTable; }

}  // namespace fathom

#else

namespace fathom {
const Kernels* kernels_avx2() { return nullptr; }
}  // namespace fathom

#endif
