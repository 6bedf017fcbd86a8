// 16 floats in an AVX-512 register: the vocabulary kernels_simd.inl is written in.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace fathom {
namespace {

struct Avx512 {
  using F = __m512;
  static constexpr int kWidth = 16;
  static constexpr int kTokens = 4;  // tokens a register block holds beside 4 rows: 16 sums of 32 registers
  static constexpr int kInt8Blocks = 2, kInt8Tokens = 6;  // a tile of int8 products: 12 of them and 12 sums
  static constexpr int kInt8Step = 64;  // columns of one integer product

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static F load_half(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static F load_bf16(const uint16_t* p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static F load_int8(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void store_bf16(uint16_t* p, F x) {
    __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), quiet);
    __m256i narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow);
  }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
  static F max(F a, F b) { return _mm512_max_ps(a, b); }              // b where one is NaN
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F zero_below(F x, F limit, F value) {  // x < limit ? 0 : value
    return _mm512_mask_mov_ps(value, _mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), _mm512_setzero_ps());
  }
  static F negative(F x, F yes, F no) {  // x < 0 ? yes : no
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), yes);
  }
  static F pow2(F n) {  // n whole, -126 to 127
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
  }

  // Sums over the lanes. Halves, quarters, then pairs: sum and sum4 add in the same order.
  static __m128 quarter(F x) {
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
  static float sum(F x) {
    __m128 q = quarter(x), pairs = _mm_hadd_ps(q, q);
    return _mm_cvtss_f32(_mm_hadd_ps(pairs, pairs));
  }
  static __m128 sum4(F a, F b, F c, F d) {
    return _mm_hadd_ps(_mm_hadd_ps(quarter(a), quarter(b)), _mm_hadd_ps(quarter(c), quarter(d)));
  }
  static float largest(F x) { return _mm512_reduce_max_ps(x); }

  // Of 16 floats: the bits of the largest magnitude (as integers NaN > infinity > numbers); and int8 rounding.
  static uint32_t max_bits16(const float* x) {
    __m512i bits = _mm512_castps_si512(_mm512_loadu_ps(x));
    return static_cast<uint32_t>(_mm512_reduce_max_epi32(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff))));
  }
  static int32_t round16(const float* x, float inverse, int8_t* q) {  // returns the sum
    __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm512_cvtepi32_epi8(rounded));
    return _mm512_reduce_add_epi32(rounded);
  }
};

}  // namespace
}  // namespace fathom
