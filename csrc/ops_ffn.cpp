// Feed-forward networks down(silu(gate x) * up x): the dense one, and the routed experts of DeepSeekMoE. The rows of
// one expert are gathered, so that its weights are read once for all of them.
#include <algorithm>
#include <cstring>

#include "runner.h"

namespace fathom {
namespace {

constexpr int64_t kRows = 128;    // weight rows of gate and up a thread works on, so their product stays in cache
constexpr int64_t kTokens = 128;  // tokens at a time, for the same reason
static_assert(kRows % kRounded == 0, "a thread rounds what it worked on by itself");

struct Expert {
  Matrix gate, up, down;
};

// Rows [begin, begin + count) of the gathered activations belong to one expert.
struct Group {
  const Expert* expert;
  int64_t begin, count;
};

struct Shape {
  int64_t width, inner;  // of the hidden state, of one expert
  bool dense_in = false, packed_in = false, dense_out = false, packed_out = false;

  void include(const OpSpec& s, const Expert& e) {
    s.expect_shape(e.gate, inner, width);
    s.expect_shape(e.up, inner, width);
    s.expect_shape(e.down, width, inner);
    for (const Matrix* w : {&e.gate, &e.up}) (w->packed() ? packed_in : dense_in) = true;
    (e.down.packed() ? packed_out : dense_out) = true;
  }
};

// work(group, row0, row1, thread) over all groups x blocks of `rows` weight rows, which start at multiples of `unit`.
template <class Work>
void for_blocks(Pass& p, const std::vector<Group>& groups, int64_t rows, int64_t unit, double cols, int64_t limit,
                Work work) {
  int64_t total = 0;
  for (const Group& g : groups) total += g.count;
  if (total == 0) return;
  double cost = cols * double(total) / double(groups.size());  // of one weight row
  int64_t step = std::min(limit, p.pool.piece(rows * int64_t(groups.size()), unit, cost));
  int64_t blocks = (rows + step - 1) / step;
  p.pool.run(blocks * int64_t(groups.size()), [&](int64_t i, int thread) {
    int64_t row0 = i % blocks * step;
    work(groups[i / blocks], row0, std::min(rows, row0 + step), thread);
  });
}

// Whoever finishes a block of the inner activations rounds it: no pass of its own, and they never leave the cache as
// floats unless a dense matrix wants them.
void feed_forward(Pass& p, const Shape& shape, const std::vector<Group>& groups, const Operand& x, const Rows& y) {
  auto* inner = shape.dense_out ? p.arena.take<float>(x.n * shape.inner) : nullptr;
  RoundedRows rounded(p.arena, shape.packed_out ? x.n : 0, shape.inner);
  for_blocks(p, groups, shape.inner, kRounded, 2.0 * double(shape.width), kRows,
             [&](const Group& g, int64_t row0, int64_t row1, int thread) {
               Arena& scratch = p.workers[thread];
               scratch.reset();
               int64_t rows = row1 - row0;
               auto* gate = scratch.take<float>(kTokens * rows);
               auto* up = scratch.take<float>(kTokens * rows);
               for (int64_t t0 = g.begin; t0 < g.begin + g.count; t0 += kTokens) {
                 Operand part = x.rows(t0, std::min(kTokens, g.begin + g.count - t0));
                 multiply(p.k, g.expert->gate, row0, row1, part, gate, rows);
                 multiply(p.k, g.expert->up, row0, row1, part, up, rows);
                 for (int64_t i = 0; i < part.n; ++i) {
                   int64_t t = t0 + i;
                   float* h = inner ? inner + t * shape.inner + row0 : gate + i * rows;
                   p.k.silu_mul(gate + i * rows, up + i * rows, rows, h);
                   if (!shape.packed_out) continue;
                   int64_t at = t * rounded.cols + row0;
                   p.k.quantize_rows(h, rows, 1, rows, rounded.q + at, rounded.scale + at / kRounded,
                                     rounded.sums + at / 16);
                 }
               }
             });
  Operand h{inner, shape.inner, x.n, rounded.rows()};
  for_blocks(p, groups, shape.width, 16, double(shape.inner), shape.width,
             [&](const Group& g, int64_t row0, int64_t row1, int) {
               multiply(p.k, g.expert->down, row0, row1, h.rows(g.begin, g.count), y[g.begin] + row0, y.ld);
             });
}

class Mlp : public Op {
 public:
  explicit Mlp(const OpSpec& s) : out_(s.output) {
    s.expect_counts(1, 3, 0);
    in_ = s.inputs[0];
    s.expect(in_.width == out_.width, "widths differ");
    expert_ = {s.matrices[0], s.matrices[1], s.matrices[2]};
    shape_ = {in_.width, expert_.gate.rows};
    shape_.include(s, expert_);
  }
  void run(Pass& p) const override {
    feed_forward(p, shape_, {{&expert_, 0, p.n}}, p.operand(in_, shape_.packed_in), p.rows(out_));
  }

 private:
  View in_, out_;
  Expert expert_;
  Shape shape_;
};

class Experts : public Op {
 public:
  explicit Experts(const OpSpec& s) : out_(s.output), top_k_(s.integer("top_k")) {
    s.expect_counts(2, s.matrices.size(), 0);
    in_ = s.inputs[0];
    route_ = s.inputs[1];
    s.expect(in_.width == out_.width && route_.width == 2 * top_k_, "widths differ");
    s.expect(!s.matrices.empty() && s.matrices.size() % 3 == 0, "needs gate, up and down of each expert");
    shape_ = {in_.width, s.matrices[0].rows};
    for (size_t i = 0; i < s.matrices.size(); i += 3) {
      experts_.push_back({s.matrices[i], s.matrices[i + 1], s.matrices[i + 2]});
      shape_.include(s, experts_.back());
    }
  }

  void run(Pass& p) const override {
    Rows route = p.rows(route_), out = p.rows(out_);
    int64_t pairs = p.n * top_k_;
    auto* place = p.arena.take<int64_t>(pairs);   // of (token, slot) in the order of experts
    auto* source = p.arena.take<int64_t>(pairs);  // and back: the token
    std::vector<Group> groups = sort_pairs(route, place, source);
    Operand x = gather(p, source, pairs);
    Rows y{p.arena.take<float>(pairs * out_.width), out_.width, pairs};
    feed_forward(p, shape_, groups, x, y);
    p.pool.split(p.n, 1, double(top_k_ * out_.width), [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) {
        std::fill_n(out[t], out_.width, 0.0f);
        for (int64_t k = 0; k < top_k_; ++k) {  // in the order of slots, whatever ran first
          p.k.axpy(route[t][top_k_ + k], y[place[t * top_k_ + k]], out_.width, out[t]);
        }
      }
    });
  }

 private:
  std::vector<Group> sort_pairs(const Rows& route, int64_t* place, int64_t* source) const {
    std::vector<int64_t> next(experts_.size() + 1, 0);
    auto expert = [&](int64_t t, int64_t k) { return static_cast<size_t>(route[t][k]); };
    for (int64_t t = 0; t < route.n; ++t) {
      for (int64_t k = 0; k < top_k_; ++k) ++next[expert(t, k) + 1];
    }
    std::vector<Group> groups;
    for (size_t e = 0; e < experts_.size(); ++e) {
      if (next[e + 1]) groups.push_back({&experts_[e], next[e], next[e + 1]});
      next[e + 1] += next[e];
    }
    for (int64_t t = 0; t < route.n; ++t) {
      for (int64_t k = 0; k < top_k_; ++k) {
        int64_t at = next[expert(t, k)]++;
        place[t * top_k_ + k] = at;
        source[at] = t;
      }
    }
    return groups;
  }

  Operand gather(Pass& p, const int64_t* source, int64_t pairs) const {
    Operand from = p.operand(in_, shape_.packed_in);
    float* x = shape_.dense_in ? p.arena.take<float>(pairs * in_.width) : nullptr;
    int64_t cols = from.q.cols, scales = cols / kRounded, sums = cols / 16;
    RoundedRows r(p.arena, from.q.q ? pairs : 0, in_.width);
    p.pool.split(pairs, 1, double(in_.width) / 4, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t t = source[i];
        if (x) std::memcpy(x + i * in_.width, from.x + t * from.ldx, in_.width * sizeof(float));
        if (!from.q.q) continue;
        std::memcpy(r.q + i * cols, from.q.q + t * cols, cols);
        std::memcpy(r.scale + i * scales, from.q.scale + t * scales, scales * sizeof(float));
        std::memcpy(r.sums + i * sums, from.q.sums + t * sums, sums * sizeof(int32_t));
      }
    });
    return {x, in_.width, pairs, from.q.q ? r.rows() : Int8Rows{}};
  }

  View in_, route_, out_;
  int64_t top_k_;
  std::vector<Expert> experts_;
  Shape shape_;
};

}  // namespace

std::unique_ptr<Op> make_ffn(const OpSpec& spec) {
  if (spec.kind == "mlp") return std::make_unique<Mlp>(spec);
  if (spec.kind == "experts") return std::make_unique<Experts>(spec);
  return nullptr;
}

}  // namespace fathom
