#include "keccak.h"

#include <cstring>

namespace guard {
namespace {

constexpr uint64_t kRound[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
constexpr int kRotate[24] = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};
constexpr int kLane[24] = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};

uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

void permute(uint64_t (&a)[25]) {
  for (uint64_t constant : kRound) {
    uint64_t column[5], t;
    for (int i = 0; i < 5; ++i) column[i] = a[i] ^ a[i + 5] ^ a[i + 10] ^ a[i + 15] ^ a[i + 20];
    for (int i = 0; i < 5; ++i) {
      t = column[(i + 4) % 5] ^ rotate(column[(i + 1) % 5], 1);
      for (int j = 0; j < 25; j += 5) a[i + j] ^= t;
    }
    t = a[1];
    for (int i = 0; i < 24; ++i) {
      uint64_t next = a[kLane[i]];
      a[kLane[i]] = rotate(t, kRotate[i]);
      t = next;
    }
    for (int j = 0; j < 25; j += 5) {
      std::memcpy(column, a + j, sizeof column);
      for (int i = 0; i < 5; ++i) a[i + j] = column[i] ^ (~column[(i + 1) % 5] & column[(i + 2) % 5]);
    }
    a[0] ^= constant;
  }
}

}  // namespace

bool eip55(const char* hex) {
  unsigned char block[136] = {};
  for (int i = 0; i < 40; ++i) block[i] = (unsigned char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] | 32 : hex[i]);
  block[40] = 0x01;
  block[135] = 0x80;
  uint64_t state[25] = {};
  for (int i = 0; i < 136; ++i) state[i / 8] |= uint64_t(block[i]) << (8 * (i % 8));
  permute(state);
  for (int i = 0; i < 40; ++i) {
    int nibble = int(state[i / 16] >> (8 * (i / 2 % 8) + (i % 2 ? 0 : 4)) & 15);
    bool letter = hex[i] > '9';
    if (letter && (nibble >= 8) != (hex[i] <= 'F')) return false;
  }
  return true;
}

}  // namespace guard
