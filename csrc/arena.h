// Memory from the system, and scratch without allocation in the steady state: take() bumps a pointer, reset() forgets
// everything taken.
#pragma once
#include <sys/mman.h>

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

// Zeroed memory on huge pages where the system has them. It is taken as it is touched: address space costs nothing.
inline std::shared_ptr<void> map_zeroed(int64_t nbytes) {
  constexpr size_t kHugePage = size_t{1} << 21;
  size_t size = static_cast<size_t>(nbytes) + kHugePage;  // room to begin on a huge page
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(mapped, size, MADV_HUGEPAGE);  // a hint; without huge pages it only fails
#endif
  auto* start = static_cast<char*>(mapped) + (-reinterpret_cast<uintptr_t>(mapped) & (kHugePage - 1));
  return std::shared_ptr<void>(start, [mapped, size](void*) { munmap(mapped, size); });
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
