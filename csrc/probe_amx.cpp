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

// One product of ones; nothing here has a destructor that a jump could skip.
bool multiply_ones() {
  alignas(64) uint8_t ones[16][64];
  alignas(64) int32_t sums[16][16];
  std::memset(ones, 1, sizeof ones);
  HardwareTiles::configure(kTiles);
  HardwareTiles::load<4>(ones, 64);
  HardwareTiles::load<6>(ones, 64);
  HardwareTiles::zero<0>();
  HardwareTiles::product<0, 4, 6>();
  HardwareTiles::store<0>(sums, 64);
  HardwareTiles::release();
  for (auto& row : sums) {
    for (int32_t sum : row) {
      if (sum != 64) return false;
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
  if (sigsetjmp(escape, 1) == 0) works = multiply_ones();
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
