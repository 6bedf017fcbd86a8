// The slab of latent pages. A page holds, for 64 consecutive tokens of one sequence, the rows [c_kv | k_pe] that latent
// attention reads, of all layers: (layers, 64, width) in float32 or bfloat16, or (layers, 64, blocks of 64 columns) in
// int8. A row's values hang on nothing but the row. A sequence is a table of page numbers; who owns which is not said.
#pragma once
#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "arena.h"
#include "half.h"
#include "kernels.h"

namespace fathom {

class Pages {
 public:
  static constexpr int64_t kTokens = 64;  // of a page

  // Address space for `count` pages; memory is taken where they are written.
  Pages(int64_t layers, int64_t width, const std::string& dtype, int64_t count)
      : layers_(layers), width_(width), count_(count) {
    type_ = dtype == "float32" ? Type::F32 : dtype == "bfloat16" ? Type::BF16 : Type::I8;
    if (dtype != this->dtype()) {
      throw std::invalid_argument("cache dtype '" + dtype + "' is not float32, bfloat16 or int8");
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
  int64_t page_bytes() const { return layers_ * kTokens * row_bytes(); }
  // Until it is taken back, a pass over these pages ends at its next op; callable from any thread.
  void interrupt(bool now) { interrupted_ = now; }
  bool interrupted() const { return interrupted_; }
  const char* dtype() const { return floats() ? "float32" : bf16() ? "bfloat16" : "int8"; }
  bool floats() const { return type_ == Type::F32; }

  void write(const Kernels& k, int64_t layer, int64_t page, int64_t token, const float* row) {
    uint8_t* to = at(layer, page, token);
    if (bf16()) return k.to_bf16(row, width_, reinterpret_cast<uint16_t*>(to));
    if (floats()) return void(std::copy_n(row, width_, reinterpret_cast<float*>(to)));
    for (int64_t i = 0; i < width_; i += kRounded, to += sizeof(Int8Block)) {
      auto* block = reinterpret_cast<Int8Block*>(to);
      float scale;
      int32_t sums[kRounded / 16];
      k.quantize_rows(row + i, 0, 1, std::min(kRounded, width_ - i), block->codes, &scale, sums);
      block->scale = float_to_half(scale);
    }
  }
  // The first n rows of one page as floats: the page itself, or widened into `scratch`.
  const float* read(const Kernels& k, int64_t layer, int64_t page, int64_t n, float* scratch) const {
    if (floats()) return reinterpret_cast<const float*>(at(layer, page, 0));
    for (int64_t token = 0; token < n; ++token) copy(k, layer, page, token, 0, width_, scratch + token * width_);
    return scratch;
  }
  // Columns [begin, begin + n) of one token's row as floats.
  void copy(const Kernels& k, int64_t layer, int64_t page, int64_t token, int64_t begin, int64_t n, float* to) const {
    const uint8_t* from = at(layer, page, token);
    if (bf16()) return k.from_bf16(reinterpret_cast<const uint16_t*>(from) + begin, n, to);
    if (floats()) return void(std::copy_n(reinterpret_cast<const float*>(from) + begin, n, to));
    for (int64_t end = begin + n, step; begin < end; begin += step, to += step) {
      uint16_t wide[kRounded];
      step = std::min(kRounded - begin % kRounded, end - begin);
      k.from_int8(reinterpret_cast<const Int8Block*>(from) + begin / kRounded, 1, wide);
      k.from_bf16(wide + begin % kRounded, step, to);
    }
  }
  // The first n rows of one page as bfloat16: the page itself, or widened into `scratch`. Not of a float32 cache.
  const uint16_t* halves(const Kernels& k, int64_t layer, int64_t page, int64_t n, uint16_t* scratch) const {
    const uint8_t* from = at(layer, page, 0);
    if (bf16()) return reinterpret_cast<const uint16_t*>(from);
    for (int64_t token = 0; token < n; ++token, from += row_bytes()) {  // overwrites what the row before left behind it
      k.from_int8(reinterpret_cast<const Int8Block*>(from), blocks(), scratch + token * width_);
    }
    return scratch;
  }
  int64_t scratch() const { return floats() ? 0 : kTokens * width_ + kRounded; }  // values of either type

 private:
  bool bf16() const { return type_ == Type::BF16; }
  int64_t blocks() const { return (width_ + kRounded - 1) / kRounded; }
  int64_t row_bytes() const { return floats() ? 4 * width_ : bf16() ? 2 * width_ : blocks() * sizeof(Int8Block); }
  uint8_t* at(int64_t layer, int64_t page, int64_t token) const {
    return static_cast<uint8_t*>(slab_.get()) + page * page_bytes() + (layer * kTokens + token) * row_bytes();
  }

  int64_t layers_, width_, count_;
  Type type_;
  std::atomic<bool> interrupted_{false};
  std::shared_ptr<void> slab_;
};

}  // namespace fathom
