// Half precision and bfloat16 in plain integer arithmetic. Internal linkage on purpose: the files of the instruction
// levels are compiled with other flags and must not share inline functions with the portable code.
#pragma once
#include <cstdint>
#include <cstring>

namespace fathom {

[[maybe_unused]] static inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

[[maybe_unused]] static inline float bits_float(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

[[maybe_unused]] static inline float half_to_float(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact
    float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return bits_float(float_bits(magnitude) | sign);
  }
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return bits_float(sign | wide << 23 | mantissa << 13);
}

// Round to nearest, ties to even; too large gives infinity.
[[maybe_unused]] static inline uint16_t float_to_half(float x) {
  uint32_t bits = float_bits(x), magnitude = bits & 0x7fffffff;
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and above round to infinity
  if (magnitude < 0x38800000) {  // subnormal half: adding 0.5 lets the FPU round at 2^-24
    return sign | static_cast<uint16_t>(float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000);
  }
  return sign | static_cast<uint16_t>((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
}

[[maybe_unused]] static inline float bf16_to_float(uint16_t x) { return bits_float(static_cast<uint32_t>(x) << 16); }

// Round to nearest, ties to even; NaN stays NaN.
[[maybe_unused]] static inline uint16_t float_to_bf16(float x) {
  uint32_t bits = float_bits(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace fathom
