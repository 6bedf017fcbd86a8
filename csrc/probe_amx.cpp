// The peak of AMX: int8 tile products in registers alone, for a prefill to be compared with.
#include "dispatch.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fathom {
namespace {

// Palette 1: eight tiles of 16 rows of 64 bytes. Static, for the compiler doesn't know that ldtilecfg reads it.
alignas(64) const struct {
  uint8_t palette = 1, start_row = 0, zeros[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
} kTiles;

}  // namespace

__attribute__((target("amx-tile,amx-int8"))) int64_t multiply_tiles(int64_t rounds) {
  constexpr int kAskPermission = 0x1023, kTileData = 18;
  if (!cpu_features().amx_int8 || syscall(SYS_arch_prctl, kAskPermission, kTileData) != 0) return 0;
  _tile_loadconfig(&kTiles);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t i = 0; i < rounds; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return rounds * 4 * 2 * 16 * 16 * 64;
}

}  // namespace fathom
#else
int64_t fathom::multiply_tiles(int64_t) { return 0; }
#endif
