// What only a machine with AMX can answer: whether tiles work, and their peak, for a prefill to be compared with.
#include "dispatch.h"

#if defined(__x86_64__) && defined(__linux__)
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiles.h"

namespace fathom {
namespace {

const TileConfig kTiles(16, 64);

sigjmp_buf escape;
void jump_out(int) { siglongjmp(escape, 1); }

// Products of ones for this many tokens and columns, on all eight tiles; nothing here has a destructor that a jump
// could skip.
bool multiply_ones(int height, int depth) {
  alignas(64) uint8_t ones[16][64];
  alignas(64) int32_t sums[4][16][16];
  std::memset(ones, 1, sizeof ones);
  using Tiles = HardwareTiles;
  const TileConfig config(height, depth);
  Tiles::configure(config);
  Tiles::load<4>(ones, 64);
  Tiles::load<5>(ones, 64);
  Tiles::load<6>(ones, 64);
  Tiles::load<7>(ones, 64);
  Tiles::zero<0>();
  Tiles::product<0, 4, 6>();
  Tiles::product<1, 4, 7>();
  Tiles::product<2, 5, 6>();
  Tiles::product<3, 5, 7>();
  Tiles::store<0>(sums[0], 64);
  Tiles::store<1>(sums[1], 64);
  Tiles::store<2>(sums[2], 64);
  Tiles::store<3>(sums[3], 64);
  Tiles::release();
  for (auto& tile : sums) {
    for (int m = 0; m < height; ++m) {
      for (int32_t sum : tile[m]) {
        if (sum != depth) return false;
      }
    }
  }
  return true;
}

bool try_tiles() {
  constexpr int kAskPermission = 0x1023, kTileData = 18;  // arch_prctl, once a process and for all its threads
  CpuFeatures cpu = cpu_features();
  if (!cpu.amx_tile || !cpu.amx_int8 || syscall(SYS_arch_prctl, kAskPermission, kTileData) != 0) return false;
  struct sigaction guard = {}, illegal, fault;
  guard.sa_handler = jump_out;
  sigaction(SIGILL, &guard, &illegal);
  sigaction(SIGSEGV, &guard, &fault);
  volatile bool works = false;
  if (sigsetjmp(escape, 1) == 0) {
    works = multiply_ones(16, 64) && multiply_ones(16, 32) && multiply_ones(5, 64) && multiply_ones(5, 32);
  }
  sigaction(SIGILL, &illegal, nullptr);
  sigaction(SIGSEGV, &fault, nullptr);
  return works;
}

}  // namespace

bool tiles_work() {
  static const bool works = try_tiles();
  return works;
}

int64_t multiply_tiles(int64_t rounds) {
  if (!tiles_work()) return 0;
  using Tiles = HardwareTiles;
  Tiles::configure(kTiles);  // which zeroes all tiles
  for (int64_t i = 0; i < rounds; ++i) {
    Tiles::product<0, 4, 6>();
    Tiles::product<1, 4, 7>();
    Tiles::product<2, 5, 6>();
    Tiles::product<3, 5, 7>();
  }
  Tiles::release();
  return rounds * 4 * 2 * 16 * 16 * 64;
}

}  // namespace fathom
#else
namespace fathom {
bool tiles_work() { return false; }
int64_t multiply_tiles(int64_t) { return 0; }
}  // namespace fathom
#endif
