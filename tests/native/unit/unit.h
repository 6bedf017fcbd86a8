// What the native tests share: a check that names its place, repeatable numbers, matrices in memory of their exact size.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "half.h"
#include "matrix.h"
#include "pack.h"

#define CHECK(condition) \
  ((condition) ? void() : (std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), std::abort()))

#define CHECK_THROWS(expression) CHECK(::fathom::unit::throws([&] { expression; }))

namespace fathom {
namespace unit {

void test_kernels();
void test_pack();
void test_pool();
void test_runner();

template <class Call>
bool throws(const Call& call) {
  try {
    call();
  } catch (const std::exception&) {
    return true;
  }
  return false;
}

struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint32_t next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<uint32_t>(state >> 32);
  }
  int64_t between(int64_t low, int64_t high) { return low + next() % (high - low + 1); }
  float uniform() { return static_cast<float>(next() >> 8) * 0x1p-23f - 1.0f; }  // [-1, 1)
  std::vector<float> floats(int64_t n) {
    std::vector<float> values(n);
    for (float& value : values) value = uniform();
    return values;
  }
  std::vector<uint8_t> bytes(int64_t n) {
    std::vector<uint8_t> values(n);
    for (uint8_t& value : values) value = static_cast<uint8_t>(next());
    return values;
  }
};

// The same matrix in memory of exactly its size, `shift` bytes behind a multiple of 64: a sanitizer sees every access
// beyond it, which it does not in the slabs that matrices usually share.
inline Matrix alone(Matrix m, int64_t shift = 0) {
  std::shared_ptr<void> owner(::operator new(m.nbytes + shift, std::align_val_t{64}),
                              [](void* p) { ::operator delete(p, std::align_val_t{64}); });
  auto* bytes = static_cast<uint8_t*>(owner.get()) + shift;
  std::memcpy(bytes, m.codes, m.nbytes);
  return over(std::move(m), bytes, std::move(owner));
}

// F32, F16 or BF16 at an odd address, as a tensor may lie in a file.
inline Matrix random_dense(Type type, int64_t rows, int64_t cols, Random& random) {
  Matrix w = dense_shape(type, rows, cols);
  std::vector<float> values = random.floats(rows * cols);
  std::vector<uint16_t> halves;
  for (float value : values) halves.push_back(type == Type::F16 ? float_to_half(value) : float_to_bf16(value));
  w.codes = type == Type::F32 ? reinterpret_cast<uint8_t*>(values.data()) : reinterpret_cast<uint8_t*>(halves.data());
  return alone(std::move(w), 1);
}

inline Matrix random_packed(int bits, int group, int64_t rows, int64_t cols, Random& random) {
  Matrix dense = random_dense(Type::F32, rows, cols, random);
  return alone(pack_dense(dense.codes, dense.nbytes, Type::F32, rows, cols, bits, group));
}

struct GgufFormat {
  const char* name;
  int columns, bytes;         // of a block
  std::vector<int> scales;    // where its half-precision numbers are
};

inline const std::vector<GgufFormat>& gguf_formats() {
  static const std::vector<GgufFormat> formats = {{"Q8_0", 32, 34, {0}},      {"Q4_0", 32, 18, {0}},
                                                  {"Q5_0", 32, 22, {0}},      {"Q4_K", 256, 144, {0, 2}},
                                                  {"Q5_K", 256, 176, {0, 2}}, {"Q6_K", 256, 210, {208}}};
  return formats;
}

// rows * blocks blocks of random codes with small finite scales.
inline std::vector<uint8_t> random_blocks(const GgufFormat& format, int64_t count, Random& random) {
  std::vector<uint8_t> data = random.bytes(count * format.bytes);
  for (int64_t block = 0; block < count; ++block) {
    for (int offset : format.scales) {
      uint16_t scale = float_to_half(random.uniform() * 1e-3f);
      std::memcpy(data.data() + block * format.bytes + offset, &scale, 2);
    }
  }
  return data;
}

inline Matrix random_gguf(const GgufFormat& format, int64_t rows, int64_t blocks, Random& random) {
  std::vector<uint8_t> data = random_blocks(format, rows * blocks, random);
  return alone(repack_gguf(data.data(), static_cast<int64_t>(data.size()), format.name, rows, blocks * format.columns));
}

}  // namespace unit
}  // namespace fathom
