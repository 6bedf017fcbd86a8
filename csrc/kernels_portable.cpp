// The portable level: the plain twin of every kernel. Loops one can check by reading; the only liberty is `dot`, whose
// eight partial sums let any compiler use the vectors the target has.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "half.h"
#include "kernels.h"

namespace fathom {
namespace {

// ---- decoding ----

float load_dense(const Matrix& w, int64_t index) {
  if (w.type == Type::F32) {
    float value;
    std::memcpy(&value, w.codes + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, w.codes + index * 2, 2);
  return w.type == Type::F16 ? half_to_float(bits) : bf16_to_float(bits);
}

// The codes of row r, columns [k, k + n), in 8s (matrix.h draws the lines).
void codes_at(const Matrix& w, int64_t r, int64_t k, int64_t n, uint8_t* out) {
  int64_t block = r / 16 * 16 * w.padded_cols(), lane = r % 16 * 4;
  if (w.type == Type::I8) {
    const uint8_t* line = w.codes + block + k * 16 + lane;
    for (int64_t i = 0; i < n; i += 4, line += 64) std::memcpy(out + i, line, 4);
    return;
  }
  const uint8_t* line = w.codes + block / 2 + k * 8 + lane;
  for (int64_t i = 0; i < n; i += 8, line += 64) {
    for (int j = 0; j < 4; ++j) {
      out[i + j] = line[j] & 15;
      out[i + 4 + j] = line[j] >> 4;
    }
  }
}

struct GroupScale {
  float scale, min;
};

// Scale and minimum of the group that holds (r, k). ggml's order of float operations: factor * multiplier first.
GroupScale scale_at(const Matrix& w, int64_t r, int64_t k) {
  int64_t block = r / 16, lane = r % 16, cols = w.padded_cols();
  int64_t group = (block * (cols / w.group) + k / w.group) * 16 + lane;
  if (w.scale == Scale::F16) {
    uint16_t bits;
    std::memcpy(&bits, w.scales + group * 2, 2);
    return {half_to_float(bits), 0.0f};
  }
  int64_t super = (block * (cols / 256) + k / 256) * 16 + lane;
  float scale = half_to_float(w.supers[super]) * static_cast<float>(static_cast<int8_t>(w.scales[group]));
  float min = w.has_min ? half_to_float(w.supers_min[super]) * static_cast<float>(w.mins[group]) : 0.0f;
  return {scale, min};
}

void row(const Matrix& w, int64_t r, float* y) {
  if (!w.packed()) {
    for (int64_t k = 0; k < w.cols; ++k) y[k] = load_dense(w, r * w.cols + k);
    return;
  }
  int zero = w.zero();
  for (int64_t k0 = 0; k0 < w.cols; k0 += w.group) {
    uint8_t codes[128];
    codes_at(w, r, k0, w.group, codes);
    GroupScale g = scale_at(w, r, k0);
    for (int64_t i = 0; i < std::min<int64_t>(w.cols - k0, w.group); ++i) {
      float value = g.scale * static_cast<float>(codes[i] - zero);
      y[k0 + i] = w.has_min ? value - g.min : value;
    }
  }
}

// ---- products ----

float dot(const float* a, const float* b, int64_t n) {
  float partial[8] = {};
  int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    for (int i = 0; i < 8; ++i) partial[i] += a[k + i] * b[k + i];
  }
  for (; k < n; ++k) partial[k % 8] += a[k] * b[k];
  return ((partial[0] + partial[4]) + (partial[1] + partial[5])) +
         ((partial[2] + partial[6]) + (partial[3] + partial[7]));
}

void axpy(float a, const float* x, int64_t k, float* y) {
  for (int64_t i = 0; i < k; ++i) y[i] += a * x[i];
}

void linear(const Matrix& w, int64_t row0, int64_t row1, const float* x, int64_t ldx, int64_t n, float* y,
            int64_t ldy) {
  std::vector<float> weights(w.cols);
  for (int64_t r = row0; r < row1; ++r) {
    row(w, r, weights.data());
    for (int64_t t = 0; t < n; ++t) y[t * ldy + r - row0] = dot(weights.data(), x + t * ldx, w.cols);
  }
}

void linear_t(const Matrix& w, int64_t row0, int64_t row1, const float* x, int64_t ldx, int64_t n, float* y,
              int64_t ldy) {
  std::vector<float> weights(w.cols);
  for (int64_t t = 0; t < n; ++t) std::fill_n(y + t * ldy, w.cols, 0.0f);
  for (int64_t r = row0; r < row1; ++r) {
    row(w, r, weights.data());
    for (int64_t t = 0; t < n; ++t) axpy(x[t * ldx + r - row0], weights.data(), w.cols, y + t * ldy);
  }
}

int32_t product_of_16(const int16_t* w, const int8_t* q) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += w[i] * q[i];
  return sum;
}

void linear_int8(const Matrix& w, int64_t row0, int64_t row1, const Int8Rows& x, float* y, int64_t ldy) {
  int64_t cols = std::min(w.padded_cols(), x.cols), step = std::min<int64_t>(w.group, kRounded);
  std::vector<uint8_t> codes(cols);
  std::vector<int16_t> weights(cols);
  std::vector<GroupScale> scales(cols / step);
  for (int64_t r = row0; r < row1; ++r) {
    codes_at(w, r, 0, cols, codes.data());
    for (int64_t k = 0; k < cols; ++k) weights[k] = static_cast<int16_t>(codes[k] - w.zero());
    for (int64_t i = 0; i < cols / step; ++i) scales[i] = scale_at(w, r, i * step);
    for (int64_t t = 0; t < x.n; ++t) {
      const int8_t* q = x.q + t * x.cols;
      const int32_t* sums = x.sums + t * (x.cols / 16);
      float sum = 0.0f;
      for (int64_t k = 0; k < cols; k += step) {
        int32_t product = 0, total = 0;
        for (int64_t i = k; i < k + step; i += 16) {
          product += product_of_16(weights.data() + i, q + i);
          total += sums[i / 16];
        }
        float x_scale = x.scale[t * (x.cols / kRounded) + k / kRounded];
        const GroupScale& group = scales[k / step];
        sum += static_cast<float>(product) * (group.scale * x_scale);
        if (w.has_min) sum -= static_cast<float>(total) * (group.min * x_scale);
      }
      y[t * ldy + r - row0] = sum;
    }
  }
}

void quantize_rows(const float* x, int64_t ldx, int64_t n, int64_t k, int8_t* q, float* scale, int32_t* sums) {
  int64_t blocks = (k + kRounded - 1) / kRounded;
  std::fill_n(q, n * blocks * kRounded, int8_t{0});
  for (int64_t t = 0; t < n; ++t) {
    for (int64_t b = 0; b < blocks; ++b) {
      const float* in = x + t * ldx + b * kRounded;
      int8_t* out = q + (t * blocks + b) * kRounded;
      int64_t count = std::min<int64_t>(kRounded, k - b * kRounded);
      uint32_t bits = 0;  // of the largest magnitude: as integers, NaN > infinity > every number
      for (int64_t i = 0; i < count; ++i) bits = std::max(bits, float_bits(in[i]) & 0x7fffffff);
      float largest = bits_float(bits);
      bool finite = bits < 0x7f800000, rounds = finite && largest >= 128 * FLT_MIN;
      scale[t * blocks + b] = rounds ? largest / 127.0f : finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
      float inverse = 127.0f / largest;
      for (int64_t i = 0; rounds && i < count; ++i) out[i] = static_cast<int8_t>(std::nearbyintf(in[i] * inverse));
      for (int64_t i = 0; i < kRounded; i += 16) *sums++ = std::accumulate(out + i, out + i + 16, 0);
    }
  }
}

// ---- small ones ----

void rms_norm(const float* x, const float* weight, float eps, int64_t k, float* y) {
  float factor = 1.0f / std::sqrt(dot(x, x, k) / static_cast<float>(k) + eps);
  for (int64_t i = 0; i < k; ++i) y[i] = x[i] * factor * weight[i];
}

void silu_mul(const float* gate, const float* up, int64_t k, float* y) {
  for (int64_t i = 0; i < k; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void to_bf16(const float* x, int64_t k, uint16_t* y) {
  for (int64_t i = 0; i < k; ++i) y[i] = float_to_bf16(x[i]);
}

void from_bf16(const uint16_t* x, int64_t k, float* y) {
  for (int64_t i = 0; i < k; ++i) y[i] = bf16_to_float(x[i]);
}

void from_int8(const Int8Block* x, int64_t n, uint16_t* y) {
  for (const Int8Block* end = x + n; x < end; ++x) {
    for (int8_t code : x->codes) *y++ = float_to_bf16(code * half_to_float(x->scale));
  }
}

// `round` is applied to the weights.
template <class Round>
void attend_rounded(const float* q, int64_t ldq, int64_t n_q, const float* k, int64_t ldk, int64_t dk, const float* v,
                    int64_t ldv, int64_t dv, int64_t n_k, const int32_t* visible, float scale, float* m, float* l,
                    float* acc, Round round) {
  std::vector<float> score(n_k);
  for (int64_t i = 0; i < n_q; ++i) {
    int64_t seen = std::min<int64_t>(visible[i], n_k);
    if (seen <= 0) continue;
    float largest = m[i], total = 0.0f;
    for (int64_t j = 0; j < seen; ++j) {
      score[j] = scale * dot(q + i * ldq, k + j * ldk, dk);
      largest = std::max(largest, score[j]);
    }
    float keep = std::exp(m[i] - largest);
    float* out = acc + i * dv;
    for (int64_t c = 0; c < dv; ++c) out[c] *= keep;
    for (int64_t j = 0; j < seen; ++j) {
      float p = round(std::exp(score[j] - largest));
      total += p;
      axpy(p, v + j * ldv, dv, out);
    }
    m[i] = largest;
    l[i] = l[i] * keep + total;
  }
}

void attend(const float* q, int64_t ldq, int64_t n_q, const float* k, int64_t ldk, int64_t dk, const float* v,
            int64_t ldv, int64_t dv, int64_t n_k, const int32_t* visible, float scale, float* m, float* l,
            float* acc) {
  attend_rounded(q, ldq, n_q, k, ldk, dk, v, ldv, dv, n_k, visible, scale, m, l, acc, [](float p) { return p; });
}

float rounded_to_bf16(float x) { return bf16_to_float(float_to_bf16(x)); }

void pack_query(const float* q, int64_t width, int64_t i, float* block) {
  std::transform(q, q + width, block + i * width, rounded_to_bf16);
}

void attend_latents(const float* q, int64_t n_q, const uint16_t* c, int64_t rank, int64_t rope, int64_t n_k,
                    const int32_t* visible, float scale, float* m, float* l, float* acc) {
  const int64_t width = rank + rope;
  std::vector<float> rows(n_k * width);
  from_bf16(c, n_k * width, rows.data());
  attend_rounded(q, width, n_q, rows.data(), width, width, rows.data(), width, rank, n_k, visible, scale, m, l, acc,
                 rounded_to_bf16);
}

constexpr Kernels kTable = {"portable", linear, linear_int8, linear_t, quantize_rows, row, rms_norm, silu_mul, axpy,
                            to_bf16, from_bf16, from_int8, attend, pack_query, attend_latents};

}  // namespace

const Kernels* kernels_portable() { return &kTable; }

}  // namespace fathom
