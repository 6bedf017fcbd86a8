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

#include "pack.h"
#include "runner.h"

namespace fathom {
namespace {

constexpr int64_t kPage = Pages::kTokens;
constexpr int64_t kAbsorbed = 128;   // tokens absorbed at a time
constexpr int64_t kSplitPages = 2;   // one absorbed unit of work: 128 keys
constexpr int64_t kQueries = 16;     // and at most so many heads of a token
constexpr int64_t kUnits = 64;       // at least so many units a job, if there are
constexpr int64_t kQueryBlock = 64;  // expanded: queries of one flash block
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

// f(row, n, at) for stretches of neighbours among `count` rows; at: rows before.
template <class F>
void for_stretches(const int64_t* rows, int64_t count, F&& f) {
  for (int64_t at = 0, next; at < count; at = next) {
    for (next = at + 1; next < count && rows[next] == rows[next - 1] + 1;) ++next;
    f(rows[at], next - at, at);
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
    bool split = s.matrices.size() == 2;
    v_b_ = s.matrices.back();
    if (split) {
      s.expect_shape(s.matrices[0], heads_ * rank_, nope_);
      s.expect_shape(v_b_, heads_ * dv_, rank_);
      k_t_ = s.matrices[0];
    } else {
      s.expect_shape(v_b_, heads_ * (nope_ + dv_), rank_);
      k_b_ = v_b_;
    }
    kv_stride_ = split ? 0 : nope_ + dv_;
    packed_ = s.matrices[0].packed() || v_b_.packed();
    if (packed_ && split) {
      k_b_ = turned(k_t_, rank_, rank_, nope_);
      if (!k_t_.packed()) k_t_ = turned(k_b_, nope_, nope_, rank_);
      if (!v_b_.packed()) v_b_ = pack_dense(v_b_.codes, v_b_.nbytes, v_b_.type, v_b_.rows, v_b_.cols, 8, 32);
    } else if (packed_) {
      k_t_ = turned(k_b_, kv_stride_, nope_, rank_);
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
    int64_t count = static_cast<int64_t>(p.absorbed.size());
    for (int64_t i = 0; i < count; i += kAbsorbed) absorbed(p, &p.absorbed[i], std::min(kAbsorbed, count - i));
  }

 private:
  // kv_b comes whole, (heads, nope + v, rank), or as k_b (heads, rank, nope), transposed as in GGUF, and v_b. Where it
  // is packed its inputs are rounded to int8 as those of all packed matrices are, and its key half is held both ways.
  // What is missing is made here: of each head, `rows` of every `stride` rows, transposed and rounded to int8.
  Matrix turned(const Matrix& w, int64_t stride, int64_t rows, int64_t cols) const {
    std::vector<float> row(w.cols), values(heads_ * rows * cols);
    for (int64_t h = 0; h < heads_; ++h) {
      for (int64_t r = 0; r < rows; ++r) {
        kernels_portable()->row(w, h * stride + r, row.data());
        for (int64_t c = 0; c < cols; ++c) values[(h * cols + c) * rows + r] = row[c];
      }
    }
    auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    return pack_dense(bytes, int64_t(values.size() * sizeof(float)), Type::F32, heads_ * cols, rows, 8, 32);
  }

  // The first row of a head in k_b_ and in v_b_.
  int64_t key_row(int64_t h) const { return h * (kv_stride_ ? kv_stride_ : nope_); }
  int64_t value_row(int64_t h) const { return kv_stride_ ? h * kv_stride_ + nope_ : h * dv_; }

  // n rows of x as kv_b multiplies them, rounded in `scratch` where it is packed.
  Operand operand(const Kernels& k, Arena& scratch, const float* x, int64_t ldx, int64_t n, int64_t width) const {
    if (!packed_) return {x, ldx, n, {}};
    RoundedRows rounded(scratch, n, width);
    rounded.fill(k, x, ldx, width, 0, n);
    return {x, ldx, n, rounded.rows()};
  }
  // x W_UK of one head: (n, rank).
  void absorb(const Kernels& k, int64_t h, const Operand& x, float* y, int64_t ldy) const {
    if (k_t_.codes) return multiply(k, k_t_, h * rank_, (h + 1) * rank_, x, y, ldy);
    k.linear_t(k_b_, key_row(h), key_row(h) + nope_, x.x, x.ldx, x.n, y, ldy);
  }
  // W_UK c of one head: (n, nope).
  void expand_keys(const Kernels& k, int64_t h, const Operand& c, float* y, int64_t ldy) const {
    if (k_b_.codes) return multiply(k, k_b_, key_row(h), key_row(h) + nope_, c, y, ldy);
    k.linear_t(k_t_, h * rank_, (h + 1) * rank_, c.x, c.ldx, c.n, y, ldy);
  }
  // W_UV c of one head: (n, v).
  void expand_values(const Kernels& k, int64_t h, const Operand& c, float* y, int64_t ldy) const {
    multiply(k, v_b_, value_row(h), value_row(h) + dv_, c, y, ldy);
  }

  void absorbed(Pass& p, const int64_t* rows, int64_t n) const {
    p.arena.reset();
    Rows q = p.rows(q_), out = p.rows(out_);
    const Queries queries(*this, p, n);
    auto* context = p.arena.take<float>(n * heads_ * rank_);  // (n, heads, rank)
    double head_cost = double(n) * double(rank_);
    p.pool.split(heads_, 1, head_cost * double(nope_), [&](int64_t begin, int64_t end, int thread) {
      for (int64_t h = begin; h < end; ++h) {
        for_stretches(rows, n, [&](int64_t row, int64_t count, int64_t at) {
          p.workers[thread].reset();
          queries.absorb(p, p.workers[thread], h, q[row] + h * (nope_ + rope_), q.ld, count, at);
        });
      }
    });
    attend_latents(p, rows, n, queries, context);
    p.pool.split(heads_, 1, head_cost * double(dv_), [&](int64_t begin, int64_t end, int thread) {
      for (int64_t h = begin; h < end; ++h) {
        for_stretches(rows, n, [&](int64_t row, int64_t count, int64_t at) {
          const float* from = context + (at * heads_ + h) * rank_;
          p.workers[thread].reset();
          Operand c = operand(p.k, p.workers[thread], from, heads_ * rank_, count, rank_);
          expand_values(p.k, h, c, out[row] + h * dv_, out.ld);
        });
      }
    });
  }

  // Absorbed queries (rank + rope wide) of n tokens in blocks of up to 16 heads of a token: floats, or as attention over
  // latents in bfloat16 reads them (an int8 cache is widened to that, page by page).
  struct Queries {
    const LatentAttention& op;
    bool halves;
    int64_t groups, group, width, floats;  // blocks of a token, heads and floats of a block
    float* blocks;

    Queries(const LatentAttention& o, Pass& p, int64_t n)
        : op(o),
          halves(!p.pages.floats()),
          groups(ceil_div(o.heads_, kQueries)),
          group(ceil_div(o.heads_, groups)),
          width(o.rank_ + o.rope_),
          floats(halves ? kQueries * (width + 1) : group * width),
          blocks(p.arena.take<float>(n * groups * floats)) {}
    float* block(int64_t at, int64_t g) const { return blocks + (at * groups + g) * floats; }

    // Head h of the tokens at, at + 1 ... from their queries (nope | rope).
    void absorb(Pass& p, Arena& scratch, int64_t h, const float* q, int64_t ldq, int64_t n, int64_t at) const {
      auto* rows = scratch.take<float>(n * width);
      op.absorb(p.k, h, op.operand(p.k, scratch, q, ldq, n, op.nope_), rows, width);
      for (int64_t t = 0; t < n; ++t) {
        float *row = rows + t * width, *to = block(at + t, h / group);
        std::memcpy(row + op.rank_, q + t * ldq + op.nope_, op.rope_ * sizeof(float));
        if (halves) {
          p.k.pack_query(row, width, h % group, to);
        } else {
          std::memcpy(to + h % group * width, row, width * sizeof(float));
        }
      }
    }
  };

  // Units of work are (16 heads of a token) x (128 keys), tokens of all sequences together; whoever finishes the last
  // unit of a block of heads merges them. Blocks come in waves, so that the partial states need little memory however
  // long the contexts are.
  void attend_latents(Pass& p, const int64_t* rows, int64_t n, const Queries& q, float* context) const {
    struct Unit {
      int64_t block, split;
    };
    int64_t blocks = n * q.groups;
    int64_t floats = State::floats(q.group, rank_), wave = std::max<int64_t>(kUnits, 8 * p.pool.threads()), most = 0;
    auto keys_of = [&](int64_t block) { return p.tokens[rows[block / q.groups]].position + 1; };
    auto splits_of = [&](int64_t block) { return ceil_div(keys_of(block), kSplitPages * kPage); };
    for (int64_t b = 0; b < blocks; b += q.groups) most = std::max(most, splits_of(b));
    auto* states = p.arena.take<float>((wave + most) * floats);
    std::vector<std::atomic<int64_t>> left(blocks);
    std::vector<Unit> units;
    for (int64_t next = 0; next < blocks; units.clear()) {
      for (; next < blocks && int64_t(units.size()) < wave; ++next) {
        left[next] = splits_of(next);
        for (int64_t split = 0; split < left[next]; ++split) units.push_back({next, split});
      }
      p.pool.run(static_cast<int64_t>(units.size()), [&](int64_t i, int thread) {
        auto [block, split] = units[i];
        int64_t at = block / q.groups, h = block % q.groups * q.group;
        int64_t nq = std::min(q.group, heads_ - h), keys = keys_of(block);
        const float* queries = q.block(at, block % q.groups);
        State state(states + i * floats, q.group);
        state.clear(q.group, rank_);
        p.workers[thread].reset();
        auto* wide = p.workers[thread].take<uint16_t>(p.pages.scratch());
        for (int64_t page = split * kSplitPages; page < (split + 1) * kSplitPages && page * kPage < keys; ++page) {
          int64_t n_keys = std::min(kPage, keys - page * kPage);
          int32_t visible[kQueries], number = p.tokens[rows[at]].table[page];
          std::fill_n(visible, nq, int32_t(n_keys));
          if (q.halves) {
            const uint16_t* c = p.pages.halves(p.k, layer_, number, n_keys, wide);
            p.k.attend_latents(queries, nq, c, rank_, rope_, n_keys, visible, scale_, state.m, state.l, state.acc);
          } else {
            const float* c = p.pages.read(p.k, layer_, number, n_keys, nullptr);
            p.k.attend(queries, q.width, nq, c, q.width, q.width, c, q.width, rank_, n_keys, visible, scale_, state.m,
                       state.l, state.acc);
          }
        }
        if (left[block].fetch_sub(1) > 1) return;
        merge(p.k, states + (i - split) * floats, q.group, splits_of(block), nq, context + (at * heads_ + h) * rank_);
      });
    }
  }

  // Log-sum-exp over the splits of a block in their order. One whose keys were all NaN has m = -inf, but l = NaN.
  void merge(const Kernels& k, float* memory, int64_t group, int64_t splits, int64_t nq, float* context) const {
    auto part = [&](int64_t split) { return State(memory + split * State::floats(group, rank_), group); };
    for (int64_t i = 0; i < nq; ++i) {
      float max = kNone, sum = 0;
      for (int64_t s = 0; s < splits; ++s) max = std::max(max, part(s).m[i]);
      float* y = context + i * rank_;
      std::fill_n(y, rank_, 0.0f);
      for (int64_t s = 0; s < splits; ++s) {
        float weight = std::exp(part(s).m[i] - max);
        sum += weight * part(s).l[i];
        k.axpy(weight, part(s).acc + i * rank_, rank_, y);
      }
      for (int64_t r = 0; r < rank_; ++r) y[r] /= sum;
    }
  }

  // Units of work are the heads of a span, or parts of its queries where there are fewer than threads. Each expands
  // all keys that it sees.
  void expanded(Pass& p) const {
    struct Part {
      Span span;
      const RoundedRows* latents;
    };
    int64_t heads = heads_ * static_cast<int64_t>(p.expanded.size());
    int64_t step = heads >= p.pool.threads() ? kMaxTokens : 4 * kQueryBlock;
    std::vector<RoundedRows> latents;
    latents.reserve(p.expanded.size());
    std::vector<Part> parts;
    for (const Span& span : p.expanded) {
      int64_t keys = p.tokens[span.row].position + span.n;
      latents.emplace_back(p.arena, packed_ ? keys : 0, rank_);
      if (packed_) round_latents(p, p.tokens[span.row], keys, latents.back());
      for (int64_t t = 0; t < span.n; t += step) {
        parts.push_back({{span.row + t, std::min(step, span.n - t)}, &latents.back()});
      }
    }
    p.pool.run(heads_ * static_cast<int64_t>(parts.size()), [&](int64_t unit, int thread) {
      const Part& part = parts[unit / heads_];
      expanded_head(p, unit % heads_, part.span, *part.latents, p.workers[thread]);
    });
  }

  void round_latents(Pass& p, const Token& token, int64_t keys, RoundedRows& rounded) const {
    int64_t width = rank_ + rope_;
    p.pool.split(ceil_div(keys, kPage), 1, double(kPage * width), [&](int64_t begin, int64_t end, int thread) {
      p.workers[thread].reset();
      auto* wide = p.workers[thread].take<float>(p.pages.scratch());
      for (int64_t page = begin; page < end; ++page) {
        int64_t n = std::min(kPage, keys - page * kPage);
        const float* c = p.pages.read(p.k, layer_, token.table[page], n, wide);
        rounded.fill(p.k, c, width, rank_, page * kPage, n);
      }
    });
  }

  void expanded_head(Pass& p, int64_t h, const Span& span, const RoundedRows& latents, Arena& scratch) const {
    Rows q = p.rows(q_), out = p.rows(out_);
    const Token& token = p.tokens[span.row];
    int64_t width = rank_ + rope_, dk = nope_ + rope_, n = span.n, keys = token.position + n;
    scratch.reset();
    auto* wide = scratch.take<float>(packed_ ? 0 : p.pages.scratch());
    auto* key = scratch.take<float>(kPage * dk);
    auto* value = scratch.take<float>(kPage * dv_);
    State state(scratch.take<float>(State::floats(n, dv_)), n);
    state.clear(n, dv_);
    int32_t visible[kQueryBlock];
    for (int64_t base = 0; base < keys; base += kPage) {
      int64_t n_keys = std::min(kPage, keys - base), page = token.table[base / kPage];
      Operand c = packed_ ? Operand{nullptr, 0, n_keys, latents.rows().rows(base, n_keys)}
                          : Operand{p.pages.read(p.k, layer_, page, n_keys, wide), width, n_keys, {}};
      expand_keys(p.k, h, c, key, dk);
      expand_values(p.k, h, c, value, dv_);
      for (int64_t j = 0; j < n_keys; ++j) p.pages.copy(p.k, layer_, page, j, rank_, rope_, key + j * dk + nope_);
      for (int64_t i0 = 0; i0 < n; i0 += kQueryBlock) {
        int64_t nq = std::min(kQueryBlock, n - i0), seen = token.position + i0 + 1 - base;  // by the block's first
        if (seen + nq - 1 <= 0) continue;
        for (int64_t i = 0; i < nq; ++i) visible[i] = int32_t(std::clamp<int64_t>(seen + i, 0, n_keys));
        p.k.attend(q[span.row + i0] + h * dk, q.ld, nq, key, dk, dk, value, dv_, dv_, n_keys, visible, scale_,
                   state.m + i0, state.l + i0, state.acc + i0 * dv_);
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      float* y = out[span.row + i] + h * dv_;
      for (int64_t j = 0; j < dv_; ++j) y[j] = state.acc[i * dv_ + j] / state.l[i];
    }
  }

  View q_, kv_a_, out_;
  Matrix k_b_, k_t_, v_b_;  // W_UK, transposed, W_UV; k_b_ and v_b_ may be one, whose rows of a head are kv_stride_ apart
  bool packed_;
  int64_t kv_stride_, heads_, nope_, rope_, dv_, rank_, layer_;
  float scale_;
};

}  // namespace

std::unique_ptr<Op> make_attention(const OpSpec& spec) {
  return spec.kind == "latent_attention" ? std::make_unique<LatentAttention>(spec) : nullptr;
}

}  // namespace fathom
