// Plain rounding of dense weights to int8 or int4 groups.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <system_error>
#include <thread>
#include <vector>

#include "half.h"
#include "kernels.h"
#include "pack.h"
#include "pack_common.h"

namespace fathom {
namespace {

int fitting_group(int group, int64_t cols) {
  while (group > 32 && cols % group != 0) group /= 2;
  return group;
}

// One group of one row: `count` weights to codes; returns the scale's bits. The rest up to `group` keeps the zero code.
uint16_t round_group(const float* w, int64_t count, Type type, int zero, uint8_t* codes) {
  float largest = 0.0f;  // of greatest magnitude, with its sign
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(w[i])) throw std::invalid_argument("not finite: the weights hold NaN or infinity");
    if (std::fabs(w[i]) > std::fabs(largest)) largest = w[i];
  }
  uint16_t bits = float_to_half(type == Type::I8 ? std::fabs(largest) / 127.0f : largest / -8.0f);
  float scale = half_to_float(bits);  // codes are rounded against the scale as stored
  if (!std::isfinite(scale)) {
    throw std::invalid_argument("a weight of " + std::to_string(largest) + " is too large for a half-precision scale");
  }
  if (scale == 0.0f) return 0;
  float inverse = 1.0f / scale, low = type == Type::I8 ? -127.0f : -8.0f, high = type == Type::I8 ? 127.0f : 7.0f;
  for (int64_t i = 0; i < count; ++i) {
    float q = std::nearbyintf(std::min(std::max(w[i] * inverse, low), high));
    codes[i] = static_cast<uint8_t>(static_cast<int>(q) + zero);
  }
  return bits;
}

}  // namespace

void in_threads(int64_t blocks, int64_t weights, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kWorthAThread = 1 << 19;
  int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  int64_t n = std::max<int64_t>(1, std::min({cores, int64_t{16}, blocks, weights / kWorthAThread}));
  std::vector<std::exception_ptr> failures(n);
  auto part = [&](int64_t i) {
    try {
      work(blocks * i / n, blocks * (i + 1) / n);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(n);
  for (int64_t i = 1; i < n; ++i) {
    try {
      threads.emplace_back(part, i);
    } catch (const std::system_error&) {  // no thread to be had: its part is done here
      part(i);
    }
  }
  part(0);
  for (auto& thread : threads) thread.join();
  for (auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

Matrix pack_dense(const uint8_t* data, int64_t nbytes, Type source, int64_t rows, int64_t cols, int bits, int group) {
  if (bits != 4 && bits != 8) throw std::invalid_argument(std::to_string(bits) + " bits: weights pack to 4 or 8");
  if (group != 32 && group != 64 && group != 128) {
    throw std::invalid_argument("a group of " + std::to_string(group) + ": choose 32, 64 or 128");
  }
  Matrix dense = dense_shape(source, rows, cols);
  need_bytes(nbytes, dense.nbytes, type_name(source), rows, cols);
  dense.codes = data;
  Type type = bits == 8 ? Type::I8 : Type::I4;
  Matrix w = allocate(packed_shape(type, Scale::F16, false, fitting_group(group, cols), rows, cols));
  Planes planes(w);
  int64_t width = w.padded_cols(), groups = width / w.group, block_bytes = width * kLanes / (bits == 8 ? 1 : 2);

  in_threads(w.padded_rows() / kLanes, rows * cols, [&](int64_t begin, int64_t end) {
    std::vector<float> row(cols);
    std::vector<uint8_t> codes(kLanes * width);
    for (int64_t block = begin; block < end; ++block) {
      std::fill(codes.begin(), codes.end(), static_cast<uint8_t>(w.zero()));
      for (int64_t lane = 0; lane < std::min<int64_t>(kLanes, rows - block * kLanes); ++lane) {
        kernels_portable()->row(dense, block * kLanes + lane, row.data());
        for (int64_t g = 0; g < groups; ++g) {
          int64_t k = g * w.group, count = std::min<int64_t>(w.group, cols - k);
          planes.half_scales[(block * groups + g) * kLanes + lane] =
              round_group(row.data() + k, count, type, w.zero(), codes.data() + lane * width + k);
        }
      }
      interleave(type, codes.data(), width, width, planes.codes + block * block_bytes);
    }
  });
  return w;
}

bool all_finite(const Matrix& w) {
  auto finite_half = [](const uint16_t* p, int64_t n) {
    return std::none_of(p, p + n, [](uint16_t bits) { return (bits & 0x7c00) == 0x7c00; });
  };
  if (w.packed()) {
    int64_t elements = w.padded_rows() * w.padded_cols();
    if (w.scale == Scale::F16) return finite_half(reinterpret_cast<const uint16_t*>(w.scales), elements / w.group);
    return finite_half(w.supers, elements / 256) && (!w.has_min || finite_half(w.supers_min, elements / 256));
  }
  std::atomic<bool> finite{true};
  in_threads(w.rows, w.rows * w.cols, [&](int64_t begin, int64_t end) {
    std::vector<float> row(w.cols);
    for (int64_t r = begin; r < end && finite; ++r) {
      kernels_portable()->row(w, r, row.data());
      if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); })) finite = false;
    }
  });
  return finite;
}

}  // namespace fathom
