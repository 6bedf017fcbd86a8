// AMX tiles, as hardware and as a software twin with the same functions: kernels are written over either.
// A tile is 16 rows of 64 bytes. Own assembly instead of intrinsics: GCC 12's declare too few memory operands, so that
// it drops stores before a tile load or an ldtilecfg; the "memory" clobbers below keep them.
#pragma once
#include <cstdint>
#include <cstring>

namespace fathom {

// Palette 1, what ldtilecfg reads: tiles 0-3 hold C (16 int32 a row), 4-5 A (int8 activations), 6-7 B (codes).
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};

  // Tiles for `height` tokens and a depth of `depth` columns.
  constexpr TileConfig(int height, int depth) {
    for (int c = 0; c < 6; ++c) rows[c] = static_cast<uint8_t>(height);
    for (int a = 4; a < 6; ++a) row_bytes[a] = static_cast<uint16_t>(depth);
    for (int b = 6; b < 8; ++b) rows[b] = static_cast<uint8_t>(depth / 4);
  }
};
static_assert(sizeof(TileConfig) == 64);

struct HardwareTiles {
  static void configure(const TileConfig& config) { __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory"); }
  static void release() { __asm__ volatile("tilerelease" ::: "memory"); }
  template <int T>
  static void zero() {
    __asm__ volatile("tilezero %%tmm%c0" ::"i"(T));
  }
  template <int T>
  static void load(const void* from, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  static void store(void* to, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(T) : "memory");
  }
  // C[m][n] += sum of A[m][4 k + i] * B[k][4 n + i]: A signed, B unsigned, int32.
  template <int C, int A, int B>
  static void product() {
    __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
  }
};

struct EmulatedTiles {
  static inline thread_local TileConfig config{16, 64};
  static inline thread_local uint8_t tiles[8][16][64];

  static void configure(const TileConfig& asked) {
    config = asked;
    std::memset(tiles, 0, sizeof tiles);
  }
  static void release() {}
  template <int T>
  static void zero() {
    std::memset(tiles[T], 0, sizeof tiles[T]);
  }
  template <int T>
  static void load(const void* from, int64_t stride) {
    zero<T>();
    for (int r = 0; r < config.rows[T]; ++r) {
      std::memcpy(tiles[T][r], static_cast<const uint8_t*>(from) + r * stride, config.row_bytes[T]);
    }
  }
  template <int T>
  static void store(void* to, int64_t stride) {
    for (int r = 0; r < config.rows[T]; ++r) {
      std::memcpy(static_cast<uint8_t*>(to) + r * stride, tiles[T][r], config.row_bytes[T]);
    }
  }
  template <int C, int A, int B>
  static void product() {
    for (int m = 0; m < config.rows[C]; ++m) {
      int32_t sums[16];
      std::memcpy(sums, tiles[C][m], 64);
      for (int k = 0; k < config.row_bytes[A]; ++k) {
        int32_t a = static_cast<int8_t>(tiles[A][m][k]);
        for (int n = 0; n < 16; ++n) sums[n] += a * tiles[B][k / 4][4 * n + k % 4];
      }
      std::memcpy(tiles[C][m], sums, 64);
    }
  }
};

}  // namespace fathom
