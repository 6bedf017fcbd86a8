// Every kernel of every usable level against its portable twin over ragged shapes; and, bit for bit, that a token and a
// weight row never depend on what else is in the call. All operands end where their memory ends.
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dispatch.h"
#include "unit.h"

namespace fathom {
namespace unit {
namespace {

using Floats = std::vector<float>;

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool close(const Floats& a, const Floats& b, double tolerance) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(double(a[i]) - double(b[i])) <= tolerance)) return false;  // NaN fails
  }
  return true;
}

float largest(const Floats& x) {
  float most = 0;
  for (float value : x) most = std::max(most, std::fabs(value));
  return most;
}

// n rows of activations in int8.
struct Rounded {
  std::vector<int8_t> q;
  Floats scale;
  std::vector<int32_t> sums;
  Int8Rows rows;
  Rounded(const Kernels& level, const Floats& x, int64_t ldx, int64_t n, int64_t k) {
    int64_t padded = (k + kRounded - 1) / kRounded * kRounded;
    q.resize(n * padded);
    scale.resize(n * (padded / kRounded));
    sums.resize(n * (padded / 16));
    level.quantize_rows(x.data(), ldx, n, k, q.data(), scale.data(), sums.data());
    rows = {n, padded, q.data(), scale.data(), sums.data()};
  }
};

// Activations (n, k) whose rows are ldx apart; the last one ends with the memory.
Floats activations(int64_t n, int64_t k, int64_t ldx, Random& random) {
  Floats x = random.floats(n == 0 ? 0 : (n - 1) * ldx + k);
  for (int64_t i = 0; n > 1 && i < k / 2; ++i) x[ldx + i] = 0;  // whole blocks of zeros
  return x;
}

enum class Product { Plain, Int8, Transposed };

// Rows [row0, row1) of the product with tokens [t0, t1) of x, tightly packed.
Floats product(const Kernels& level, Product kind, const Matrix& w, const Floats& x, int64_t ldx, int64_t t0,
               int64_t t1, int64_t row0, int64_t row1) {
  int64_t n = t1 - t0, out = kind == Product::Transposed ? w.cols : row1 - row0;
  Floats part(x.begin() + t0 * ldx, n == 0 ? x.begin() + t0 * ldx : x.end());
  Floats y(n * out, std::numeric_limits<float>::quiet_NaN());
  if (kind == Product::Plain) level.linear(w, row0, row1, part.data(), ldx, n, y.data(), out);
  if (kind == Product::Transposed) level.linear_t(w, row0, row1, part.data(), ldx, n, y.data(), out);
  if (kind == Product::Int8) {
    Rounded rounded(level, part, ldx, n, w.cols);
    level.linear_int8(w, row0, row1, rounded.rows, y.data(), out);
  }
  return y;
}

void check_product(const Kernels& level, Product kind, const Matrix& w, int64_t n, Random& random) {
  const Kernels& plain = *kernels_portable();
  int64_t k = kind == Product::Transposed ? w.rows : w.cols, ldx = k + random.between(0, 5);
  Floats x = activations(n, k, ldx, random), weights(w.cols);
  float most = 0;
  for (int64_t r = 0; r < w.rows; ++r) {
    plain.row(w, r, weights.data());
    most = std::max(most, largest(weights));
  }
  Floats whole = product(level, kind, w, x, ldx, 0, n, 0, w.rows);
  double terms = double(most) * double(k) * (w.has_min ? 4 : 1);  // minima are taken off a sum of their own
  CHECK(close(whole, product(plain, kind, w, x, ldx, 0, n, 0, w.rows), 1e-6 * terms));
  if (n == 0) return;

  int64_t t = random.between(0, n - 1), out = kind == Product::Transposed ? w.cols : w.rows;
  Floats expected(whole.begin() + t * out, whole.begin() + (t + 1) * out);
  Floats row(x.begin() + t * ldx, x.begin() + t * ldx + k);
  CHECK(same_bits(product(level, kind, w, row, k, 0, 1, 0, w.rows), expected));
  if (kind == Product::Transposed) return;
  int64_t row0 = random.between(0, w.rows - 1), row1 = random.between(row0 + 1, w.rows);
  Floats some = product(level, kind, w, x, ldx, 0, n, row0, row1);
  for (int64_t i = 0; i < n; ++i) {
    const float *found = some.data() + i * (row1 - row0), *wanted = whole.data() + i * w.rows + row0;
    CHECK(std::memcmp(found, wanted, (row1 - row0) * sizeof(float)) == 0);
  }
}

void check_matrix(const Kernels& level, const Matrix& w, int64_t n, Random& random) {
  Floats found(w.cols), expected(w.cols);
  for (int64_t r : {int64_t{0}, w.rows / 2, w.rows - 1}) {
    level.row(w, r, found.data());
    kernels_portable()->row(w, r, expected.data());
    CHECK(same_bits(found, expected));
  }
  if (w.packed()) return check_product(level, Product::Int8, w, n, random);
  check_product(level, Product::Plain, w, n, random);
  check_product(level, Product::Transposed, w, n, random);
}

void check_products(const Kernels& level, Random& random) {
  // An expert without a token, one token, every tail of a tile, and more than fit into any block.
  for (int64_t n : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 33, 65}) {
    int64_t rows = random.between(1, 60), cols = random.between(1, 200);
    for (Type type : {Type::F32, Type::F16, Type::BF16}) {
      check_matrix(level, random_dense(type, rows, cols, random), n, random);
    }
    for (int bits : {4, 8}) {
      for (int group : {32, 64, 128}) check_matrix(level, random_packed(bits, group, rows, cols, random), n, random);
    }
    for (const GgufFormat& format : gguf_formats()) {
      int64_t blocks = random.between(1, format.columns == 32 ? 9 : 2);
      check_matrix(level, random_gguf(format, rows, blocks, random), n, random);
    }
  }
  for (int64_t cols : {64, 128, 192, 448}) {  // whole groups of 64 and 128
    check_matrix(level, random_packed(4, 64, 33, cols, random), 7, random);
    check_matrix(level, random_packed(8, 128, 33, cols, random), 19, random);
  }
  check_matrix(level, random_packed(4, 32, 600, 96, random), 3, random);
  check_matrix(level, random_dense(Type::BF16, 600, 40, random), 3, random);
  check_matrix(level, random_packed(8, 64, 17, 64, random), 600, random);
  check_matrix(level, random_dense(Type::F32, 17, 64, random), 600, random);
}

void check_int8_latents(const Kernels& level, Random& random) {
  for (int round = 0; round < 40; ++round) {
    std::vector<Int8Block> blocks(random.between(1, 5));
    for (Int8Block& block : blocks) {
      block.scale = float_to_half(std::ldexp(random.uniform(), static_cast<int>(random.between(-25, 16))));
      for (int8_t& code : block.codes) code = static_cast<int8_t>(random.between(-127, 127));
    }
    if (round == 0) blocks[0].scale = float_to_half(NAN);
    std::vector<uint16_t> found(blocks.size() * kRounded), expected(found);
    level.from_int8(blocks.data(), int64_t(blocks.size()), found.data());
    kernels_portable()->from_int8(blocks.data(), int64_t(blocks.size()), expected.data());
    for (size_t i = 0; i < found.size(); ++i) {
      float a = bf16_to_float(found[i]), b = bf16_to_float(expected[i]);
      CHECK(found[i] == expected[i] || (std::isnan(a) && std::isnan(b)));
    }
  }
}

void check_rounding(const Kernels& level, Random& random) {
  for (int64_t k = 1; k < 140; k += random.between(1, 9)) {
    int64_t n = random.between(0, 5), ldx = k + random.between(0, 3);
    Floats x = activations(n, k, ldx, random);
    for (float& value : x) value *= std::ldexp(1.0f, static_cast<int>(random.between(-140, 120)));
    constexpr float kOdd[] = {NAN, INFINITY, -INFINITY, 1e-42f, -0.0f};
    if (!x.empty()) x[random.between(0, int64_t(x.size()) - 1)] = kOdd[random.between(0, 4)];
    Rounded found(level, x, ldx, n, k), expected(*kernels_portable(), x, ldx, n, k);
    CHECK(found.q == expected.q);
    CHECK(found.sums == expected.sums);
    for (size_t i = 0; i < found.scale.size(); ++i) {
      CHECK(found.scale[i] == expected.scale[i] || (std::isnan(found.scale[i]) && std::isnan(expected.scale[i])));
    }
  }
}

void check_rows_of_floats(const Kernels& level, Random& random) {
  const Kernels& plain = *kernels_portable();
  for (int64_t k = 1; k < 300; k += random.between(1, 7)) {
    Floats x = random.floats(k), w = random.floats(k), a(k), b(k);
    for (float& value : x) value *= 20;
    level.rms_norm(x.data(), w.data(), 1e-6f, k, a.data());
    plain.rms_norm(x.data(), w.data(), 1e-6f, k, b.data());
    CHECK(close(a, b, 1e-5));
    level.axpy(0.7f, x.data(), k, a.data());
    plain.axpy(0.7f, x.data(), k, b.data());
    CHECK(close(a, b, 2e-5));
    level.silu_mul(x.data(), w.data(), k, a.data());
    plain.silu_mul(x.data(), w.data(), k, b.data());
    CHECK(close(a, b, 2e-5));
    x[0] = INFINITY, x[k - 1] = 3.4e38f;
    std::vector<uint16_t> half_a(k), half_b(k);
    level.to_bf16(x.data(), k, half_a.data());
    plain.to_bf16(x.data(), k, half_b.data());
    CHECK(half_a == half_b);
    level.from_bf16(half_a.data(), k, a.data());
    plain.from_bf16(half_a.data(), k, b.data());
    CHECK(same_bits(a, b));
  }
}

void check_attention(const Kernels& level, Random& random) {
  for (int round = 0; round < 40; ++round) {
    int64_t n_q = random.between(1, 20), n_k = random.between(1, 70), dk = random.between(1, 90);
    bool latent = round % 2 == 0;  // values are the first columns of the keys
    int64_t dv = random.between(1, latent ? dk : 90), ldq = dk + random.between(0, 3), ldk = dk + random.between(0, 3);
    int64_t ldv = latent ? ldk : dv + random.between(0, 3);
    Floats q = random.floats((n_q - 1) * ldq + dk), keys = random.floats((n_k - 1) * ldk + dk);
    Floats values = latent ? keys : random.floats((n_k - 1) * ldv + dv);
    std::vector<int32_t> visible(n_q);
    for (int32_t& seen : visible) seen = static_cast<int32_t>(random.between(-2, n_k + 2));
    visible[0] = 1;
    auto attend = [&](const Kernels& k) {
      Floats m(n_q, -INFINITY), l(n_q), acc(n_q * dv);
      for (int pass = 0; pass < 2; ++pass) {
        k.attend(q.data(), ldq, n_q, keys.data(), ldk, dk, values.data(), ldv, dv, n_k, visible.data(), 0.3f, m.data(),
                 l.data(), acc.data());
      }
      for (int64_t i = 0; i < n_q; ++i) {
        CHECK((visible[i] > 0) == (l[i] > 0));
        for (int64_t c = 0; c < dv && l[i] > 0; ++c) acc[i * dv + c] /= l[i];
      }
      return acc;
    };
    CHECK(close(attend(level), attend(*kernels_portable()), 1e-5));
  }
}

// Running state m, l, acc of queries after a page of latents, seen twice.
Floats attended(const Kernels& level, const Floats& q, int64_t n_q, const std::vector<uint16_t>& c, int64_t rank,
                int64_t rope, const int32_t* visible) {
  int64_t width = rank + rope, n_k = int64_t(c.size()) / width;
  Floats block(16 * (width + 1)), state(n_q * (rank + 2));
  float *m = state.data(), *l = m + n_q, *acc = l + n_q;
  std::fill_n(m, n_q, -INFINITY);
  for (int64_t i = 0; i < n_q; ++i) level.pack_query(q.data() + i * width, width, i, block.data());
  for (int pass = 0; pass < 2; ++pass) {
    level.attend_latents(block.data(), n_q, c.data(), rank, rope, n_k, visible, 0.3f, m, l, acc);
  }
  for (int64_t i = 0; i < n_q; ++i) {
    CHECK((visible[i] > 0) == (l[i] > 0));
    for (int64_t r = 0; r < rank && l[i] > 0; ++r) acc[i * rank + r] /= l[i];
  }
  return state;
}

void check_latents(const Kernels& level, Random& random) {
  for (int round = 0; round < 40; ++round) {
    int64_t n_q = random.between(1, 16), n_k = random.between(1, 64);
    int64_t rank = random.between(1, 90), rope = random.between(0, 20), width = rank + rope;
    Floats q = random.floats(n_q * width);
    std::vector<uint16_t> c;
    for (float value : random.floats(n_k * width)) c.push_back(float_to_bf16(value));
    std::vector<int32_t> visible(n_q, int32_t(n_k));
    if (round % 2 == 0) {
      for (int32_t& seen : visible) seen = int32_t(random.between(-2, n_k + 2));
    }
    Floats found = attended(level, q, n_q, c, rank, rope, visible.data());
    Floats exact = attended(*kernels_portable(), q, n_q, c, rank, rope, visible.data());
    for (int64_t i = 0; i < n_q; ++i) {
      if (visible[i] <= 0) continue;
      CHECK(std::fabs(found[i] - exact[i]) <= 1e-4f);                                       // m
      CHECK(std::fabs(found[n_q + i] - exact[n_q + i]) <= exact[n_q + i] * 0x1p-7f);        // l
    }
    // A weight between two bfloat16 may be rounded to either.
    CHECK(close(Floats(found.begin() + 2 * n_q, found.end()), Floats(exact.begin() + 2 * n_q, exact.end()), 0x1p-6));

    int64_t i = random.between(0, n_q - 1);
    Floats one = attended(level, Floats(q.begin() + i * width, q.begin() + (i + 1) * width), 1, c, rank, rope,
                          &visible[i]);
    CHECK(std::memcmp(one.data() + 2, found.data() + 2 * n_q + i * rank, rank * sizeof(float)) == 0);
  }
}

}  // namespace

void test_kernels() {
  std::vector<const Kernels*> levels = usable_levels();
  // AMX's code on tiles in software needs what avx512 needs.
  if (!throws([] { kernels("avx512"); })) {
    levels.insert(levels.end(), {kernels("amx-emulated"), kernels("avx512-f32")});
  }
  for (const Kernels* level : levels) {
    Random random(1);
    check_products(*level, random);
    check_rounding(*level, random);
    check_int8_latents(*level, random);
    check_rows_of_floats(*level, random);
    check_attention(*level, random);
    check_latents(*level, random);
  }
}

}  // namespace unit
}  // namespace fathom
