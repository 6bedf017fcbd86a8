// The kernels that are the same on every SIMD level, written over a vector type V (simd_avx512.h, simd_avx2.h).
//
// Order is part of the contract: the value of one (row, token) is summed in one vector accumulator over ascending
// columns, whatever else is in the call, so that batching and chunking never change a bit. Register blocks (4 rows x
// V::kTokens tokens) only decide which sums advance side by side.
//
// Everything here has internal linkage: each level has its own flags, and nothing compiled with them may be shared.

namespace fathom {
namespace {

constexpr int kRowBlock = 4;
constexpr int64_t kTokenBytes = 1 << 18;  // activations kept in the second-level cache while the rows pass by

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <int N>
using Count = std::integral_constant<int, N>;

// f(Count<n>) for 1 <= n <= Most.
template <int Most, class F>
void with_count(int64_t n, F&& f) {
  if constexpr (Most > 1) {
    if (n < Most) return with_count<Most - 1>(n, f);
  }
  f(Count<Most>{});
}

// ---- loading elements k, k+1, ... of a row, whatever their type ----

template <Type T>
constexpr int64_t element_bytes() {
  return T == Type::F32 ? 4 : 2;
}

template <class V, Type T>
typename V::F load_at(const uint8_t* row, int64_t k) {
  const uint8_t* p = row + k * element_bytes<T>();
  if constexpr (T == Type::F32) return V::load(reinterpret_cast<const float*>(p));
  if constexpr (T == Type::F16) return V::load_half(reinterpret_cast<const uint16_t*>(p));
  if constexpr (T == Type::BF16) return V::load_bf16(reinterpret_cast<const uint16_t*>(p));
}

template <class V, Type T>
typename V::F load_tail(const uint8_t* row, int64_t k, int64_t count) {  // zeros behind
  uint8_t padded[V::kWidth * 4] = {};
  std::memcpy(padded, row + k * element_bytes<T>(), static_cast<size_t>(count * element_bytes<T>()));
  return load_at<V, T>(padded, 0);
}

template <class V>
typename V::F load_tail(const float* p, int64_t count) {
  return load_tail<V, Type::F32>(reinterpret_cast<const uint8_t*>(p), 0, count);
}

template <class V>
void store_tail(float* p, typename V::F x, int64_t count) {
  float whole[V::kWidth];
  V::store(whole, x);
  std::memcpy(p, whole, static_cast<size_t>(count) * 4);
}

// Applies f to the vectors of inputs a and b (k floats each): y = f(a, b).
template <class V, class F>
void map2(const float* a, const float* b, int64_t k, float* y, F f) {
  int64_t i = 0;
  for (; i + V::kWidth <= k; i += V::kWidth) V::store(y + i, f(V::load(a + i), V::load(b + i)));
  if (i < k) store_tail<V>(y + i, f(load_tail<V>(a + i, k - i), load_tail<V>(b + i, k - i)), k - i);
}

// ---- y = x W^T ----

// R rows x N tokens. rows: row_bytes apart.
template <class V, Type T, int R, int N>
void dot_block(const uint8_t* rows, int64_t row_bytes, const float* x, int64_t ldx, int64_t cols, float* y,
               int64_t ldy) {
  using F = typename V::F;
  F sums[R][N];
  for (auto& row : sums) {
    for (F& sum : row) sum = V::zero();
  }
  auto step = [&](auto&& load_row, auto&& load_x) __attribute__((always_inline)) {
    F tokens[N];
    for (int t = 0; t < N; ++t) tokens[t] = load_x(x + t * ldx);
    for (int r = 0; r < R; ++r) {
      F weights = load_row(rows + r * row_bytes);
      for (int t = 0; t < N; ++t) sums[r][t] = V::fma(weights, tokens[t], sums[r][t]);
    }
  };
  int64_t k = 0;
  for (; k + V::kWidth <= cols; k += V::kWidth) {
    step([k](const uint8_t* row) { return load_at<V, T>(row, k); }, [k](const float* p) { return V::load(p + k); });
  }
  if (k < cols) {
    step([k, cols](const uint8_t* row) { return load_tail<V, T>(row, k, cols - k); },
         [k, cols](const float* p) { return load_tail<V>(p + k, cols - k); });
  }
  for (int t = 0; t < N; ++t) {
    float* out = y + t * ldy;
    if constexpr (R == 4) {
      _mm_storeu_ps(out, V::sum4(sums[0][t], sums[1][t], sums[2][t], sums[3][t]));
    } else {
      for (int r = 0; r < R; ++r) out[r] = V::sum(sums[r][t]);
    }
  }
}

template <class V, Type T>
void dot_rows(const uint8_t* rows, int64_t row_bytes, int64_t n_rows, const float* x, int64_t ldx, int64_t n,
              int64_t cols, float* y, int64_t ldy) {
  int64_t chunk = kTokenBytes / (cols * 4) / V::kTokens * V::kTokens;
  if (chunk < V::kTokens) chunk = V::kTokens;
  for (int64_t t0 = 0; t0 < n; t0 += chunk) {
    int64_t t1 = smaller(n, t0 + chunk);
    for (int64_t r = 0; r < n_rows;) {
      int64_t height = n_rows - r >= kRowBlock ? kRowBlock : 1;
      const uint8_t* block = rows + r * row_bytes;
      for (int64_t t = t0; t < t1; t += V::kTokens) {
        with_count<V::kTokens>(smaller(V::kTokens, t1 - t), [&](auto tokens) {
          auto dot = height == 1 ? dot_block<V, T, 1, tokens()> : dot_block<V, T, kRowBlock, tokens()>;
          dot(block, row_bytes, x + t * ldx, ldx, cols, y + t * ldy + r, ldy);
        });
      }
      r += height;
    }
  }
}

// ---- y += x W, each y[t, k] in the order of the rows ----

// All rows into C vectors of N tokens. The last vector of a row may be cut short (count < V::kWidth; then C = 1).
template <class V, Type T, int C, int N>
void add_tile(const uint8_t* rows, int64_t row_bytes, int64_t n_rows, const float* x, int64_t ldx, int64_t count,
              float* y, int64_t ldy) {
  using F = typename V::F;
  const bool whole = C > 1 || count == V::kWidth;
  F sums[N][C];
  for (int t = 0; t < N; ++t) {
    const float* from = y + t * ldy;
    for (int c = 0; c < C; ++c) sums[t][c] = whole ? V::load(from + c * V::kWidth) : load_tail<V>(from, count);
  }
  for (int64_t r = 0; r < n_rows; ++r) {
    F weights[C];
    const uint8_t* row = rows + r * row_bytes;
    for (int c = 0; c < C; ++c) {
      weights[c] = whole ? load_at<V, T>(row, c * V::kWidth) : load_tail<V, T>(row, 0, count);
    }
    for (int t = 0; t < N; ++t) {
      F factor = V::set1(x[t * ldx + r]);
      for (int c = 0; c < C; ++c) sums[t][c] = V::fma(factor, weights[c], sums[t][c]);
    }
  }
  for (int t = 0; t < N; ++t) {
    for (int c = 0; c < C; ++c) {
      if (whole) {
        V::store(y + t * ldy + c * V::kWidth, sums[t][c]);
      } else {
        store_tail<V>(y + t * ldy, sums[t][c], count);
      }
    }
  }
}

template <class V, Type T>
void add_rows(const uint8_t* rows, int64_t row_bytes, int64_t n_rows, const float* x, int64_t ldx, int64_t n,
              int64_t cols, float* y, int64_t ldy) {
  constexpr int64_t kTile = 4 * V::kWidth;
  for (int64_t k = 0; k < cols;) {
    int64_t count = smaller(V::kWidth, cols - k);
    bool tile = k + kTile <= cols;
    for (int64_t t = 0; t < n; t += V::kTokens) {
      with_count<V::kTokens>(smaller(V::kTokens, n - t), [&](auto tokens) {
        auto add = tile ? add_tile<V, T, 4, tokens()> : add_tile<V, T, 1, tokens()>;
        add(rows + k * element_bytes<T>(), row_bytes, n_rows, x + t * ldx, ldx, count, y + t * ldy + k, ldy);
      });
    }
    k += tile ? kTile : V::kWidth;
  }
}

// ---- activations to int8 ----

template <class V>
void quantize_rows(const float* x, int64_t ldx, int64_t n, int64_t k, int8_t* q, float* scale, int32_t* sums) {
  int64_t blocks = (k + kRounded - 1) / kRounded;
  for (int64_t t = 0; t < n; ++t) {
    for (int64_t b = 0; b < blocks; ++b, q += kRounded, ++scale, sums += kRounded / 16) {
      const float* in = x + t * ldx + b * kRounded;
      float padded[kRounded];
      if (k - b * kRounded < kRounded) {
        std::memset(padded, 0, sizeof padded);
        std::memcpy(padded, in, static_cast<size_t>(k - b * kRounded) * 4);
        in = padded;
      }
      uint32_t bits = 0;
      for (int i = 0; i < kRounded; i += 16) {
        uint32_t part = V::max_bits16(in + i);
        if (part > bits) bits = part;
      }
      float largest = bits_float(bits);
      bool finite = bits < 0x7f800000;
      if (finite && largest >= 128 * FLT_MIN) {
        float inverse = 127.0f / largest;
        *scale = largest / 127.0f;
        for (int i = 0; i < kRounded; i += 16) sums[i / 16] = V::round16(in + i, inverse, q + i);
      } else {
        *scale = finite ? 0.0f : bits_float(0x7fc00000);
        std::memset(q, 0, kRounded);
        std::memset(sums, 0, kRounded / 16 * sizeof *sums);
      }
    }
  }
}

// ---- elementwise ----

// e^x for x <= 0, about 1 ulp; 0 below -87.3. x = n ln 2 + r; Taylor to the 7th power is exact to 1e-8 at r = ln 2 / 2.
template <class V>
typename V::F exp_negative(typename V::F x) {
  using F = typename V::F;
  F lowest = V::set1(-87.33654f), limited = V::max(lowest, x);  // this way round NaN stays NaN
  F n = V::round(V::mul(limited, V::set1(1.44269504f)));
  F r = V::fnma(n, V::set1(-2.12194440e-4f), V::fnma(n, V::set1(0.693359375f), limited));
  constexpr float kTaylor[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  F p = V::set1(1.0f / 5040);
  for (float coefficient : kTaylor) p = V::fma(p, r, V::set1(coefficient));
  return V::zero_below(x, lowest, V::mul(p, V::pow2(n)));
}

template <class V>
void rms_norm(const float* x, const float* weight, float eps, int64_t k, float* y) {
  float squares;
  dot_block<V, Type::F32, 1, 1>(reinterpret_cast<const uint8_t*>(x), 0, x, 0, k, &squares, 0);
  typename V::F factor = V::set1(1.0f / __builtin_sqrtf(squares / static_cast<float>(k) + eps));
  map2<V>(x, weight, k, y, [factor](auto a, auto b) { return V::mul(V::mul(a, factor), b); });
}

template <class V>
void silu_mul(const float* gate, const float* up, int64_t k, float* y) {
  map2<V>(gate, up, k, y, [](auto g, auto u) {
    // With t = e^-|g|: 1 / (1 + e^-g) = (g < 0 ? t : 1) / (1 + t), which never overflows.
    auto minus = V::sub(V::zero(), g), t = exp_negative<V>(V::min(minus, g)), one = V::set1(1.0f);
    auto above = V::negative(g, t, one);
    return V::mul(V::div(V::mul(g, above), V::add(one, t)), u);
  });
}

template <class V>
void axpy(float a, const float* x, int64_t k, float* y) {
  map2<V>(x, y, k, y, [factor = V::set1(a)](auto from, auto to) { return V::fma(factor, from, to); });
}

template <class V>
void to_bf16(const float* x, int64_t k, uint16_t* y) {
  int64_t i = 0;
  for (; i + V::kWidth <= k; i += V::kWidth) V::store_bf16(y + i, V::load(x + i));
  for (; i < k; ++i) y[i] = float_to_bf16(x[i]);
}

template <class V>
void from_bf16(const uint16_t* x, int64_t k, float* y) {
  int64_t i = 0;
  for (; i + V::kWidth <= k; i += V::kWidth) V::store(y + i, V::load_bf16(x + i));
  for (; i < k; ++i) y[i] = bf16_to_float(x[i]);
}

template <class V>
void from_int8(const Int8Block* x, int64_t n, uint16_t* y) {
  for (const Int8Block* end = x + n; x < end; ++x, y += kRounded) {
    auto scale = V::set1(half_to_float(x->scale));
    for (int i = 0; i < kRounded; i += V::kWidth) V::store_bf16(y + i, V::mul(V::load_int8(x->codes + i), scale));
  }
}

// ---- attention ----

constexpr int64_t kKeys = 64;     // keys a pass
constexpr int64_t kQueries = 16;  // queries a pass: their scores are 4 KiB

template <class V>
typename V::F rounded_to_bf16(typename V::F x) {
  uint16_t halves[V::kWidth];
  V::store_bf16(halves, x);
  return V::load_bf16(halves);
}

// One query's scores to weights e^(s - max), zeros where it does not see; moves its running state (m, l, acc). Weights
// of bfloat16 values are rounded like them.
template <class V, Type T>
void soften(float* score, int64_t seen, float* m, float* l, float* acc, int64_t dv) {
  using F = typename V::F;
  for (int64_t j = seen; j < kKeys; ++j) score[j] = -HUGE_VALF;
  F top = V::load(score);
  for (int64_t j = V::kWidth; j < kKeys; j += V::kWidth) top = V::max(V::load(score + j), top);
  float largest = V::largest(top);
  if (!(largest > *m)) largest = *m;
  F total = V::zero(), base = V::set1(largest);
  for (int64_t j = 0; j < kKeys; j += V::kWidth) {
    F p = exp_negative<V>(V::sub(V::load(score + j), base));
    if constexpr (T == Type::BF16) p = rounded_to_bf16<V>(p);
    V::store(score + j, p);
    total = V::add(total, p);
  }
  float keep[V::kWidth];
  V::store(keep, exp_negative<V>(V::set1(*m - largest)));
  *l = *l * keep[0] + V::sum(total);
  *m = largest;
  if (keep[0] == 1.0f) return;
  map2<V>(acc, acc, dv, acc, [factor = V::set1(keep[0])](auto a, auto) { return V::mul(a, factor); });
}

// Rows of keys and values of type T.
template <class V, Type T>
void attend_rows(const float* q, int64_t ldq, int64_t n_q, const uint8_t* k, int64_t ldk, int64_t dk, const uint8_t* v,
                 int64_t ldv, int64_t dv, int64_t n_k, const int32_t* visible, float scale, float* m, float* l,
                 float* acc) {
  alignas(64) float scores[kQueries * kKeys];
  ldk *= element_bytes<T>(), ldv *= element_bytes<T>();
  for (int64_t j0 = 0; j0 < n_k; j0 += kKeys) {
    int64_t keys = smaller(kKeys, n_k - j0);
    for (int64_t i0 = 0; i0 < n_q; i0 += kQueries) {
      int64_t queries = smaller(kQueries, n_q - i0);
      dot_rows<V, T>(k + j0 * ldk, ldk, keys, q + i0 * ldq, ldq, queries, dk, scores, kKeys);
      for (int64_t i = 0; i < queries; ++i) {
        float* score = scores + i * kKeys;
        int64_t seen = smaller(visible[i0 + i] - j0, keys);
        if (seen <= 0) {
          std::memset(score, 0, kKeys * 4);
          continue;
        }
        map2<V>(score, score, kKeys, score, [factor = V::set1(scale)](auto s, auto) { return V::mul(s, factor); });
        soften<V, T>(score, seen, m + i0 + i, l + i0 + i, acc + (i0 + i) * dv, dv);
      }
      add_rows<V, T>(v + j0 * ldv, ldv, keys, scores, kKeys, queries, dv, acc + i0 * dv, dv);
    }
  }
}

template <class V>
void attend(const float* q, int64_t ldq, int64_t n_q, const float* k, int64_t ldk, int64_t dk, const float* v,
            int64_t ldv, int64_t dv, int64_t n_k, const int32_t* visible, float scale, float* m, float* l, float* acc) {
  attend_rows<V, Type::F32>(q, ldq, n_q, reinterpret_cast<const uint8_t*>(k), ldk, dk,
                            reinterpret_cast<const uint8_t*>(v), ldv, dv, n_k, visible, scale, m, l, acc);
}

template <class V>
void pack_query(const float* q, int64_t width, int64_t i, float* block) {
  map2<V>(q, q, width, block + i * width, [](auto x, auto) { return rounded_to_bf16<V>(x); });
}

// f(first, n, seen) for each run of queries that see the same keys, so that no query meets a key it does not see: zero
// times a NaN would show.
template <class F>
void with_runs(const int32_t* visible, int64_t n_q, int64_t n_k, F&& f) {
  for (int64_t first = 0, last; first < n_q; first = last) {
    for (last = first + 1; last < n_q && visible[last] == visible[first];) ++last;
    if (visible[first] > 0) f(first, last - first, smaller(visible[first], n_k));
  }
}

template <class V>
void attend_latents(const float* q, int64_t n_q, const uint16_t* c, int64_t rank, int64_t rope, int64_t n_k,
                    const int32_t* visible, float scale, float* m, float* l, float* acc) {
  const int64_t width = rank + rope;
  const uint8_t* rows = reinterpret_cast<const uint8_t*>(c);
  with_runs(visible, n_q, n_k, [&](int64_t i, int64_t n, int64_t seen) {
    attend_rows<V, Type::BF16>(q + i * width, width, n, rows, width, width, rows, width, rank, seen, visible + i, scale,
                               m + i, l + i, acc + i * rank);
  });
}

}  // namespace
}  // namespace fathom
