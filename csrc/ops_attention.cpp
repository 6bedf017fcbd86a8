// Multi-head latent attention over the latent cache, in its two equal forms (per head: K = W_UK c, V = W_UV c):
//   absorbed  s = (W_UK^T q_nope . c + q_pe . k_pe) scale,  o = W_UV (softmax(s) c): multi-query attention against the
//             cache rows themselves, R + dr wide.
//   expanded  K and V of every cached token first, a page at a time; then plain attention, dn + dr wide.
// Keys are cut at absolute positions and partial softmax states merged in their order, so a result depends neither on
// the number of threads, nor on what else is in the pass, nor, within one form, on how a text was cut into passes.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "runner.h"

namespace fathom {
namespace {

constexpr int64_t kPage = Pages::kTokens;
constexpr int64_t kSplitPages = 2;      // one absorbed unit of work: 128 keys
constexpr int64_t kQueries = 16;        // (token, head) queries of such a unit
constexpr int64_t kUnits = 64;      // at least so many units a job, if there are
constexpr int64_t kQueryBlock = 64; // expanded: queries of one flash block
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

// Queries [first, first + n) of the tokens from `row` on, absorbed: heads within tokens. `units` are its splits of the
// keys.
struct Block {
  const Token* tokens;
  int64_t first, n, at, unit, units;  // at: of the absorbed queries of the group; unit: number of its first one in a job
};

// f(row, n, at) for stretches of neighbouring rows; at: rows before.
template <class F>
void for_stretches(const Span* begin, const Span* end, F&& f) {
  for (int64_t at = 0; begin < end;) {
    int64_t row = begin->row, n = 0;
    for (; begin < end && begin->row == row + n; ++begin) n += begin->n;
    f(row, n, at);
    at += n;
  }
}

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
      for (int64_t t = begin; t < end; ++t) {
        const Token& token = p.tokens[t];
        p.pages.write(p.k, layer_, token.table[token.position / kPage], token.position % kPage, rows[t]);
      }
    });
    expanded(p);
    const Span *begin = p.absorbed.data(), *last = begin + p.absorbed.size();
    for (const Span* end = begin; begin < last; begin = end) {
      int64_t n = 0;
      for (; end < last && n + end->n <= kAbsorbed; ++end) n += end->n;
      absorbed(p, begin, end, n);
    }
  }

 private:
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

  // The n tokens of some spans.
  void absorbed(Pass& p, const Span* begin, const Span* end, int64_t n) const {
    Rows q = p.rows(q_), out = p.rows(out_);
    int64_t width = rank_ + rope_;
    p.arena.reset();
    auto* absorbed_q = p.arena.take<float>(n * heads_ * width);  // (n, heads, rank + rope)
    auto* context = p.arena.take<float>(n * heads_ * rank_);     // (n, heads, rank)
    double head_cost = double(n) * double(rank_);
    p.pool.split(heads_, 1, head_cost * double(nope_), [&](int64_t h0, int64_t h1, int) {
      for (int64_t h = h0; h < h1; ++h) {
        for_stretches(begin, end, [&](int64_t row, int64_t count, int64_t at) {
          const float* from = q[row] + h * (nope_ + rope_);
          float* to = absorbed_q + (at * heads_ + h) * width;
          absorb_queries(p.k, h, from, q.ld, count, to, heads_ * width);
          for (int64_t t = 0; t < count; ++t) {
            std::memcpy(to + t * heads_ * width + rank_, from + t * q.ld + nope_, rope_ * sizeof(float));
          }
        });
      }
    });
    attend_latents(p, begin, end, absorbed_q, context);
    p.pool.split(heads_, 1, head_cost * double(dv_), [&](int64_t h0, int64_t h1, int) {
      for (int64_t h = h0; h < h1; ++h) {
        for_stretches(begin, end, [&](int64_t row, int64_t count, int64_t at) {
          const float* from = context + (at * heads_ + h) * rank_;
          expand_values(p.k, h, from, heads_ * rank_, count, out[row] + h * dv_, out.ld);
        });
      }
    });
  }

  int64_t last_key(const Block& b, int64_t query) const { return b.tokens[(b.first + query) / heads_].position + 1; }

  std::vector<Block> cut(const Pass& p, const Span* begin, const Span* end) const {
    std::vector<Block> blocks;
    for (int64_t at = 0; begin < end; at += begin++->n * heads_) {
      for (int64_t first = 0; first < begin->n * heads_; first += kQueries) {
        Block b{&p.tokens[begin->row], first, std::min(kQueries, begin->n * heads_ - first), at + first, 0, 0};
        b.units = ceil_div(last_key(b, b.n - 1), kSplitPages * kPage);
        blocks.push_back(b);
      }
    }
    return blocks;
  }

  // Units of work are (16 queries) x (128 keys) of any of the sequences; whoever finishes the last unit of a block of
  // queries merges them. Blocks come in waves, so that the partial states need little memory however long the contexts.
  void attend_latents(Pass& p, const Span* begin, const Span* end, const float* q, float* context) const {
    int64_t block_floats = State::floats(kQueries, rank_), wave = std::max<int64_t>(kUnits, 8 * p.pool.threads());
    std::vector<Block> blocks = cut(p, begin, end);
    auto longest = [](const Block& a, const Block& b) { return a.units < b.units; };
    int64_t most = wave + std::max_element(blocks.begin(), blocks.end(), longest)->units;
    auto* states = p.arena.take<float>(most * block_floats);
    std::vector<std::atomic<int64_t>> left(blocks.size());
    for (size_t b0 = 0, b1 = 0; b0 < blocks.size(); b0 = b1) {
      int64_t units = 0;
      for (; b1 < blocks.size() && units < wave; units += blocks[b1++].units) {
        left[b1] = blocks[b1].units;
        blocks[b1].unit = units;
      }
      p.pool.run(units, [&](int64_t unit, int thread) {
        auto behind = [](int64_t number, const Block& b) { return number < b.unit; };
        auto found = std::upper_bound(blocks.begin() + b0, blocks.begin() + b1, unit, behind) - 1;
        const Block& b = *found;
        attend_split(p, b, unit - b.unit, q + b.at * (rank_ + rope_), states + unit * block_floats, p.workers[thread]);
        if (left[found - blocks.begin()].fetch_sub(1) == 1) {
          merge(p.k, states + b.unit * block_floats, block_floats, b.units, b.n, context + b.at * rank_);
        }
      });
    }
  }

  void attend_split(Pass& p, const Block& b, int64_t split, const float* q, float* memory, Arena& scratch) const {
    State state(memory, kQueries);
    state.clear(kQueries, rank_);
    scratch.reset();
    auto* wide = scratch.take<float>(p.pages.scratch_floats());
    int64_t keys = last_key(b, b.n - 1), width = rank_ + rope_;
    for (int64_t page = split * kSplitPages; page < (split + 1) * kSplitPages && page * kPage < keys; ++page) {
      int64_t n_keys = std::min(kPage, keys - page * kPage);
      int32_t visible[kQueries];
      for (int64_t i = 0; i < b.n; ++i) {
        visible[i] = int32_t(std::clamp<int64_t>(last_key(b, i) - page * kPage, 0, n_keys));
      }
      const float* c = p.pages.read(p.k, layer_, b.tokens->table[page], n_keys, wide);
      p.k.attend(q, width, b.n, c, width, width, c, width, rank_, n_keys, visible, scale_, state.m, state.l, state.acc);
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

  // Units of work are the heads of a span, or parts of its queries where there are fewer than threads.
  void expanded(Pass& p) const {
    int64_t heads = heads_ * static_cast<int64_t>(p.expanded.size()), threads = p.pool.threads();
    if (heads == 0) return;
    int64_t wanted = heads >= threads ? 1 : ceil_div(2 * threads, heads);
    std::vector<Span> parts;
    for (const Span& span : p.expanded) {
      int64_t step = ceil_div(ceil_div(span.n, wanted), kQueryBlock) * kQueryBlock;
      for (int64_t t = 0; t < span.n; t += step) parts.push_back({span.row + t, std::min(step, span.n - t)});
    }
    p.pool.run(heads_ * static_cast<int64_t>(parts.size()), [&](int64_t unit, int thread) {
      expanded_head(p, unit % heads_, parts[unit / heads_], p.workers[thread]);
    });
  }

  void expanded_head(Pass& p, int64_t h, const Span& span, Arena& scratch) const {
    Rows q = p.rows(q_), out = p.rows(out_);
    const Token& token = p.tokens[span.row];
    int64_t width = rank_ + rope_, dk = nope_ + rope_, n = span.n, keys = token.position + n;
    scratch.reset();
    auto* wide = scratch.take<float>(p.pages.scratch_floats());
    auto* key = scratch.take<float>(kPage * dk);
    auto* value = scratch.take<float>(kPage * dv_);
    State state(scratch.take<float>(State::floats(n, dv_)), n);
    state.clear(n, dv_);
    int32_t visible[kQueryBlock];
    for (int64_t base = 0; base < keys; base += kPage) {
      int64_t n_keys = std::min(kPage, keys - base);
      const float* c = p.pages.read(p.k, layer_, token.table[base / kPage], n_keys, wide);
      expand_keys(p.k, h, c, width, n_keys, key, dk);
      expand_values(p.k, h, c, width, n_keys, value, dv_);
      for (int64_t j = 0; j < n_keys; ++j) {
        std::memcpy(key + j * dk + nope_, c + j * width + rank_, rope_ * sizeof(float));
      }
      for (int64_t i0 = 0; i0 < n; i0 += kQueryBlock) {
        int64_t nq = std::min(kQueryBlock, n - i0), seen = token.position + i0 + 1 - base;  // by the block's first
        if (seen + nq - 1 <= 0) continue;
        for (int64_t i = 0; i < nq; ++i) visible[i] = int32_t(std::clamp<int64_t>(seen + i, 0, n_keys));
        p.k.attend(q[span.row + i0] + h * dk, q.ld, nq, key, dk, dk, value, dv_, dv_, n_keys, visible, scale_, state.m + i0,
                   state.l + i0, state.acc + i0 * dv_);
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      float* y = out[span.row + i] + h * dv_;
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
