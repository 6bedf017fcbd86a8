// Multi-head latent attention over the latent cache, in its two equal forms (per head: K = W_UK c, V = W_UV c):
//   absorbed  s = (W_UK^T q_nope . c + q_pe . k_pe) scale,  o = W_UV (softmax(s) c): multi-query attention against the
//             cache rows themselves, R + dr wide.
//   expanded  K and V of every cached token first, a page at a time; then plain attention, dn + dr wide.
// Keys are cut at absolute positions and partial softmax states merged in their order, so a result depends neither on
// the number of threads nor, within one form, on how a text was cut into passes.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "runner.h"

namespace fathom {
namespace {

constexpr int64_t kPage = Cache::kPage;
constexpr int64_t kSplitPages = 2;      // one absorbed unit of work: 128 keys
constexpr int64_t kQueries = 16;        // (token, head) queries of such a unit
constexpr int64_t kAbsorbTokens = 128;  // absorbed at a time
constexpr int64_t kQueryBlock = 64;     // expanded: queries of one flash block
constexpr float kNone = -std::numeric_limits<float>::infinity();

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Running softmax state of some queries: see Kernels::attend.
struct State {
  float *m, *l, *acc;

  State(float* memory, int64_t queries) : m(memory), l(memory + queries), acc(memory + 2 * queries) {}
  static int64_t floats(int64_t queries, int64_t dv) { return queries * (dv + 2); }
  void clear(int64_t queries, int64_t dv) {
    std::fill_n(m, queries, kNone);
    std::fill_n(l, queries * (dv + 1), 0.0f);
  }
};

class LatentAttention : public Op {
 public:
  explicit LatentAttention(const OpSpec& s)
      : out_(s.output),
        heads_(s.integer("heads")),
        nope_(s.integer("nope")),
        rope_(s.integer("rope")),
        dv_(s.integer("v")),
        rank_(s.integer("rank")),
        layer_(s.integer("layer")),
        scale_(static_cast<float>(s.number("scale"))) {
    s.expect_counts(2, s.matrices.size(), 0);
    q_ = s.inputs[0];
    kv_a_ = s.inputs[1];
    s.expect(heads_ >= 1 && nope_ >= 1 && dv_ >= 1 && rank_ >= 1, "sizes must be positive");
    s.expect(q_.width == heads_ * (nope_ + rope_), "q has another width");
    s.expect(kv_a_.width == rank_ + rope_, "kv_a has another width");
    s.expect(out_.width == heads_ * dv_ && out_.buffer != q_.buffer, "the output does not fit");
    s.expect(s.matrices.size() == 1 || s.matrices.size() == 2, "needs kv_b, or its two halves");
    split_ = s.matrices.size() == 2;
    k_b_ = s.matrices[0];
    v_b_ = s.matrices.back();
    if (split_) {
      s.expect_shape(k_b_, heads_ * rank_, nope_);
      s.expect_shape(v_b_, heads_ * dv_, rank_);
    } else {
      s.expect_shape(k_b_, heads_ * (nope_ + dv_), rank_);
    }
  }

  void run(Pass& p) const override {
    Rows rows = p.rows(kv_a_);
    p.pool.split(p.n, 1, double(kv_a_.width), [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) p.cache.write(p.k, layer_, p.position + t, rows[t]);
    });
    if (p.form == Form::Expanded || (p.form == Form::Auto && expanding_pays(p))) {
      expanded(p);
    } else {
      for (int64_t t = 0; t < p.n; t += kAbsorbTokens) absorbed(p, t, std::min(kAbsorbTokens, p.n - t));
    }
  }

 private:
  // Multiply-adds per head: the expanded form also computes K and V of the cached tokens, the absorbed one pays for the
  // longer rows in every score. Always true of a fresh prompt; with a long cache from about 170 new tokens on (V2).
  bool expanding_pays(const Pass& p) const {
    double scores = double(p.n) * (double(p.position) + 0.5 * double(p.n));
    return double(p.position) * double(rank_ * (nope_ + dv_)) < scores * double(2 * rank_ - nope_ - dv_);
  }

  // kv_b comes whole, (heads, nope + v, rank), or as k_b (heads, rank, nope), transposed as in GGUF, and v_b.
  // q W_UK of one head: (n, rank).
  void absorb_queries(const Kernels& k, int64_t h, const float* q, int64_t ldq, int64_t n, float* y,
                      int64_t ldy) const {
    if (split_) return k.linear(k_b_, h * rank_, (h + 1) * rank_, q, ldq, n, y, ldy);
    int64_t row = h * (nope_ + dv_);
    k.linear_t(k_b_, row, row + nope_, q, ldq, n, y, ldy);
  }
  // W_UK c of one head: (n, nope).
  void expand_keys(const Kernels& k, int64_t h, const float* c, int64_t ldc, int64_t n, float* y, int64_t ldy) const {
    if (split_) return k.linear_t(k_b_, h * rank_, (h + 1) * rank_, c, ldc, n, y, ldy);
    int64_t row = h * (nope_ + dv_);
    k.linear(k_b_, row, row + nope_, c, ldc, n, y, ldy);
  }
  // W_UV c of one head: (n, v).
  void expand_values(const Kernels& k, int64_t h, const float* c, int64_t ldc, int64_t n, float* y, int64_t ldy) const {
    int64_t row = split_ ? h * dv_ : h * (nope_ + dv_) + nope_;
    k.linear(v_b_, row, row + dv_, c, ldc, n, y, ldy);
  }

  // Tokens [t0, t0 + n) of the pass.
  void absorbed(Pass& p, int64_t t0, int64_t n) const {
    Rows q = p.rows(q_), out = p.rows(out_);
    int64_t width = rank_ + rope_, queries = n * heads_;
    auto* absorbed_q = p.arena.take<float>(queries * width);  // (n, heads, rank + rope)
    auto* context = p.arena.take<float>(queries * rank_);     // (n, heads, rank)
    double head_cost = double(n) * double(rank_);
    p.pool.split(heads_, 1, head_cost * double(nope_), [&](int64_t begin, int64_t end, int) {
      for (int64_t h = begin; h < end; ++h) {
        const float* from = q[t0] + h * (nope_ + rope_);
        float* to = absorbed_q + h * width;
        absorb_queries(p.k, h, from, q.ld, n, to, heads_ * width);
        for (int64_t t = 0; t < n; ++t) {
          std::memcpy(to + t * heads_ * width + rank_, from + t * q.ld + nope_, rope_ * sizeof(float));
        }
      }
    });
    attend_latents(p, t0, queries, absorbed_q, context);
    p.pool.split(heads_, 1, head_cost * double(dv_), [&](int64_t begin, int64_t end, int) {
      for (int64_t h = begin; h < end; ++h) {
        expand_values(p.k, h, context + h * rank_, heads_ * rank_, n, out[t0] + h * dv_, out.ld);
      }
    });
  }

  // Units of work are (16 queries) x (128 keys); whoever finishes the last unit of a block of queries merges them.
  // Blocks come in waves, so that the partial states need little memory however long the context is.
  void attend_latents(Pass& p, int64_t t0, int64_t queries, const float* q, float* context) const {
    int64_t block_floats = State::floats(kQueries, rank_);
    int64_t blocks = ceil_div(queries, kQueries);
    auto last_key = [&](int64_t query) { return p.position + t0 + query / heads_ + 1; };
    auto splits_of = [&](int64_t block) {
      return ceil_div(last_key(std::min(queries, (block + 1) * kQueries) - 1), kSplitPages * kPage);
    };
    int64_t splits = splits_of(blocks - 1);
    int64_t wave = std::min(blocks, std::max<int64_t>(1, 8 * p.pool.threads() / splits));
    auto* states = p.arena.take<float>(wave * splits * block_floats);
    std::vector<std::atomic<int64_t>> left(wave);
    for (int64_t block0 = 0; block0 < blocks; block0 += wave) {
      int64_t count = std::min(wave, blocks - block0);
      for (int64_t b = 0; b < count; ++b) left[b] = splits_of(block0 + b);
      p.pool.run(count * splits, [&](int64_t unit, int thread) {
        int64_t b = unit / splits, split = unit % splits, block = block0 + b;
        if (split >= splits_of(block)) return;
        int64_t first = block * kQueries, nq = std::min(kQueries, queries - first);
        float* memory = states + b * splits * block_floats;
        State state(memory + split * block_floats, kQueries);
        state.clear(kQueries, rank_);
        int32_t visible[kQueries];
        int64_t keys = last_key(first + nq - 1);
        Arena& scratch = p.workers[thread];
        scratch.reset();
        auto* wide = scratch.take<float>(p.cache.scratch_floats());
        for (int64_t page = split * kSplitPages; page < (split + 1) * kSplitPages && page * kPage < keys; ++page) {
          int64_t n_keys = std::min(kPage, keys - page * kPage);
          for (int64_t i = 0; i < nq; ++i) {
            visible[i] = int32_t(std::clamp<int64_t>(last_key(first + i) - page * kPage, 0, n_keys));
          }
          const float* c = p.cache.read(p.k, layer_, page, n_keys, wide);
          int64_t width = rank_ + rope_;
          p.k.attend(q + first * width, width, nq, c, width, width, c, width, rank_, n_keys, visible, scale_, state.m,
                     state.l, state.acc);
        }
        if (left[b].fetch_sub(1) == 1) merge(p.k, memory, block_floats, splits_of(block), nq, context + first * rank_);
      });
    }
  }

  // Log-sum-exp over the splits in their order; a split that showed a query no key (l = 0) does not count. One whose
  // keys were all NaN has m = -inf as well, but l = NaN, and must show.
  void merge(const Kernels& k, float* memory, int64_t stride, int64_t splits, int64_t nq, float* context) const {
    for (int64_t i = 0; i < nq; ++i) {
      float max = kNone, sum = 0;
      for (int64_t s = 0; s < splits; ++s) max = std::max(max, State(memory + s * stride, kQueries).m[i]);
      float* y = context + i * rank_;
      std::fill_n(y, rank_, 0.0f);
      for (int64_t s = 0; s < splits; ++s) {
        State part(memory + s * stride, kQueries);
        if (part.l[i] == 0.0f) continue;
        float weight = std::exp(part.m[i] - max);
        sum += weight * part.l[i];
        k.axpy(weight, part.acc + i * rank_, rank_, y);
      }
      for (int64_t r = 0; r < rank_; ++r) y[r] /= sum;
    }
  }

  // Units of work are heads, or parts of the queries of a head where heads are fewer than threads.
  void expanded(Pass& p) const {
    int64_t wanted = heads_ >= p.pool.threads() ? 1 : ceil_div(2 * p.pool.threads(), heads_);
    int64_t step = ceil_div(ceil_div(p.n, wanted), kQueryBlock) * kQueryBlock, parts = ceil_div(p.n, step);
    p.pool.run(heads_ * parts, [&](int64_t unit, int thread) {
      int64_t t0 = unit % parts * step;
      expanded_head(p, unit / parts, t0, std::min(step, p.n - t0), p.workers[thread]);
    });
  }

  void expanded_head(Pass& p, int64_t h, int64_t t0, int64_t n, Arena& scratch) const {
    Rows q = p.rows(q_), out = p.rows(out_);
    int64_t width = rank_ + rope_, dk = nope_ + rope_, keys = p.position + t0 + n;
    scratch.reset();
    auto* wide = scratch.take<float>(p.cache.scratch_floats());
    auto* key = scratch.take<float>(kPage * dk);
    auto* value = scratch.take<float>(kPage * dv_);
    State state(scratch.take<float>(State::floats(n, dv_)), n);
    state.clear(n, dv_);
    int32_t visible[kQueryBlock];
    for (int64_t base = 0; base < keys; base += kPage) {
      int64_t n_keys = std::min(kPage, keys - base);
      const float* c = p.cache.read(p.k, layer_, base / kPage, n_keys, wide);
      expand_keys(p.k, h, c, width, n_keys, key, dk);
      expand_values(p.k, h, c, width, n_keys, value, dv_);
      for (int64_t j = 0; j < n_keys; ++j) {
        std::memcpy(key + j * dk + nope_, c + j * width + rank_, rope_ * sizeof(float));
      }
      for (int64_t i0 = 0; i0 < n; i0 += kQueryBlock) {
        int64_t nq = std::min(kQueryBlock, n - i0), seen = p.position + t0 + i0 + 1 - base;  // by the block's first
        if (seen + nq - 1 <= 0) continue;
        for (int64_t i = 0; i < nq; ++i) visible[i] = int32_t(std::clamp<int64_t>(seen + i, 0, n_keys));
        p.k.attend(q[t0 + i0] + h * dk, q.ld, nq, key, dk, dk, value, dv_, dv_, n_keys, visible, scale_, state.m + i0,
                   state.l + i0, state.acc + i0 * dv_);
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      float* y = out[t0 + i] + h * dv_;
      for (int64_t j = 0; j < dv_; ++j) y[j] = state.acc[i * dv_ + j] / state.l[i];
    }
  }

  View q_, kv_a_, out_;
  Matrix k_b_, v_b_;
  bool split_;
  int64_t heads_, nope_, rope_, dv_, rank_, layer_;
  float scale_;
};

}  // namespace

std::unique_ptr<Op> make_attention(const OpSpec& spec) {
  return spec.kind == "latent_attention" ? std::make_unique<LatentAttention>(spec) : nullptr;
}

}  // namespace fathom
