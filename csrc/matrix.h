// Weight matrices as the kernels see them: dense rows, or integer codes packed for 16 output rows at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fathom {

enum class Type : uint8_t { F32, F16, BF16, I8, I4 };

// How the scale of a group of columns is stored.
//   F16: one half-precision scale per (row, group); value = scale * (code - zero).
//   K:   GGUF's two-level scheme, exact: an int8 multiplier per (row, group) and a half-precision factor per
//        (row, 256 columns); value = (super * mult) * (code - zero)  [ - (super_min * mult_min) when has_min ].
enum class Scale : uint8_t { F16, K };

// A matrix W of torch shape (rows, cols), y = W x.
//
// Dense (F32, F16, BF16): `codes` is row-major, rows * cols elements, no padding.
//
// Packed (I8, I4): rows padded to 16 (R), columns padded to a multiple of max(group, 32) (C); padding decodes to 0.
// Codes are unsigned with an implied zero point: I8 code = q + 128, I4 code = q + 8; with has_min zero is 0.
//   I8 codes [R/16][C/4][16 rows][4 columns]: 64-byte lines; line j holds columns 4j..4j+3 of 16 rows,
//   I4 codes [R/16][C/8][16 rows][4 bytes]:   64-byte lines; line j holds columns 8j..8j+7 of 16 rows: the byte at
//            (row r, i) has column 8j+i in its low and column 8j+4+i in its high nibble.
//   An int8 line is what vpdpbusd, and later an AMX tile, multiplies; an int4 line is two of them.
//   scales [R/16][C/group][16]: half (Scale::F16) or int8 (Scale::K).
//   mins   [R/16][C/group][16]: int8, only with has_min (Scale::K).
//   supers [R/16][C/256][16] half, supers_min the same: only Scale::K.
// A blob is codes | scales | mins | supers | supers_min, each plane padded to 64 bytes, in one allocation or one
// mapped file range, 64-byte aligned.
struct Matrix {
  Type type = Type::F32;
  Scale scale = Scale::F16;
  bool has_min = false;
  int group = 0;               // columns per scale: 16, 32, 64 or 128; 0 when dense
  int64_t rows = 0, cols = 0;  // logical
  const uint8_t* codes = nullptr;
  const uint8_t* scales = nullptr;
  const int8_t* mins = nullptr;
  const uint16_t* supers = nullptr;
  const uint16_t* supers_min = nullptr;
  int64_t nbytes = 0;           // of the blob
  std::shared_ptr<void> owner;  // keeps the bytes alive: an allocation, or the Python buffer they are a view of

  bool packed() const { return type == Type::I8 || type == Type::I4; }
  int64_t padded_rows() const { return packed() ? (rows + 15) / 16 * 16 : rows; }
  int64_t padded_cols() const {
    int64_t unit = group > 32 ? group : 32;
    return packed() ? (cols + unit - 1) / unit * unit : cols;
  }
  int zero() const { return has_min ? 0 : type == Type::I8 ? 128 : 8; }
};

// A matrix without storage, `nbytes` counted. Sizes that can't be throw std::invalid_argument, which names them.
Matrix dense_shape(Type type, int64_t rows, int64_t cols);
Matrix packed_shape(Type type, Scale scale, bool has_min, int group, int64_t rows, int64_t cols);

// The matrix of this shape over `nbytes` bytes at `blob`, which `owner` keeps alive. A packed blob is aligned to 64.
Matrix over(Matrix shape, const uint8_t* blob, std::shared_ptr<void> owner);

// The matrix of this shape over new memory, zeroed.
Matrix allocate(Matrix shape);

const char* type_name(Type type);

}  // namespace fathom
