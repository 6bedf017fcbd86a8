// Chooses the instruction level: what CPU and system offer, what passes its self-test, what FATHOM_CPU asks for.
#include "dispatch.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "half.h"
#include "kernels.h"
#include "pack.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fathom {
namespace {

bool has_avx2(const CpuFeatures& cpu) { return cpu.avx2 && cpu.fma && cpu.f16c; }

bool has_avx512(const CpuFeatures& cpu) {
  return has_avx2(cpu) && cpu.avx512f && cpu.avx512bw && cpu.avx512vl && cpu.avx512dq && cpu.avx512vnni;
}

// ---- self-test: every kernel of a level against the portable one, on small operands that reach the tails ----

struct Random {
  uint64_t state = 0x9e3779b97f4a7c15;
  uint32_t next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<uint32_t>(state >> 32);
  }
  float uniform() { return static_cast<float>(next() >> 8) * 0x1p-23f - 1.0f; }  // [-1, 1)
  std::vector<float> floats(size_t n) {
    std::vector<float> values(n);
    for (float& value : values) value = uniform();
    return values;
  }
};

bool close(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= tolerance)) return false;  // NaN fails
  }
  return true;
}

// A two-level int4 or int8 matrix of random codes and scales.
Matrix random_k(Type type, bool has_min, int group, int64_t rows, int64_t cols, Random& random) {
  Matrix w = allocate(packed_shape(type, Scale::K, has_min, group, rows, cols));
  uint8_t* byte = const_cast<uint8_t*>(w.codes);
  uint8_t* supers = reinterpret_cast<uint8_t*>(const_cast<uint16_t*>(w.supers));
  for (; byte < supers; ++byte) *byte = static_cast<uint8_t>(random.next() & (byte < w.scales ? 0xff : 63));
  uint16_t* half = const_cast<uint16_t*>(w.supers);
  uint16_t* end = reinterpret_cast<uint16_t*>(const_cast<uint8_t*>(w.codes) + w.nbytes);
  for (; half < end; ++half) *half = float_to_half(random.uniform() * 1e-4f);
  return w;
}

bool products_agree(const Kernels& level, const Kernels& plain, const Matrix& w, Random& random) {
  constexpr int64_t n = 21;  // a tile of 16 tokens and a second
  std::vector<float> x = random.floats(n * w.cols), y(n * w.rows), expected(y);
  if (!w.packed()) {
    std::vector<float> xt = random.floats(n * w.rows), yt(n * w.cols), expected_t(yt);
    level.linear(w, 0, w.rows, x.data(), w.cols, n, y.data(), w.rows);
    plain.linear(w, 0, w.rows, x.data(), w.cols, n, expected.data(), w.rows);
    level.linear_t(w, 0, w.rows, xt.data(), w.rows, n, yt.data(), w.cols);
    plain.linear_t(w, 0, w.rows, xt.data(), w.rows, n, expected_t.data(), w.cols);
    return close(y, expected, 1e-3f) && close(yt, expected_t, 1e-3f);
  }
  int64_t padded = (w.cols + kRounded - 1) / kRounded * kRounded, blocks = padded / kRounded;
  std::vector<int8_t> q(n * padded), q2(q);
  std::vector<float> scale(n * blocks), scale2(scale);
  std::vector<int32_t> sums(n * padded / 16), sums2(sums);
  level.quantize_rows(x.data(), w.cols, n, w.cols, q.data(), scale.data(), sums.data());
  plain.quantize_rows(x.data(), w.cols, n, w.cols, q2.data(), scale2.data(), sums2.data());
  if (q != q2 || scale != scale2 || sums != sums2) return false;
  Int8Rows rows = {n, padded, q.data(), scale.data(), sums.data()};
  level.linear_int8(w, 0, w.rows, rows, y.data(), w.rows);
  plain.linear_int8(w, 0, w.rows, rows, expected.data(), w.rows);
  return close(y, expected, 1e-3f);
}

bool small_ones_agree(const Kernels& level, const Kernels& plain, Random& random) {
  constexpr int64_t k = 53, n_q = 5, n_k = 19, dv = 37;
  std::vector<float> x = random.floats(k), w = random.floats(k), a(k), b(k);
  level.rms_norm(x.data(), w.data(), 1e-6f, k, a.data());
  plain.rms_norm(x.data(), w.data(), 1e-6f, k, b.data());
  level.axpy(0.5f, w.data(), k, a.data());
  plain.axpy(0.5f, w.data(), k, b.data());
  if (!close(a, b, 1e-4f)) return false;
  level.silu_mul(x.data(), w.data(), k, a.data());
  plain.silu_mul(x.data(), w.data(), k, b.data());
  if (!close(a, b, 1e-5f)) return false;
  std::vector<uint16_t> half_a(k), half_b(k);
  level.to_bf16(x.data(), k, half_a.data());
  plain.to_bf16(x.data(), k, half_b.data());
  level.from_bf16(half_a.data(), k, a.data());
  plain.from_bf16(half_b.data(), k, b.data());
  if (half_a != half_b || a != b) return false;
  const Int8Block block = {0x2d55, {1, -2, 3, 127, -127, 100, 0, 77, -91}};
  half_a.resize(kRounded), half_b.resize(kRounded);
  level.from_int8(&block, 1, half_a.data());
  plain.from_int8(&block, 1, half_b.data());
  if (half_a != half_b) return false;

  std::vector<float> q = random.floats(n_q * k), keys = random.floats(n_k * k);
  std::vector<int32_t> visible = {0, 1, 16, 18, 19};
  std::vector<float> m(n_q, -INFINITY), l(n_q), acc(n_q * dv), m2(m), l2(l), acc2(acc);
  for (int pass = 0; pass < 2; ++pass) {
    level.attend(q.data(), k, n_q, keys.data(), k, k, keys.data(), k, dv, n_k, visible.data(), 0.3f, m.data(),
                 l.data(), acc.data());
    plain.attend(q.data(), k, n_q, keys.data(), k, k, keys.data(), k, dv, n_k, visible.data(), 0.3f, m2.data(),
                 l2.data(), acc2.data());
  }
  m.erase(m.begin()), m2.erase(m2.begin());  // the first saw nothing and is still -inf
  return close(m, m2, 1e-4f) && close(l, l2, 1e-3f) && close(acc, acc2, 1e-3f);
}

bool latents_agree(const Kernels& level, const Kernels& plain, Random& random) {
  constexpr int64_t rank = 37, rope = 10, width = rank + rope, n_q = 7, n_k = 19;
  const int32_t visible[n_q] = {0, 1, 16, 18, 19, 19, 19};
  std::vector<float> q = random.floats(n_q * width), c = random.floats(n_k * width), states[2];
  std::vector<uint16_t> latents(c.size());
  plain.to_bf16(c.data(), n_k * width, latents.data());
  for (int i = 0; i < 2; ++i) {
    const Kernels& kernels = i == 0 ? level : plain;
    std::vector<float> block(16 * (width + 1));
    for (int64_t j = 0; j < n_q; ++j) kernels.pack_query(q.data() + j * width, width, j, block.data());
    states[i].resize(n_q * (rank + 2));
    float *m = states[i].data(), *l = m + n_q, *acc = l + n_q;
    for (int pass = 0; pass < 2; ++pass) {
      kernels.attend_latents(block.data(), n_q, latents.data(), rank, rope, n_k, visible, 0.3f, m, l, acc);
    }
  }
  return close(states[0], states[1], 0.05f);  // a weight between two bfloat16 may be rounded to either
}

bool passes_self_test(const Kernels& level) {
  const Kernels& plain = *kernels_portable();
  Random random;
  for (Type type : {Type::F32, Type::F16, Type::BF16}) {
    std::vector<float> values = random.floats(19 * 45);
    std::vector<uint16_t> halves;
    for (float value : values) halves.push_back(type == Type::F16 ? float_to_half(value) : float_to_bf16(value));
    Matrix w = dense_shape(type, 19, 45);
    w.codes = reinterpret_cast<uint8_t*>(halves.data());
    if (type == Type::F32) w.codes = reinterpret_cast<uint8_t*>(values.data());
    if (!products_agree(level, plain, w, random)) return false;
  }
  for (int bits : {4, 8}) {
    std::vector<float> values = random.floats(19 * 192);
    const uint8_t* bytes = reinterpret_cast<uint8_t*>(values.data());
    Matrix w = pack_dense(bytes, 19 * 192 * 4, Type::F32, 19, 192, bits, 64);
    if (!products_agree(level, plain, w, random)) return false;
  }
  return products_agree(level, plain, random_k(Type::I4, true, 32, 19, 256, random), random) &&
         products_agree(level, plain, random_k(Type::I8, true, 32, 19, 256, random), random) &&
         products_agree(level, plain, random_k(Type::I8, false, 16, 19, 256, random), random) &&
         small_ones_agree(level, plain, random) && latents_agree(level, plain, random);
}

// ---- levels ----

std::vector<const Kernels*> find_usable() {
  CpuFeatures cpu = cpu_features();
  const Kernels* offered[] = {has_avx512(cpu) && tiles_work() ? kernels_amx() : nullptr,
                              has_avx512(cpu) ? kernels_avx512() : nullptr, has_avx2(cpu) ? kernels_avx2() : nullptr};
  std::vector<const Kernels*> usable;
  for (const Kernels* level : offered) {
    if (level == nullptr) continue;
    if (passes_self_test(*level)) {
      usable.push_back(level);
    } else {
      std::fprintf(stderr, "fathom: the %s kernels fail their self-test here and are not used\n", level->name);
    }
  }
  usable.push_back(kernels_portable());
  return usable;
}

}  // namespace

CpuFeatures cpu_features() {
  CpuFeatures cpu;
#if defined(__x86_64__)
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return cpu;  // no OSXSAVE: the system saves no wide registers
  bool fma = c >> 12 & 1, f16c = c >> 29 & 1;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  bool saves_ymm = (low & 0x6) == 0x6, saves_zmm = (low & 0xe6) == 0xe6, saves_tiles = (low & 0x60000) == 0x60000;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return cpu;
  cpu.fma = saves_ymm && fma;
  cpu.f16c = saves_ymm && f16c;
  cpu.avx2 = saves_ymm && (b >> 5 & 1);
  cpu.avx512f = saves_zmm && (b >> 16 & 1);
  cpu.avx512dq = saves_zmm && (b >> 17 & 1);
  cpu.avx512bw = saves_zmm && (b >> 30 & 1);
  cpu.avx512vl = saves_zmm && (b >> 31 & 1);
  cpu.avx512vnni = saves_zmm && (c >> 11 & 1);
  cpu.amx_tile = saves_tiles && (d >> 24 & 1);
  cpu.amx_int8 = saves_tiles && (d >> 25 & 1);
  cpu.amx_bf16 = saves_tiles && (d >> 22 & 1);
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) cpu.avx512bf16 = saves_zmm && (a >> 5 & 1);
#endif
  return cpu;
}

const std::vector<const Kernels*>& usable_levels() {
  static const std::vector<const Kernels*> usable = find_usable();
  return usable;
}

const Kernels* kernels(const char* level) {
  std::string names;
  for (const Kernels* usable : usable_levels()) {
    if (std::strcmp(usable->name, level) == 0) return usable;
    names += (names.empty() ? "" : ", ") + std::string(usable->name);
  }
  if (has_avx512(cpu_features())) {  // for tests
    if (std::strcmp("amx-emulated", level) == 0) return kernels_amx_emulated();
    if (std::strcmp("avx512-f32", level) == 0) return kernels_avx512_f32();
  }
  for (const char* known : {"amx", "avx512", "avx2"}) {
    if (std::strcmp(known, level) == 0) {
      throw std::runtime_error("instruction level " + std::string(level) + " can't be used here; usable: " + names);
    }
  }
  throw std::runtime_error("unknown instruction level '" + std::string(level) +
                           "'; known: portable, avx2, avx512, amx; usable here: " + names);
}

const Kernels* kernels() {
  static const Kernels* const chosen = [] {
    const char* asked = std::getenv("FATHOM_CPU");
    if (asked == nullptr || *asked == '\0') return usable_levels().front();
    try {
      return kernels(asked);
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(std::string("FATHOM_CPU: ") + error.what());
    }
  }();
  return chosen;
}

}  // namespace fathom
