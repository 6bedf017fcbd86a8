// The slab of latent pages. A page holds, for 64 consecutive tokens of one sequence, the rows [c_kv | k_pe] that latent
// attention reads, of all layers: (layers, 64, width) in float32 or bfloat16. A sequence is a table of page numbers;
// who owns which page is not known here.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "kernels.h"

namespace fathom {

class Pages {
 public:
  static constexpr int64_t kTokens = 64;  // of a page

  // Address space for `count` pages; memory is taken where they are written.
  Pages(int64_t layers, int64_t width, const std::string& dtype, int64_t count);

  int64_t layers() const { return layers_; }
  int64_t width() const { return width_; }
  int64_t count() const { return count_; }
  int64_t page_bytes() const { return layers_ * kTokens * width_ * element(); }
  const char* dtype() const { return bf16_ ? "bfloat16" : "float32"; }

  void write(const Kernels& k, int64_t layer, int64_t page, int64_t token, const float* row);
  // The rows of one page as floats: the page itself, or its first n rows widened into `scratch` (kTokens * width).
  const float* read(const Kernels& k, int64_t layer, int64_t page, int64_t n, float* scratch) const;
  int64_t scratch_floats() const { return bf16_ ? kTokens * width_ : 0; }

 private:
  int64_t element() const { return bf16_ ? 2 : 4; }
  uint8_t* at(int64_t layer, int64_t page, int64_t token) const {
    return static_cast<uint8_t*>(slab_.get()) + page * page_bytes() + (layer * kTokens + token) * width_ * element();
  }

  int64_t layers_, width_, count_;
  bool bf16_;
  std::shared_ptr<void> slab_;
};

}  // namespace fathom
