// The latent cache of one sequence: per token and layer the row [c_kv | k_pe] that latent attention reads, float32 or
// bfloat16. Pages of 64 tokens hold all layers, (layers, 64, width), and come and go with the length.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "arena.h"
#include "kernels.h"

namespace fathom {

class Cache {
 public:
  static constexpr int64_t kPage = 64;  // tokens

  Cache(int64_t layers, int64_t width, const std::string& dtype);  // "float32" or "bfloat16"
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  int64_t layers() const { return layers_; }
  int64_t width() const { return width_; }
  int64_t tokens() const { return tokens_; }
  int64_t nbytes() const { return static_cast<int64_t>(pages_.size()) * page_bytes(); }
  const char* dtype() const { return bf16_ ? "bfloat16" : "float32"; }

  void reserve(int64_t tokens);        // pages for that many tokens in all; the length stays
  void commit(int64_t tokens);         // the length after a finished forward pass
  void truncate(int64_t tokens);       // forgets later tokens and gives their pages back
  void write(const Kernels& k, int64_t layer, int64_t token, const float* row);
  // The rows of one page as floats: the page itself, or its first n rows widened into `scratch` (kPage * width).
  const float* read(const Kernels& k, int64_t layer, int64_t page, int64_t n, float* scratch) const;
  int64_t scratch_floats() const { return bf16_ ? kPage * width_ : 0; }

 private:
  int64_t element() const { return bf16_ ? 2 : 4; }
  int64_t page_bytes() const { return layers_ * kPage * width_ * element(); }
  uint8_t* at(int64_t layer, int64_t page, int64_t row) const {
    return pages_[page].get() + ((layer * kPage + row) * width_) * element();
  }

  int64_t layers_, width_, tokens_ = 0;
  bool bf16_;
  std::vector<AlignedBytes> pages_;
};

}  // namespace fathom
