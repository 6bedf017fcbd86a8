#include "cache.h"

#include <cstring>
#include <stdexcept>

namespace fathom {

Cache::Cache(int64_t layers, int64_t width, const std::string& dtype)
    : layers_(layers), width_(width), bf16_(dtype == "bfloat16") {
  if (!bf16_ && dtype != "float32") {
    throw std::invalid_argument("cache dtype '" + dtype + "' is not float32 or bfloat16");
  }
  if (layers < 1 || width < 1 || layers > (1 << 16) || width > (1 << 24)) {
    throw std::invalid_argument("cache of " + std::to_string(layers) + " layers x " + std::to_string(width) +
                                " values makes no sense");
  }
}

void Cache::reserve(int64_t tokens) {
  while (static_cast<int64_t>(pages_.size()) * kPage < tokens) pages_.push_back(allocate_aligned(page_bytes()));
}

void Cache::commit(int64_t tokens) { tokens_ = tokens; }

void Cache::truncate(int64_t tokens) {
  if (tokens < 0 || tokens > tokens_) {
    throw std::invalid_argument("cannot truncate a cache of " + std::to_string(tokens_) + " tokens to " +
                                std::to_string(tokens));
  }
  tokens_ = tokens;
  pages_.resize((tokens + kPage - 1) / kPage);
}

void Cache::write(const Kernels& k, int64_t layer, int64_t token, const float* row) {
  uint8_t* to = at(layer, token / kPage, token % kPage);
  if (bf16_) {
    k.to_bf16(row, width_, reinterpret_cast<uint16_t*>(to));
  } else {
    std::memcpy(to, row, width_ * sizeof(float));
  }
}

const float* Cache::read(const Kernels& k, int64_t layer, int64_t page, int64_t n, float* scratch) const {
  const uint8_t* from = at(layer, page, 0);
  if (!bf16_) return reinterpret_cast<const float*>(from);
  k.from_bf16(reinterpret_cast<const uint16_t*>(from), n * width_, scratch);
  return scratch;
}

}  // namespace fathom
