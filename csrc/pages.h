// The slab of latent pages. A page holds, for 64 consecutive tokens of one sequence, the rows [c_kv | k_pe] that latent
// attention reads, of all layers: (layers, 64, width) in float32 or bfloat16. A sequence is a table of page numbers;
// who owns which page is not known here.
#pragma once
#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "arena.h"
#include "kernels.h"

namespace fathom {

class Pages {
 public:
  static constexpr int64_t kTokens = 64;  // of a page

  // Address space for `count` pages; memory is taken where they are written.
  Pages(int64_t layers, int64_t width, const std::string& dtype, int64_t count)
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

  int64_t layers() const { return layers_; }
  int64_t width() const { return width_; }
  int64_t count() const { return count_; }
  int64_t page_bytes() const { return layers_ * kTokens * width_ * element(); }
  // Ends the pass over these pages that runs, if one does, at its next op; callable from any thread.
  void interrupt() { interrupted_ = true; }
  std::atomic<bool>& interrupted() { return interrupted_; }
  const char* dtype() const { return bf16_ ? "bfloat16" : "float32"; }

  void write(const Kernels& k, int64_t layer, int64_t page, int64_t token, const float* row) {
    uint8_t* to = at(layer, page, token);
    if (bf16_) return k.to_bf16(row, width_, reinterpret_cast<uint16_t*>(to));
    std::copy_n(row, width_, reinterpret_cast<float*>(to));
  }
  // The rows of one page as floats: the page itself, or its first n rows widened into `scratch` (kTokens * width).
  const float* read(const Kernels& k, int64_t layer, int64_t page, int64_t n, float* scratch) const {
    const uint8_t* from = at(layer, page, 0);
    if (!bf16_) return reinterpret_cast<const float*>(from);
    k.from_bf16(reinterpret_cast<const uint16_t*>(from), n * width_, scratch);
    return scratch;
  }
  // Columns [begin, begin + n) of one token's row as floats.
  void copy(const Kernels& k, int64_t layer, int64_t page, int64_t token, int64_t begin, int64_t n, float* to) const {
    const uint8_t* from = at(layer, page, token) + begin * element();
    if (bf16_) return k.from_bf16(reinterpret_cast<const uint16_t*>(from), n, to);
    std::copy_n(reinterpret_cast<const float*>(from), n, to);
  }
  // The rows of one page of a bfloat16 cache as they lie.
  const uint16_t* halves(int64_t layer, int64_t page) const {
    return reinterpret_cast<const uint16_t*>(at(layer, page, 0));
  }
  bool bf16() const { return bf16_; }
  int64_t scratch_floats() const { return bf16_ ? kTokens * width_ : 0; }

 private:
  int64_t element() const { return bf16_ ? 2 : 4; }
  uint8_t* at(int64_t layer, int64_t page, int64_t token) const {
    return static_cast<uint8_t*>(slab_.get()) + page * page_bytes() + (layer * kTokens + token) * width_ * element();
  }

  int64_t layers_, width_, count_;
  bool bf16_;
  std::atomic<bool> interrupted_{false};
  std::shared_ptr<void> slab_;
};

}  // namespace fathom
