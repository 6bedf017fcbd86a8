// The AMX level: int8 products of several tokens on tiles; everything else is the AVX-512 level, and so is every bit.
#include "kernels.h"

#if defined(__x86_64__) && defined(__linux__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // _mm512_undefined_ps of GCC 12's own headers
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wunused-function"  // of the included files only a part is used
#include <immintrin.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "half.h"
#include "simd_avx512.h"
#include "tiles.h"
// These two are written over the vector type.
#include "kernels_simd.inl"
#include "packed_simd.inl"

namespace fathom {
namespace {

constexpr int64_t kHeight = 16;  // tokens of a tile
constexpr int64_t kFew = 5;      // fewer tokens wait for memory: the AVX-512 kernel
struct alignas(64) Line {
  uint8_t codes[64];
};

// An int4 block as int8 lines.
void widen(const uint8_t* codes, int64_t cols, Line* to) {
  const __m512i nibble = _mm512_set1_epi8(15);
  for (int64_t k = 0; k < cols; k += 8, to += 2) {
    __m512i line = _mm512_loadu_si512(codes + k * 8);
    _mm512_store_si512(to, _mm512_and_si512(line, nibble));
    _mm512_store_si512(to + 1, _mm512_and_si512(_mm512_srli_epi16(line, 4), nibble));
  }
}

// A tiles of `height` tokens, the first of each in t0, beside B blocks of 16 rows whose int8 lines are `lines`. Per
// kStep columns the float step of the AVX-512 level, in its order.
template <class Tiles, Scale S, int kStep, int A, int B>
void tile_product(const Matrix& w, const Planes<Avx512>* planes, const uint8_t* const* lines, const Int8Rows& x,
                  const int64_t* t0, int64_t height, int64_t cols, float (*sums)[kHeight][B * 16]) {
  alignas(64) int32_t products[4][kHeight][16];
  const int32_t zero = w.zero();
  const int scale_shift = __builtin_ctz(w.group / kStep);
  std::memset(sums, 0, sizeof(float) * A * kHeight * B * 16);
  for (int64_t k = 0, step = 0; k < cols; k += kStep, ++step) {
    Tiles::template load<4>(x.q + t0[0] * x.cols + k, x.cols);
    Tiles::template load<6>(lines[0] + k * 16, 64);
    Tiles::template zero<0>();
    Tiles::template product<0, 4, 6>();
    if constexpr (B == 2) {
      Tiles::template load<7>(lines[1] + k * 16, 64);
      Tiles::template zero<1>();
      Tiles::template product<1, 4, 7>();
    }
    if constexpr (A == 2) {
      Tiles::template load<5>(x.q + t0[1] * x.cols + k, x.cols);
      Tiles::template zero<2>();
      Tiles::template product<2, 5, 6>();
    }
    if constexpr (A == 2 && B == 2) {
      Tiles::template zero<3>();
      Tiles::template product<3, 5, 7>();
    }
    Tiles::template store<0>(products[0], 64);
    if constexpr (B == 2) Tiles::template store<1>(products[1], 64);
    if constexpr (A == 2) Tiles::template store<2>(products[2], 64);
    if constexpr (A == 2 && B == 2) Tiles::template store<3>(products[3], 64);

    __m512 scale[B], min[B];
    for (int b = 0; b < B; ++b) {
      scale[b] = planes[b].template scale<S>(step >> scale_shift);
      if (S == Scale::K && w.has_min) min[b] = planes[b].min(step >> scale_shift);
    }
    for (int a = 0; a < A; ++a) {
      for (int64_t i = 0; i < height; ++i) {
        const int64_t t = t0[a] + i;
        const int32_t* part = x.sums + t * (x.cols / 16) + k / 16;
        int32_t total = 0;
        for (int j = 0; j < kStep / 16; ++j) total += part[j];
        const __m512 token = _mm512_set1_ps(x.scale[t * (x.cols / kRounded) + k / kRounded]);
        const __m512i offset = _mm512_set1_epi32(zero * total);
        for (int b = 0; b < B; ++b) {
          float* to = sums[a][i] + 16 * b;
          __m512 product = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(products[2 * a + b][i]), offset));
          __m512 sum = _mm512_fmadd_ps(product, _mm512_mul_ps(scale[b], token), _mm512_load_ps(to));
          if (S == Scale::K && w.has_min) {
            sum = _mm512_fnmadd_ps(min[b], _mm512_mul_ps(token, _mm512_set1_ps(static_cast<float>(total))), sum);
          }
          _mm512_store_ps(to, sum);
        }
      }
    }
  }
}

// The last tile of tokens overlaps the one before: no token's value depends on another, so it may be written twice.
template <class Tiles, Type T, Scale S, int kStep>
void tile_rows(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  const int64_t cols = smaller(w.padded_cols(), x.cols), end = (row1 + 15) / 16, height = smaller(x.n, kHeight);
  const TileConfig config(static_cast<int>(height), kStep);
  static thread_local std::vector<Line> wide;
  if (T == Type::I4) wide.resize(static_cast<size_t>(cols / 4 * 2));
  Tiles::configure(config);
  auto blocks_from = [&](int64_t block, auto count) {
    constexpr int B = count();
    const Planes<Avx512> planes[] = {Planes<Avx512>(w, block), Planes<Avx512>(w, block + B - 1)};
    const uint8_t* lines[2];
    for (int b = 0; b < B; ++b) {
      lines[b] = planes[b].codes;
      if (T == Type::I4) {
        Line* to = wide.data() + b * cols / 4;
        widen(planes[b].codes, cols, to);
        lines[b] = to->codes;
      }
    }
    const int64_t first = block * 16 < row0 ? row0 : block * 16, last = smaller((block + B) * 16, row1);
    alignas(64) float sums[2][kHeight][B * 16];
    for (int64_t t = 0; t < x.n; t += 2 * kHeight) {
      const int64_t t0[] = {smaller(t, x.n - height), smaller(t + kHeight, x.n - height)};
      const int tiles = x.n - t > kHeight ? 2 : 1;
      auto run = tiles == 2 ? tile_product<Tiles, S, kStep, 2, B> : tile_product<Tiles, S, kStep, 1, B>;
      run(w, planes, lines, x, t0, height, cols, sums);
      for (int a = 0; a < tiles; ++a) {
        for (int64_t i = 0; i < height; ++i) {
          std::memcpy(y + (t0[a] + i) * ldy + first - row0, sums[a][i] + first - block * 16,
                      static_cast<size_t>(last - first) * 4);
        }
      }
    }
  };
  int64_t block = row0 / 16;
  for (; block + 2 <= end; block += 2) blocks_from(block, Constant<2>{});
  if (block < end) blocks_from(block, Constant<1>{});
  Tiles::release();
}

template <class Tiles>
void tiles_int8(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  if (x.n < kFew || w.group == 16) return kernels_avx512()->linear_int8(w, row0, row1, x, y, ldy);
  with_packed_kind(w, [&](auto type, auto scale) {
    if constexpr (scale() == Scale::F16) {
      if (w.group >= 64) return tile_rows<Tiles, type(), scale(), 64>(w, row0, row1, x, y, ldy);
    }
    tile_rows<Tiles, type(), scale(), 32>(w, row0, row1, x, y, ldy);
  });
}

template <class Tiles>
const Kernels* level(const char* name) {
  static const Kernels table = [name] {
    Kernels kernels = *kernels_avx512();
    kernels.name = name;
    kernels.linear_int8 = tiles_int8<Tiles>;
    return kernels;
  }();
  return &table;
}

}  // namespace

const Kernels* kernels_amx() { return level<HardwareTiles>("amx"); }
const Kernels* kernels_amx_emulated() { return level<EmulatedTiles>("amx-emulated"); }

}  // namespace fathom

#else

namespace fathom {
const Kernels* kernels_amx() { return nullptr; }
const Kernels* kernels_amx_emulated() { return nullptr; }
}  // namespace fathom

#endif
