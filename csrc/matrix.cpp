// Shapes, plane offsets and storage of weight matrices.
#include "matrix.h"

#include <cstring>
#include <mutex>
#include <stdexcept>

#include "arena.h"

namespace fathom {
namespace {

constexpr int64_t kMaxSide = (int64_t{1} << 31) - 1;
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kAlign = 64;

int64_t aligned(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

void check_sides(int64_t rows, int64_t cols) {
  if (rows < 1 || cols < 1 || rows > kMaxSide || cols > kMaxSide || rows > kMaxElements / cols) {
    throw std::invalid_argument("a matrix of " + std::to_string(rows) + " x " + std::to_string(cols) +
                                ": both sides must be positive and the product at most 2^40");
  }
}

// Bytes of each plane of a packed matrix, in blob order.
struct PlaneBytes {
  int64_t codes, scales, mins, supers, supers_min;
  explicit PlaneBytes(const Matrix& m) {
    int64_t elements = m.padded_rows() * m.padded_cols(), groups = elements / m.group;
    bool k = m.scale == Scale::K;
    codes = aligned(m.type == Type::I8 ? elements : elements / 2);
    scales = aligned(k ? groups : groups * 2);
    mins = m.has_min ? aligned(groups) : 0;
    supers = k ? aligned(elements / 256 * 2) : 0;
    supers_min = m.has_min ? supers : 0;
  }
  int64_t total() const { return codes + scales + mins + supers + supers_min; }
};

// ---- storage ----
//
// Matrices lie one after the other in slabs on huge pages: streaming weights through 4 KiB pages costs 10 to 25 % of the
// memory's speed (measured on Zen 4, November 2026). A slab lives as long as any of its matrices.

constexpr int64_t kSlab = int64_t{1} << 26;

// Zeroed memory for one matrix, aligned to kAlign: its own where it is large, else a part of the current slab.
std::shared_ptr<void> storage(int64_t bytes) {
  if (bytes > kSlab / 4) return map_zeroed(bytes);
  static std::mutex mutex;
  static std::shared_ptr<void> slab;
  static int64_t used = kSlab;
  std::lock_guard<std::mutex> lock(mutex);
  if (used + bytes > kSlab) {
    slab = map_zeroed(kSlab);
    used = 0;
  }
  std::shared_ptr<void> part(slab, static_cast<char*>(slab.get()) + used);  // shares the slab's owner
  used += aligned(bytes);
  return part;
}

}  // namespace

const char* type_name(Type type) {
  switch (type) {
    case Type::F32: return "F32";
    case Type::F16: return "F16";
    case Type::BF16: return "BF16";
    case Type::I8: return "int8";
    case Type::I4: return "int4";
  }
  return "?";
}

Matrix dense_shape(Type type, int64_t rows, int64_t cols) {
  check_sides(rows, cols);
  Matrix m;
  m.type = type;
  m.rows = rows;
  m.cols = cols;
  m.nbytes = rows * cols * (type == Type::F32 ? 4 : 2);
  return m;
}

Matrix packed_shape(Type type, Scale scale, bool has_min, int group, int64_t rows, int64_t cols) {
  check_sides(rows, cols);
  if (group != 16 && group != 32 && group != 64 && group != 128) {
    throw std::invalid_argument("a scale for " + std::to_string(group) + " columns: groups are of 16, 32, 64 or 128");
  }
  if (scale == Scale::K && cols % 256 != 0) {
    throw std::invalid_argument("two-level scales need columns in 256s, not " + std::to_string(cols));
  }
  if (has_min && scale != Scale::K) throw std::invalid_argument("minima come with two-level scales only");
  Matrix m;
  m.type = type;
  m.scale = scale;
  m.has_min = has_min;
  m.group = group;
  m.rows = rows;
  m.cols = cols;
  m.nbytes = PlaneBytes(m).total();
  return m;
}

Matrix over(Matrix shape, const uint8_t* blob, std::shared_ptr<void> owner) {
  shape.codes = blob;
  shape.owner = std::move(owner);
  if (!shape.packed()) return shape;
  if (reinterpret_cast<uintptr_t>(blob) % kAlign != 0) {
    throw std::invalid_argument("a packed blob must start at a multiple of 64 bytes");
  }
  PlaneBytes bytes(shape);
  shape.scales = blob + bytes.codes;
  const uint8_t* next = shape.scales + bytes.scales;
  if (shape.has_min) shape.mins = reinterpret_cast<const int8_t*>(next);
  next += bytes.mins;
  if (shape.scale == Scale::K) shape.supers = reinterpret_cast<const uint16_t*>(next);
  next += bytes.supers;
  if (shape.has_min) shape.supers_min = reinterpret_cast<const uint16_t*>(next);
  return shape;
}

Matrix allocate(Matrix shape) {
  std::shared_ptr<void> owner = storage(shape.nbytes);
  const auto* blob = static_cast<const uint8_t*>(owner.get());
  return over(std::move(shape), blob, std::move(owner));
}

}  // namespace fathom
