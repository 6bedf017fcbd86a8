// Packing: what rounding may cost, that GGUF's codes come out as they went in, and that bad input is refused.
#include "pack.h"

#include <cmath>

#include "kernels.h"
#include "unit.h"

namespace fathom {
namespace unit {
namespace {

std::vector<float> decoded(const Matrix& w) {
  std::vector<float> values(w.rows * w.cols);
  for (int64_t r = 0; r < w.rows; ++r) kernels_portable()->row(w, r, values.data() + r * w.cols);
  return values;
}

void check_rounding(Random& random) {
  for (Type type : {Type::F32, Type::F16, Type::BF16}) {
    for (int bits : {4, 8}) {
      for (int group : {32, 64, 128}) {
        Matrix dense = random_dense(type, random.between(1, 40), random.between(1, 300), random);
        Matrix w = alone(pack_dense(dense.codes, dense.nbytes, type, dense.rows, dense.cols, bits, group));
        CHECK(w.rows == dense.rows && w.cols == dense.cols && all_finite(w) && all_finite(dense));
        std::vector<float> exact = decoded(dense), found = decoded(w);
        // All weights are below 1: half a step of 1 / 127, or a whole one of 1 / 8 where code 8 would be needed.
        float limit = bits == 8 ? 0.0045f : 0.126f;
        for (size_t i = 0; i < exact.size(); ++i) CHECK(std::fabs(exact[i] - found[i]) <= limit);
      }
    }
  }
  std::vector<float> weights = random.floats(70 * 100);
  const auto* bytes = reinterpret_cast<const uint8_t*>(weights.data());
  CHECK_THROWS(pack_dense(bytes, 70 * 100 * 4 - 1, Type::F32, 70, 100, 8, 32));
  CHECK_THROWS(pack_dense(bytes, 70 * 100 * 4, Type::F32, 70, 100, 5, 32));
  CHECK_THROWS(pack_dense(bytes, 70 * 100 * 4, Type::F32, 70, 100, 8, 16));
  weights[6999] = NAN;
  CHECK_THROWS(pack_dense(bytes, 70 * 100 * 4, Type::F32, 70, 100, 8, 32));
}

// Block layouts of ggml, read one value at a time.
float gguf_value(const std::string& name, const uint8_t* block, int i) {
  uint16_t bits;
  std::memcpy(&bits, block + (name == "Q6_K" ? 208 : 0), 2);
  float d = half_to_float(bits);
  if (name == "Q8_0") return d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
  if (name == "Q4_0") return d * static_cast<float>((block[2 + i % 16] >> (i / 16 * 4) & 15) - 8);
  if (name == "Q5_0") {
    int high = block[2 + i / 8] >> (i % 8) & 1;
    return d * static_cast<float>(((block[6 + i % 16] >> (i / 16 * 4) & 15) | high << 4) - 16);
  }
  if (name == "Q6_K") {
    int half = i / 128, j = i % 128;
    int low = block[64 * half + j % 64] >> (j / 64 * 4) & 15, high = block[128 + 32 * half + j % 32] >> (j / 32 * 2) & 3;
    float scale = d * static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
    return scale * static_cast<float>((low | high << 4) - 32);
  }
  std::memcpy(&bits, block + 2, 2);
  const uint8_t *s = block + 4, *codes = block + (name == "Q5_K" ? 48 : 16);
  int g = i / 32, code = codes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
  if (name == "Q5_K") code |= (block[16 + i % 32] >> g & 1) << 4;
  int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
  int min = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
  return d * static_cast<float>(scale) * static_cast<float>(code) - half_to_float(bits) * static_cast<float>(min);
}

void check_gguf(const GgufFormat& format, Random& random) {
  for (int64_t rows : {1, 15, 16, 17, 50}) {
    int64_t across = random.between(1, 5), cols = across * format.columns;
    std::vector<uint8_t> data = random_blocks(format, rows * across, random), odd(1);
    odd.insert(odd.end(), data.begin(), data.end());  // a block may start anywhere
    auto nbytes = static_cast<int64_t>(data.size());
    Matrix w = alone(repack_gguf(odd.data() + 1, nbytes, format.name, rows, cols));
    std::vector<float> found = decoded(w);
    for (int64_t i = 0; i < rows * cols; ++i) {
      const uint8_t* block = data.data() + i / format.columns * format.bytes;
      CHECK(found[i] == gguf_value(format.name, block, static_cast<int>(i % format.columns)));
    }
    CHECK_THROWS(repack_gguf(data.data(), nbytes - 1, format.name, rows, cols));
    CHECK_THROWS(repack_gguf(data.data(), nbytes, format.name, rows, cols + 1));
    CHECK_THROWS(repack_gguf(data.data(), nbytes, "Q3_K", rows, cols));
    uint16_t infinity = 0x7c00;
    std::memcpy(data.data() + nbytes - format.bytes + format.scales.back(), &infinity, 2);
    CHECK_THROWS(repack_gguf(data.data(), nbytes, format.name, rows, cols));
  }
}

}  // namespace

void test_pack() {
  Random random(2);
  check_rounding(random);
  for (const GgufFormat& format : gguf_formats()) check_gguf(format, random);
  for (int bits : {4, 8}) random_packed(bits, 64, 1100, 1000, random);  // enough weights for several threads
  CHECK_THROWS(dense_shape(Type::F32, 0, 3));
  CHECK_THROWS(dense_shape(Type::F32, int64_t{1} << 31, 1));
  CHECK_THROWS(packed_shape(Type::I4, Scale::K, true, 32, 16, 100));
  CHECK_THROWS(packed_shape(Type::I4, Scale::F16, false, 48, 16, 96));
}

}  // namespace unit
}  // namespace fathom
