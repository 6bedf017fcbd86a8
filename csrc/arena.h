// Scratch memory without allocation in the steady state: take() bumps a pointer, reset() forgets everything taken.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace fathom {

struct FreeBytes {
  void operator()(uint8_t* p) const { std::free(p); }
};
using AlignedBytes = std::unique_ptr<uint8_t, FreeBytes>;

// 64-byte aligned and not touched: large blocks cost memory only where they are written.
inline AlignedBytes allocate_aligned(int64_t nbytes) {
  auto* p = static_cast<uint8_t*>(std::aligned_alloc(64, (nbytes + 64) / 64 * 64));
  if (!p) throw std::bad_alloc();
  return AlignedBytes(p);
}

class Arena {
 public:
  // n values of a plain type, uninitialised, 64-byte aligned, valid until the next reset().
  template <class T>
  T* take(int64_t n) {
    int64_t nbytes = (n * static_cast<int64_t>(sizeof(T)) + 64) / 64 * 64;
    if (used_ + nbytes > size_) grow(nbytes);
    T* p = reinterpret_cast<T*>(blocks_.back().get() + used_);
    used_ += nbytes;
    return p;
  }

  void reset() {
    if (blocks_.size() > 1) {  // one block of the whole size next time
      blocks_.clear();
      size_ = 0;
      grow(total_);
    }
    used_ = 0;
  }

 private:
  void grow(int64_t nbytes) {
    blocks_.push_back(allocate_aligned(nbytes));
    total_ = blocks_.size() == 1 ? nbytes : total_ + nbytes;
    size_ = nbytes;
    used_ = 0;
  }

  std::vector<AlignedBytes> blocks_;
  int64_t size_ = 0, used_ = 0, total_ = 0;  // of the last block; of all blocks
};

}  // namespace fathom
