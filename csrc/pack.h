// Builds packed matrices: by rounding dense weights, or from GGUF blocks without changing a value.
#pragma once
#include <cstdint>
#include <string>

#include "matrix.h"

namespace fathom {

// Rounds a dense row-major source to `bits` (8: scale = max|w| / 127; 4: the weight of largest magnitude gets code -8)
// with one half-precision scale for `group` columns: the largest of group, group/2, ..., 32 that divides cols, else 32.
Matrix pack_dense(const uint8_t* data, int64_t nbytes, Type source, int64_t rows, int64_t cols, int bits, int group);

// Repacks GGUF blocks (Q8_0, Q4_0, Q5_0, Q4_K, Q5_K, Q6_K): same codes and scales, new order.
Matrix repack_gguf(const uint8_t* data, int64_t nbytes, const std::string& source, int64_t rows, int64_t cols);

// Whether every weight (dense) or scale (packed) is finite.
bool all_finite(const Matrix& w);

}  // namespace fathom
