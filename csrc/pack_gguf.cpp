// Exact repacking of GGUF's quantised blocks: 16 rows at a time, one block column after the other, codes and scales go
// to their planes untouched. Block layouts: ggml's format description (32 or 256 columns a block, little endian).
#include <algorithm>

#include "pack.h"
#include "pack_common.h"

namespace fathom {
namespace {

constexpr int kMaxBlock = 256;

uint16_t load16(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return bits;
}

uint16_t finite16(const uint8_t* p) {
  uint16_t bits = load16(p);
  if ((bits & 0x7c00) == 0x7c00) throw std::invalid_argument("not finite: a block's scale is NaN or infinity");
  return bits;
}

// Where the scales of one block of one row go: group g of the block stands 16 * g further on.
struct Place {
  const Planes& to;
  int64_t group, super;
};

// Low nibbles of 32 bytes, then their high nibbles: 64 codes.
void split_nibbles(const uint8_t* in, int n, uint8_t* out) {
  for (int i = 0; i < n; ++i) {
    out[i] = in[i] & 15;
    out[n + i] = in[i] >> 4;
  }
}

struct Q8_0 {  // half d; int8 q[32]
  static constexpr int kBlock = 32, kBytes = 34, kGroup = 32;
  static constexpr Type kType = Type::I8;
  static constexpr Scale kScale = Scale::F16;
  static constexpr bool kMin = false;
  static void unpack(const uint8_t* in, uint8_t* codes, Place at) {
    for (int i = 0; i < 32; ++i) codes[i] = in[2 + i] ^ 0x80;
    at.to.half_scales[at.group] = finite16(in);
  }
};

struct Q4_0 {  // half d; 16 bytes: columns 0-15 in the low, 16-31 in the high nibbles
  static constexpr int kBlock = 32, kBytes = 18, kGroup = 32;
  static constexpr Type kType = Type::I4;
  static constexpr Scale kScale = Scale::F16;
  static constexpr bool kMin = false;
  static void unpack(const uint8_t* in, uint8_t* codes, Place at) {
    split_nibbles(in + 2, 16, codes);
    at.to.half_scales[at.group] = finite16(in);
  }
};

struct Q5_0 {  // half d; 32 fifth bits; nibbles as in Q4_0. value = d * (code - 16)
  static constexpr int kBlock = 32, kBytes = 22, kGroup = 32;
  static constexpr Type kType = Type::I8;
  static constexpr Scale kScale = Scale::F16;
  static constexpr bool kMin = false;
  static void unpack(const uint8_t* in, uint8_t* codes, Place at) {
    uint32_t fifth;
    std::memcpy(&fifth, in + 2, 4);
    split_nibbles(in + 6, 16, codes);
    for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>((codes[i] | (fifth >> i & 1) << 4) + 128 - 16);
    at.to.half_scales[at.group] = finite16(in);
  }
};

// The 12 bytes of Q4_K and Q5_K: eight 6-bit multipliers and eight 6-bit minima. Bytes 0-3 and 4-7 hold the first four
// of each in their low 6 bits; the last four have 4 bits in bytes 8-11 (multiplier low, minimum high nibble) and their
// top 2 bits in the top of bytes 0-3 and 4-7.
void unpack_k_scales(const uint8_t* in, Place at) {
  int8_t *mults = at.to.mults + at.group, *mins = at.to.mins + at.group;
  for (int i = 0; i < 4; ++i) {
    mults[i * kLanes] = in[i] & 63;
    mins[i * kLanes] = in[4 + i] & 63;
    mults[(4 + i) * kLanes] = static_cast<int8_t>((in[8 + i] & 15) | (in[i] >> 6) << 4);
    mins[(4 + i) * kLanes] = static_cast<int8_t>(in[8 + i] >> 4 | (in[4 + i] >> 6) << 4);
  }
}

struct Q4_K {  // half d, dmin; 12 bytes of scales; 4 x 32 bytes: 32 low nibbles, then 32 high ones
  static constexpr int kBlock = 256, kBytes = 144, kGroup = 32;
  static constexpr Type kType = Type::I4;
  static constexpr Scale kScale = Scale::K;
  static constexpr bool kMin = true;
  static void unpack(const uint8_t* in, uint8_t* codes, Place at) {
    for (int i = 0; i < 4; ++i) split_nibbles(in + 16 + 32 * i, 32, codes + 64 * i);
    unpack_k_scales(in + 4, at);
    at.to.supers[at.super] = finite16(in);
    at.to.supers_min[at.super] = finite16(in + 2);
  }
};

struct Q5_K {  // as Q4_K with 32 bytes of fifth bits before the nibbles: bit i of byte j belongs to column 32 i + j
  static constexpr int kBlock = 256, kBytes = 176, kGroup = 32;
  static constexpr Type kType = Type::I8;
  static constexpr Scale kScale = Scale::K;
  static constexpr bool kMin = true;
  static void unpack(const uint8_t* in, uint8_t* codes, Place at) {
    const uint8_t* fifth = in + 16;
    for (int i = 0; i < 4; ++i) split_nibbles(in + 48 + 32 * i, 32, codes + 64 * i);
    for (int i = 0; i < 8; ++i) {
      for (int j = 0; j < 32; ++j) codes[32 * i + j] |= static_cast<uint8_t>((fifth[j] >> i & 1) << 4);
    }
    unpack_k_scales(in + 4, at);
    at.to.supers[at.super] = finite16(in);
    at.to.supers_min[at.super] = finite16(in + 2);
  }
};

// 128 bytes of nibbles, 64 of upper bit pairs, 16 int8 multipliers, half d. value = d * mult * (code - 32)
struct Q6_K {
  static constexpr int kBlock = 256, kBytes = 210, kGroup = 16;
  static constexpr Type kType = Type::I8;
  static constexpr Scale kScale = Scale::K;
  static constexpr bool kMin = false;
  static void unpack(const uint8_t* in, uint8_t* codes, Place at) {
    for (int half = 0; half < 2; ++half) {
      const uint8_t *low = in + 64 * half, *high = in + 128 + 32 * half;
      uint8_t* c = codes + 128 * half;
      split_nibbles(low, 64, c);
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 32; ++j) {
          c[32 * i + j] = static_cast<uint8_t>((c[32 * i + j] | (high[j] >> (2 * i) & 3) << 4) + 128 - 32);
        }
      }
    }
    for (int g = 0; g < 16; ++g) at.to.mults[at.group + g * kLanes] = static_cast<int8_t>(in[192 + g]);
    at.to.supers[at.super] = finite16(in + 208);
  }
};

template <class Format>
Matrix repack(const uint8_t* data, int64_t nbytes, const char* name, int64_t rows, int64_t cols) {
  constexpr int kBlock = Format::kBlock, kGroups = kBlock / Format::kGroup;
  if (cols % kBlock != 0) {
    throw std::invalid_argument(std::string(name) + " has columns in " + std::to_string(kBlock) + "s, not " +
                                std::to_string(cols));
  }
  Matrix shape = packed_shape(Format::kType, Format::kScale, Format::kMin, Format::kGroup, rows, cols);
  int64_t across = cols / kBlock;
  need_bytes(nbytes, rows * across * Format::kBytes, name, rows, cols);
  Matrix w = allocate(shape);
  Planes planes(w);
  constexpr int64_t kLineBytes = kBlock * kLanes / (Format::kType == Type::I8 ? 1 : 2);

  in_threads(w.padded_rows() / kLanes, rows * cols, [&](int64_t begin, int64_t end) {
    uint8_t codes[kLanes * kMaxBlock];
    for (int64_t block = begin; block < end; ++block) {
      int64_t lanes = std::min<int64_t>(kLanes, rows - block * kLanes);
      std::memset(codes, w.zero(), sizeof codes);
      for (int64_t b = 0; b < across; ++b) {
        int64_t position = block * across + b;
        for (int64_t lane = 0; lane < lanes; ++lane) {
          Place at = {planes, position * kGroups * kLanes + lane, position * kLanes + lane};
          Format::unpack(data + ((block * kLanes + lane) * across + b) * Format::kBytes, codes + lane * kBlock, at);
        }
        interleave(Format::kType, codes, kBlock, kBlock, planes.codes + position * kLineBytes);
      }
    }
  });
  return w;
}

}  // namespace

Matrix repack_gguf(const uint8_t* data, int64_t nbytes, const std::string& source, int64_t rows, int64_t cols) {
  struct Entry {
    const char* name;
    Matrix (*repack)(const uint8_t*, int64_t, const char*, int64_t, int64_t);
  };
  constexpr Entry kFormats[] = {{"Q8_0", repack<Q8_0>}, {"Q4_0", repack<Q4_0>}, {"Q5_0", repack<Q5_0>},
                                {"Q4_K", repack<Q4_K>}, {"Q5_K", repack<Q5_K>}, {"Q6_K", repack<Q6_K>}};
  for (const Entry& format : kFormats) {
    if (source == format.name) return format.repack(data, nbytes, format.name, rows, cols);
  }
  throw std::invalid_argument("no exact repacking of " + source +
                              "; there is one of Q8_0, Q4_0, Q5_0, Q4_K, Q5_K, Q6_K");
}

}  // namespace fathom
