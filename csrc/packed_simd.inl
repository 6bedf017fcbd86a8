// Matrices of any type on every SIMD level: dense rows go straight to kernels_simd.inl, packed ones are multiplied with
// int8 activations. A level supplies `int8_tile` below.

namespace fathom {
namespace {

// One block of 16 rows, plane by plane.
template <class V>
struct Planes {
  const uint8_t* codes;
  const uint8_t* scales;
  const int8_t* mins;
  const uint16_t *supers, *supers_min;
  int super_shift;  // groups a super-scale, a power of 2

  Planes(const Matrix& w, int64_t block) {
    int64_t elements = block * 16 * w.padded_cols(), group = w.group;
    codes = w.codes + (w.type == Type::I8 ? elements : elements / 2);
    scales = w.scales + elements / group * (w.scale == Scale::F16 ? 2 : 1);
    mins = w.has_min ? w.mins + elements / group : nullptr;
    supers = w.scale == Scale::K ? w.supers + elements / 256 : nullptr;
    supers_min = w.has_min ? w.supers_min + elements / 256 : nullptr;
    super_shift = __builtin_ctzll(256 / group);
  }

  // Scales, minima of a group for V::kWidth rows from row `lane` of the block.
  template <Scale S>
  typename V::F scale(int64_t group, int lane = 0) const {
    if constexpr (S == Scale::F16) return V::load_half(reinterpret_cast<const uint16_t*>(scales) + group * 16 + lane);
    auto factor = V::load_half(supers + (group >> super_shift) * 16 + lane);
    return V::mul(factor, V::load_int8(reinterpret_cast<const int8_t*>(scales) + group * 16 + lane));
  }
  typename V::F min(int64_t group, int lane = 0) const {
    auto factor = V::load_half(supers_min + (group >> super_shift) * 16 + lane);
    return V::mul(factor, V::load_int8(mins + group * 16 + lane));
  }
};

// B blocks of 16 rows x N tokens from t0 over the columns [0, cols). Per kStep columns (at most those that share a
// scale): an integer product less zero * sum, then one float step, (scale_w * scale_x) * product [- min * (scale_x * sum)].
template <class V, Type T, Scale S, int kStep, int B, int N>
void int8_tile(const Matrix& w, const Planes<V>* planes, const Int8Rows& x, int64_t t0, int64_t cols,
               float (*out)[16 * V::kInt8Blocks]);

template <auto Value>
using Constant = std::integral_constant<decltype(Value), Value>;

// use(constant type, constant scale) of a packed matrix.
template <class F>
void with_packed_kind(const Matrix& w, F&& use) {
  auto with_scale = [&](auto type) {
    return w.scale == Scale::K ? use(type, Constant<Scale::K>{}) : use(type, Constant<Scale::F16>{});
  };
  return w.type == Type::I8 ? with_scale(Constant<Type::I8>{}) : with_scale(Constant<Type::I4>{});
}

// use(constant type) of a dense matrix.
template <class F>
void with_dense_type(const Matrix& w, F&& use) {
  if (w.type == Type::F16) return use(Constant<Type::F16>{});
  if (w.type == Type::BF16) return use(Constant<Type::BF16>{});
  return use(Constant<Type::F32>{});
}

// ---- float activations ----

template <class V>
void linear(const Matrix& w, int64_t row0, int64_t row1, const float* x, int64_t ldx, int64_t n, float* y,
            int64_t ldy) {
  with_dense_type(w, [&](auto type) {
    int64_t row_bytes = w.cols * element_bytes<type()>();
    dot_rows<V, type()>(w.codes + row0 * row_bytes, row_bytes, row1 - row0, x, ldx, n, w.cols, y, ldy);
  });
}

template <class V>
void linear_t(const Matrix& w, int64_t row0, int64_t row1, const float* x, int64_t ldx, int64_t n, float* y,
              int64_t ldy) {
  for (int64_t t = 0; t < n; ++t) std::memset(y + t * ldy, 0, static_cast<size_t>(w.cols) * 4);
  with_dense_type(w, [&](auto type) {
    int64_t row_bytes = w.cols * element_bytes<type()>();
    for (int64_t r = row0; r < row1; r += 8) {  // few: rows often lie 4 KiB apart, in one set of the cache
      const uint8_t* rows = w.codes + r * row_bytes;
      add_rows<V, type()>(rows, row_bytes, smaller(8, row1 - r), x + r - row0, ldx, n, w.cols, y, ldy);
    }
  });
}

void row(const Matrix& w, int64_t r, float* y) { kernels_portable()->row(w, r, y); }

// ---- int8 activations ----

template <class V, Type T, Scale S, int kStep>
void int8_rows(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  const int64_t cols = smaller(w.padded_cols(), x.cols), end = (row1 + 15) / 16;
  const int64_t tiles = (x.n - 1) / V::kInt8Tokens + 1, step = (x.n + tiles - 1) / tiles;  // about equal tiles
  for (int64_t block = row0 / 16, blocks; block < end; block += blocks) {
    blocks = x.n > V::kTokens ? smaller(V::kInt8Blocks, end - block) : 1;  // few tokens wait for memory: one stream
    int64_t first = block * 16 < row0 ? row0 : block * 16, last = smaller((block + blocks) * 16, row1);
    Planes<V> lower(w, block), planes[] = {lower, blocks > 1 ? Planes<V>(w, block + 1) : lower};
    for (int64_t t = 0; t < x.n; t += step) {
      int64_t n = smaller(step, x.n - t);
      alignas(64) float out[V::kInt8Tokens][16 * V::kInt8Blocks];
      with_count<V::kInt8Tokens>(n, [&](auto count) {
        constexpr int N = count();
        auto tile = blocks == 1 ? int8_tile<V, T, S, kStep, 1, N> : int8_tile<V, T, S, kStep, V::kInt8Blocks, N>;
        tile(w, planes, x, t, cols, out);
      });
      for (int64_t i = 0; i < n; ++i) {
        float* to = y + (t + i) * ldy + first - row0;
        if (last - first == blocks * 16) {
          for (int64_t r = 0; r < blocks * 16; r += 16) std::memcpy(to + r, out[i] + r, 64);
        } else {
          std::memcpy(to, out[i] + first - block * 16, static_cast<size_t>(last - first) * 4);
        }
      }
    }
  }
}

template <class V>
void linear_int8(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  with_packed_kind(w, [&](auto type, auto scale) {
    if constexpr (V::kInt8Step == 64 && scale() == Scale::F16) {
      if (w.group >= 64) return int8_rows<V, type(), scale(), 64>(w, row0, row1, x, y, ldy);
    }
    auto run = w.group == 16 ? int8_rows<V, type(), scale(), 16> : int8_rows<V, type(), scale(), 32>;
    run(w, row0, row1, x, y, ldy);
  });
}

template <class V>
constexpr Kernels table(const char* name) {
  return {name, linear<V>, linear_int8<V>, linear_t<V>, quantize_rows<V>, row, rms_norm<V>, silu_mul<V>, axpy<V>,
          to_bf16<V>, from_bf16<V>, from_int8<V>, attend<V>, pack_query<V>, attend_latents<V>};
}

}  // namespace
}  // namespace fathom
