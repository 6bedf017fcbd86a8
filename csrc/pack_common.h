// What both packers share: writable planes, the interleaving of 16 rows into lines, and the threads.
#pragma once
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>

#include "matrix.h"

namespace fathom {

constexpr int kLanes = 16;  // output rows that lie together

// The planes of a matrix that `allocate` made, for writing.
struct Planes {
  uint8_t* codes;
  uint16_t* half_scales;  // the same plane as mults: Scale::F16
  int8_t* mults;          // Scale::K
  int8_t* mins;
  uint16_t *supers, *supers_min;
  explicit Planes(const Matrix& m)
      : codes(const_cast<uint8_t*>(m.codes)),
        half_scales(reinterpret_cast<uint16_t*>(const_cast<uint8_t*>(m.scales))),
        mults(reinterpret_cast<int8_t*>(const_cast<uint8_t*>(m.scales))),
        mins(const_cast<int8_t*>(m.mins)),
        supers(const_cast<uint16_t*>(m.supers)),
        supers_min(const_cast<uint16_t*>(m.supers_min)) {}
};

// rows[lane * stride + i], 16 lanes of n codes, to n/4 lines (int8) or n/8 lines (int4) of 64 bytes.
inline void interleave(Type type, const uint8_t* rows, int64_t stride, int64_t n, uint8_t* lines) {
  int64_t step = type == Type::I8 ? 4 : 8;
  for (int64_t k = 0; k < n; k += step, lines += 64) {
    for (int lane = 0; lane < kLanes; ++lane) {
      uint32_t quad, high = 0;
      std::memcpy(&quad, rows + lane * stride + k, 4);
      if (step == 8) std::memcpy(&high, rows + lane * stride + k + 4, 4);
      quad |= high << 4;
      std::memcpy(lines + lane * 4, &quad, 4);
    }
  }
}

// Calls work(begin, end) over [0, blocks), in several threads when there are many weights; passes on an exception.
void in_threads(int64_t blocks, int64_t weights, const std::function<void(int64_t, int64_t)>& work);

inline void need_bytes(int64_t found, int64_t needed, const char* type, int64_t rows, int64_t cols) {
  if (found == needed) return;
  throw std::invalid_argument(std::string(type) + " " + std::to_string(rows) + " x " + std::to_string(cols) +
                              " takes " + std::to_string(needed) + " bytes, not " + std::to_string(found));
}

}  // namespace fathom
