// The table of kernels one instruction level provides. The portable level is the plain twin of every entry.
#pragma once
#include <cstdint>

#include "matrix.h"

namespace fathom {

constexpr int64_t kRounded = 64;  // columns that share the scale of rounded activations: the depth of an AMX tile

// Rows of activations in int8: x[t, k] ~= scale[t, k/64] * q[t, k].
// sums[t, k/16] = sum of q over 16 columns (packed codes are unsigned: the zero point is taken off with it).
// |q| <= 127. cols is padded to a multiple of 64 with zeros.
struct Int8Rows {
  int64_t n = 0, cols = 0;        // cols: padded
  const int8_t* q = nullptr;      // (n, cols)
  const float* scale = nullptr;   // (n, cols / 64)
  const int32_t* sums = nullptr;  // (n, cols / 16)

  Int8Rows rows(int64_t begin, int64_t count) const {
    return {count, cols, q + begin * cols, scale + begin * (cols / kRounded), sums + begin * (cols / 16)};
  }
};

// 64 columns of a row of the int8 latent cache: x[k] ~= scale * codes[k], scale in half precision.
struct Int8Block {
  uint16_t scale;
  int8_t codes[kRounded];
};

struct Kernels {
  const char* name;

  // y[t * ldy + (r - row0)] = sum_k W[r, k] x[t * ldx + k] for row0 <= r < row1, 0 <= t < n; W is dense.
  void (*linear)(const Matrix& w, int64_t row0, int64_t row1, const float* x, int64_t ldx, int64_t n, float* y,
                 int64_t ldy);
  // The same product with int8 activations; W is packed and x.cols >= W.padded_cols() is not required (the shorter
  // one is padded with zeros).
  void (*linear_int8)(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy);
  // The transposed product: y[t * ldy + k] = sum_{row0 <= r < row1} W[r, k] x[t * ldx + (r - row0)], all columns k;
  // W is dense.
  void (*linear_t)(const Matrix& w, int64_t row0, int64_t row1, const float* x, int64_t ldx, int64_t n, float* y,
                   int64_t ldy);
  // Round n rows of k floats to int8 (nearest, ties to even; scale = max|x| / 127 per 64 columns; an all-zero block
  // has scale 0, one with an infinity or NaN has scale NaN, so that the product shows it; max|x| below 128 FLT_MIN
  // counts as zero). q, scale, sums as in Int8Rows with cols = k padded to 64. Bit-identical on every level.
  void (*quantize_rows)(const float* x, int64_t ldx, int64_t n, int64_t k, int8_t* q, float* scale, int32_t* sums);
  // y[k] = W[row, k]: one decoded row (embedding lookup).
  void (*row)(const Matrix& w, int64_t row, float* y);

  // y = x * rsqrt(mean(x^2) + eps) * weight, k values.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t k, float* y);
  // y = silu(gate) * up, k values.
  void (*silu_mul)(const float* gate, const float* up, int64_t k, float* y);
  // y += a * x, k values.
  void (*axpy)(float a, const float* x, int64_t k, float* y);
  // Rows of the latent cache: float <-> bfloat16 (round to nearest even), k values.
  void (*to_bf16)(const float* x, int64_t k, uint16_t* y);
  void (*from_bf16)(const uint16_t* x, int64_t k, float* y);
  // n blocks to 64 bfloat16 each (round to nearest even). Bit-identical on every level.
  void (*from_int8)(const Int8Block* x, int64_t n, uint16_t* y);

  // One block of flash attention: n_q queries against n_k keys, running softmax state per query.
  //   s = scale * q . k;  query i sees keys j < visible[i];  m, l, acc (n_q, dv) are updated in place:
  //   m' = max(m, max s), l' = l e^(m - m') + sum e^(s - m'), acc' = acc e^(m - m') + sum e^(s - m') v.
  // Start with m = -inf, l = 0, acc = 0; the result is acc / l. A query that sees no key leaves its state alone.
  // Absorbed MLA passes the cache rows as keys and their first dv = kv_lora_rank columns as values (v == k).
  void (*attend)(const float* q, int64_t ldq, int64_t n_q, const float* k, int64_t ldk, int64_t dk, const float* v,
                 int64_t ldv, int64_t dv, int64_t n_k, const int32_t* visible, float scale, float* m, float* l,
                 float* acc);

  // A query as attend_latents of this level reads it: place i < 16 of a block of 16 * (width + 1) floats, in a layout
  // of the level's own. The other places stay.
  void (*pack_query)(const float* q, int64_t width, int64_t i, float* block);
  // The same for absorbed MLA over one page of the bfloat16 latent cache: n_q <= 16 queries, n_k <= 64 rows
  // c = [c_kv | k_pe] of rank + rope values, whose first rank are the values too. Queries and the weights e^(s - m) are
  // rounded to bfloat16, l sums the rounded ones. A query meets only the rows it sees, whoever is beside it.
  void (*attend_latents)(const float* q, int64_t n_q, const uint16_t* c, int64_t rank, int64_t rope, int64_t n_k,
                         const int32_t* visible, float scale, float* m, float* l, float* acc);
};

const Kernels* kernels_portable();
const Kernels* kernels_avx2();        // nullptr where not compiled in
const Kernels* kernels_avx512();      // needs F, BW, VL, DQ and VNNI; attend_latents uses BF16 where the CPU has it
const Kernels* kernels_avx512_f32();  // without BF16, for tests: kernels("avx512-f32")
const Kernels* kernels_amx();         // needs those and tiles_work()
const Kernels* kernels_amx_emulated();  // the same code on tiles in software, for tests: kernels("amx-emulated")

// The best level this CPU has and that passed its self-test against the portable one, or the one FATHOM_CPU names
// (portable, avx2, avx512, amx). Throws std::runtime_error with a one-line reason when FATHOM_CPU can't be served.
const Kernels* kernels();
const Kernels* kernels(const char* level);  // by name, for tests; throws as above

}  // namespace fathom
