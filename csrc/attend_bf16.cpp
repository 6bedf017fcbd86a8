// Absorbed attention over bfloat16 latents for AVX-512 with BF16: entries of the avx512 and amx levels where the CPU
// has vdpbf16ps, which multiplies pairs of bfloat16 and adds them to a float.
//
//   scores   lanes are the 16 queries. A pair of columns of a latent row, as it lies, is broadcast beside the pairs of
//            the 16 queries: 8 keys advance side by side, and softmax needs no sum across lanes.
//   values   lanes are 16 columns. Pairs of tokens are interleaved, 32 columns of the page at a time (4 KiB), and the
//            pair of weights of each query is broadcast beside them: 16 queries advance side by side.
#include "kernels.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // _mm512_undefined_ps of GCC 12's own headers
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wunused-function"  // of the included files only a part is used
#include <immintrin.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "dispatch.h"
#include "half.h"
#include "simd_avx512.h"
// This one is written over the vector type.
#include "kernels_simd.inl"

namespace fathom {
namespace {

constexpr int64_t kPairs = kKeys / 2;  // pairs of tokens of a page

__mmask16 first_bits(int64_t n) { return static_cast<__mmask16>(n <= 0 ? 0 : n < 16 ? (1 << n) - 1 : 0xffff); }

__m512bh pairs_at(const void* p) { return (__m512bh)_mm512_loadu_si512(p); }

// A pair of bfloat16 for every lane.
__m512bh pair(const void* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  return (__m512bh)_mm512_set1_epi32(bits);
}

// score[j][i] = q_i . c_j for R keys, 16 queries. Asks for the next R rows (measured, Zen 4: +19 % out of memory).
template <int R>
void score_keys(const uint16_t* q, const uint16_t* c, int64_t width, float (*score)[16]) {
  __m512 sums[R];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  int64_t k = 0;
  for (; k + 2 <= width; k += 2) {
    __m512bh queries = pairs_at(q + k * 16);
    _mm_prefetch(reinterpret_cast<const char*>(c + R * (width + k)), _MM_HINT_T0);
    for (int r = 0; r < R; ++r) sums[r] = _mm512_dpbf16_ps(sums[r], queries, pair(c + r * width + k));
  }
  if (k < width) {
    __m512bh queries = pairs_at(q + k * 16);
    for (int r = 0; r < R; ++r) {
      uint16_t last[2] = {c[r * width + k], 0};
      sums[r] = _mm512_dpbf16_ps(sums[r], queries, pair(last));
    }
  }
  for (int r = 0; r < R; ++r) _mm512_storeu_ps(score[r], sums[r]);
}

// Scores to weights, pairs of keys side by side; moves m and l of the queries in `lanes`. Returns what acc keeps.
__m512 soften_pairs(const float (*score)[16], int64_t seen, float scale, __mmask16 lanes, float* m, float* l,
                    int32_t (*weight)[16]) {
  const __m512 factor = _mm512_set1_ps(scale), before = _mm512_maskz_loadu_ps(lanes, m);
  __m512 top = before, total = _mm512_setzero_ps();
  for (int64_t j = 0; j < seen; ++j) top = _mm512_max_ps(_mm512_mul_ps(_mm512_loadu_ps(score[j]), factor), top);
  auto weigh = [&](int64_t j) {  // rounded to bfloat16, in the upper halves
    __m512 p = exp_negative<Avx512>(_mm512_sub_ps(_mm512_mul_ps(_mm512_loadu_ps(score[j]), factor), top));
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(p)), 16);
    total = _mm512_add_ps(total, _mm512_castsi512_ps(bits));
    return bits;
  };
  for (int64_t j = 0; j < seen; j += 2) {
    __m512i even = _mm512_srli_epi32(weigh(j), 16);
    _mm512_storeu_si512(weight[j / 2], j + 1 < seen ? _mm512_or_si512(even, weigh(j + 1)) : even);
  }
  __m512 keep = exp_negative<Avx512>(_mm512_sub_ps(before, top));
  _mm512_mask_storeu_ps(l, lanes, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, l), keep, total));
  _mm512_mask_storeu_ps(m, lanes, top);
  return keep;
}

// 16 columns of the tokens a page shows (those in `mask`), pairs of tokens side by side. A token that is missing counts
// as zeros.
struct Columns {
  const uint16_t* c;  // the first token's
  int64_t width, seen;
  __mmask16 mask;

  __m512i pair_of_tokens(int64_t p) const {
    alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const uint16_t* row = c + 2 * p * width;
    __m256i even = _mm256_maskz_loadu_epi16(mask, row);
    __m256i odd = _mm256_maskz_loadu_epi16(2 * p + 1 < seen ? mask : 0, row + width);
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1);
    return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), both);
  }
};

// acc[i] = keep[i] acc[i] + sum over pairs of tokens, 16 columns, for N queries; weight: 16 for each pair. Interleaves
// the next columns meanwhile.
template <int N>
void add_values(const uint16_t (*values)[32], const Columns& now, const int32_t* weight, const float* keep, float* acc,
                int64_t ld, const Columns& next, uint16_t (*next_values)[32]) {
  __m512 sums[N];
  for (int i = 0; i < N; ++i) {
    sums[i] = _mm512_mul_ps(_mm512_maskz_loadu_ps(now.mask, acc + i * ld), _mm512_set1_ps(keep[i]));
    _mm_prefetch(reinterpret_cast<const char*>(acc + i * ld + 16), _MM_HINT_T0);
  }
  for (int64_t p = 0; 2 * p < now.seen; ++p) {
    __m512bh columns = pairs_at(values[p]);
    _mm512_store_si512(next_values[p], next.pair_of_tokens(p));
    for (int i = 0; i < N; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], columns, pair(weight + p * 16 + i));
  }
  for (int i = 0; i < N; ++i) _mm512_mask_storeu_ps(acc + i * ld, now.mask, sums[i]);
}

// Queries [first, first + n) of the block, all of which see the same keys.
void attend_run(const uint16_t* q, int64_t first, int64_t n, const uint16_t* c, int64_t rank, int64_t width,
                int64_t seen, float scale, float* m, float* l, float* acc) {
  alignas(64) float score[kKeys][16], keep[16];
  for (int64_t j = 0; j < seen;) {
    auto keys = [&](auto count) {
      score_keys<count()>(q, c + j * width, width, score + j);
      j += count();
    };
    seen - j >= 8 ? keys(Count<8>{}) : seen - j >= 4 ? keys(Count<4>{}) : keys(Count<1>{});
  }
  alignas(64) int32_t weight[kPairs][16];
  __mmask16 lanes = static_cast<__mmask16>(first_bits(n) << first);
  _mm512_store_ps(keep, soften_pairs(score, seen, scale, lanes, m, l, weight));

  alignas(64) uint16_t values[2][kPairs][32];
  Columns now = {c, width, seen, first_bits(rank)};
  for (int64_t p = 0; 2 * p < seen; ++p) _mm512_store_si512(values[0][p], now.pair_of_tokens(p));
  with_count<16>(n, [&](auto count) {
    for (int64_t column = 0, turn = 0; column < rank; column += 16, turn ^= 1) {
      Columns next = {now.c + 16, width, seen, first_bits(rank - column - 16)};
      add_values<count()>(values[turn], now, weight[0] + first, keep + first, acc + first * rank + column, rank, next,
                          values[turn ^ 1]);
      now = next;
    }
  });
}

// Asks for what comes 4 KiB behind (measured, Zen 4: attention over an int8 cache 5 % faster out of memory).
void from_int8(const Int8Block* x, int64_t n, uint16_t* y) {
  for (const Int8Block* end = x + n; x < end; ++x, y += kRounded) {
    _mm_prefetch(reinterpret_cast<const char*>(x) + 4096, _MM_HINT_T0);
    const __m512 scale = _mm512_set1_ps(_cvtsh_ss(x->scale));
    auto columns = [&](int i) { return _mm512_mul_ps(Avx512::load_int8(x->codes + i), scale); };
    _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(columns(16), columns(0)));
    _mm512_storeu_si512(y + 32, (__m512i)_mm512_cvtne2ps_pbh(columns(48), columns(32)));
  }
}

// block[k / 2][i] are columns k and k + 1 of query i, zeros behind the last.
void pack_query(const float* q, int64_t width, int64_t i, float* block) {
  const __m512i rows = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
  for (int64_t k = 0; k < width; k += 32) {
    __m512 low = _mm512_maskz_loadu_ps(first_bits(width - k), q + k);
    __m512 high = _mm512_maskz_loadu_ps(first_bits(width - k - 16), q + k + 16);
    __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    _mm512_mask_i32scatter_epi32(block + k / 2 * 16 + i, first_bits((width - k + 1) / 2), rows, pairs, 4);
  }
}

void attend_latents(const float* q, int64_t n_q, const uint16_t* c, int64_t rank, int64_t rope, int64_t n_k,
                    const int32_t* visible, float scale, float* m, float* l, float* acc) {
  with_runs(visible, n_q, n_k, [&](int64_t first, int64_t n, int64_t seen) {
    attend_run(reinterpret_cast<const uint16_t*>(q), first, n, c, rank, rank + rope, seen, scale, m, l, acc);
  });
}

}  // namespace

void use_bf16_products(Kernels& kernels) {
  kernels.from_int8 = from_int8;
  kernels.pack_query = pack_query;
  kernels.attend_latents = attend_latents;
}

}  // namespace fathom

#endif
