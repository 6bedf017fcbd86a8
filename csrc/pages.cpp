#include "pages.h"

#include <cstring>
#include <stdexcept>

#include "arena.h"

namespace fathom {

Pages::Pages(int64_t layers, int64_t width, const std::string& dtype, int64_t count)
    : layers_(layers), width_(width), count_(count), bf16_(dtype == "bfloat16") {
  if (!bf16_ && dtype != "float32") {
    throw std::invalid_argument("cache dtype '" + dtype + "' is not float32 or bfloat16");
  }
  if (layers < 1 || width < 1 || count < 1 || layers > (1 << 16) || width > (1 << 24) ||
      count > std::min<int64_t>(INT32_MAX, (int64_t{1} << 46) / page_bytes())) {
    throw std::invalid_argument("a cache of " + std::to_string(count) + " pages x " + std::to_string(layers) +
                                " layers x " + std::to_string(width) + " values makes no sense");
  }
  slab_ = map_zeroed(count * page_bytes());
}

void Pages::write(const Kernels& k, int64_t layer, int64_t page, int64_t token, const float* row) {
  uint8_t* to = at(layer, page, token);
  if (bf16_) {
    k.to_bf16(row, width_, reinterpret_cast<uint16_t*>(to));
  } else {
    std::memcpy(to, row, width_ * sizeof(float));
  }
}

const float* Pages::read(const Kernels& k, int64_t layer, int64_t page, int64_t n, float* scratch) const {
  const uint8_t* from = at(layer, page, 0);
  if (!bf16_) return reinterpret_cast<const float*>(from);
  k.from_bf16(reinterpret_cast<const uint16_t*>(from), n * width_, scratch);
  return scratch;
}

}  // namespace fathom
