#include "sample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

// Compiled for several levels, picked by the loader: no fused products, one order of sums, so the bits are the same.
// Not for ThreadSanitizer, which is not there yet when the loader asks.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#define FATHOM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FATHOM_CLONES
#endif

namespace fathom {
namespace {

constexpr int64_t kBlock = 256;  // logits whose maximum and sum are taken together
constexpr int kLanes = 8;        // partial sums side by side: their order is fixed, and compilers vectorise it
constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint32_t bits(float x) {
  uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}

// e^x of x <= 0 to 2 units in the last place, 0 below -87: 2^n times a polynomial (Cephes) in the rest.
inline float exp_negative(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number in the low bits
  float inside = x < -87.0f ? -87.0f : x;
  float shifted = inside * 1.44269504f + kRound, n = shifted - kRound;
  float r = inside - n * 0.693359375f - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  uint32_t u = (bits(shifted) - bits(kRound) + 127u) << 23;
  float scale;
  std::memcpy(&scale, &u, sizeof scale);
  return x < -87.0f ? 0.0f : (p * r * r + r + 1.0f) * scale;
}

struct Peak {
  int64_t id;
  float value;
  bool finite;
};

// Floats compared as integers of the same order: compilers vectorise that without being told to reorder floats.
FATHOM_CLONES Peak peak(const float* x, int64_t n) {
  int32_t best = INT32_MIN, largest = 0;  // the largest magnitude tells infinities and NaN
  int64_t where = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    int64_t end = std::min(n, start + kBlock);
    int32_t high = INT32_MIN;
    for (int64_t i = start; i < end; ++i) {
      int32_t b = static_cast<int32_t>(bits(x[i])), magnitude = b & 0x7fffffff, key = b < 0 ? -magnitude : magnitude;
      high = std::max(high, key);
      largest = std::max(largest, magnitude);
    }
    if (high > best) best = high, where = start;
  }
  uint32_t u = best < 0 ? 0x80000000u | static_cast<uint32_t>(-best) : static_cast<uint32_t>(best);
  float value;
  std::memcpy(&value, &u, sizeof value);
  while (where < n && x[where] != value) ++where;
  return {where < n ? where : 0, value, largest < 0x7f800000};
}

// Weights e^((x - max) / temperature) into `out`, their sum per block into `sums`; returns the sum of all.
FATHOM_CLONES
double weigh(const float* x, int64_t n, float max, float temperature, float* out, std::vector<double>& sums) {
  sums.clear();
  double total = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    int64_t count = std::min(kBlock, n - start), i = 0;
    float* w = out + start;
    for (int64_t j = 0; j < count; ++j) w[j] = exp_negative((x[start + j] - max) / temperature);
    double part[kLanes] = {};
    for (; i + kLanes <= count; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) part[j] += w[i + j];
    }
    for (; i < count; ++i) part[0] += w[i];
    sums.push_back(std::accumulate(part, part + kLanes, 0.0));
    total += sums.back();
  }
  return total;
}

// The place in w whose cumulative weight first exceeds `target`; the last that weighs anything if rounding hides it.
template <class Weight>
int64_t place(int64_t begin, int64_t end, double target, Weight weight) {
  int64_t last = begin;
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    double w = weight(i);
    if (w > 0) last = i;
    if ((sum += w) > target) return i;
  }
  return last;
}

}  // namespace

double logsumexp(const float* logits, int64_t n) {
  Peak best = peak(logits, n);
  if (!best.finite) return std::numeric_limits<double>::quiet_NaN();
  static thread_local std::vector<float> weights;
  static thread_local std::vector<double> sums;
  weights.resize(n);
  return best.value + std::log(weigh(logits, n, best.value, 1, weights.data(), sums));
}

std::vector<int64_t> top(const float* logits, int64_t n, int64_t k) {
  k = std::min(k, n);
  auto before = [logits](int64_t a, int64_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::vector<int64_t> ids;
  if (k <= 0) return ids;
  size_t room = static_cast<size_t>(std::min(n, 2 * k + 64));
  ids.reserve(room);
  bool full = false;
  float least = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (full && !(logits[i] > least)) continue;  // of equals the earlier ones win
    ids.push_back(i);
    if (ids.size() == room && i + 1 < n) {
      std::nth_element(ids.begin(), ids.begin() + (k - 1), ids.end(), before);
      ids.resize(k);
      least = logits[ids.back()];
      full = true;
    }
  }
  std::sort(ids.begin(), ids.end(), before);
  ids.resize(k);
  return ids;
}

int64_t draw(const float* logits, const bool* mask, int64_t n, const Choice& c) {
  Peak best = peak(logits, n);
  if (!best.finite) return -1;
  static thread_local std::vector<float> allowed, weights;
  static thread_local std::vector<double> sums;
  if (mask) {
    allowed.resize(n);
    for (int64_t i = 0; i < n; ++i) allowed[i] = mask[i] ? logits[i] : -kInfinity;
    logits = allowed.data();
    best = peak(logits, n);
  }
  if (c.temperature == 0 || c.top_k == 1 || best.value == -kInfinity) return best.id;
  weights.resize(n);
  const float* w = weights.data();
  double total = weigh(logits, n, best.value, c.temperature, weights.data(), sums);

  std::vector<int64_t> ids;
  if (c.top_k > 0 && c.top_k < n) {
    ids = top(logits, n, c.top_k);
    total = 0;
    for (int64_t id : ids) total += w[id];
  } else if (c.top_p < 1) {
    // All tokens below this weight together hold less than 1 - top_p: none of them is in the nucleus.
    double least = (1 - c.top_p) * total / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      if (w[i] >= least) ids.push_back(i);
    }
    std::stable_sort(ids.begin(), ids.end(), [logits](int64_t a, int64_t b) { return logits[a] > logits[b]; });
  } else if (c.min_p > 0) {
    for (int64_t i = 0; i < n; ++i) {
      if (w[i] >= c.min_p) ids.push_back(i);
    }
  } else {  // nothing is cut: the block first, then the token in it
    double target = c.uniform * total;
    size_t block = 0;
    while (block + 1 < sums.size() && target >= sums[block]) target -= sums[block++];
    while (sums[block] == 0) --block;
    int64_t start = static_cast<int64_t>(block) * kBlock;
    return place(start, std::min(n, start + kBlock), target, [w](int64_t i) { return w[i]; });
  }
  if (c.top_p < 1) {
    double sum = 0;
    size_t keep = 0;
    while (keep < ids.size()) {
      sum += w[ids[keep++]];
      if (sum >= c.top_p * total) break;
    }
    ids.resize(keep);
  }
  if (c.min_p > 0) {
    ids.erase(std::remove_if(ids.begin(), ids.end(), [&](int64_t i) { return w[i] < c.min_p; }), ids.end());
  }
  double kept = 0;
  for (int64_t id : ids) kept += w[id];
  return ids[place(0, static_cast<int64_t>(ids.size()), c.uniform * kept, [&](int64_t i) { return w[ids[i]]; })];
}

}  // namespace fathom
