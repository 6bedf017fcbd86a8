// The ops that look at one token at a time: embedding, rms_norm, linear and head, rope, add.
#include "runner.h"

namespace fathom {
namespace {

class Embedding : public Op {
 public:
  explicit Embedding(const OpSpec& s) : out_(s.output) {
    s.expect_counts(0, 1, 0);
    table_ = s.matrices[0];
    s.expect_shape(table_, table_.rows, out_.width);
  }
  void run(Pass& p) const override {
    Rows y = p.rows(out_);
    p.pool.split(y.n, 1, double(out_.width), [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) p.k.row(table_, p.tokens[t].id, y[t]);
    });
  }

 private:
  View out_;
  Matrix table_;
};

class RmsNorm : public Op {
 public:
  explicit RmsNorm(const OpSpec& s) : out_(s.output), eps_(static_cast<float>(s.number("eps"))) {
    s.expect_counts(1, 0, 1);
    in_ = s.inputs[0];
    weight_ = s.vectors[0];
    s.expect(in_.width == out_.width && int64_t(weight_.size()) == in_.width, "widths differ");
  }
  void run(Pass& p) const override {
    Rows x = p.rows(in_), y = p.rows(out_);
    p.pool.split(x.n, 1, double(in_.width), [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) p.k.rms_norm(x[t], weight_.data(), eps_, in_.width, y[t]);
    });
  }

 private:
  View in_, out_;
  std::vector<float> weight_;
  float eps_;
};

class Linear : public Op {
 public:
  explicit Linear(const OpSpec& s) : out_(s.output) {
    s.expect_counts(1, 1, s.vectors.size());
    in_ = s.inputs[0];
    weight_ = s.matrices[0];
    s.expect_shape(weight_, out_.width, in_.width);
    s.expect(in_.buffer != out_.buffer, "reads and writes the same buffer");
    if (!s.vectors.empty()) bias_ = s.vectors[0];
    s.expect(bias_.empty() || int64_t(bias_.size()) == out_.width, "the bias has another width");
  }
  void run(Pass& p) const override {
    project(p, weight_, bias_.empty() ? nullptr : bias_.data(), p.operand(in_, weight_.packed()), p.rows(out_));
  }

 private:
  View in_, out_;
  Matrix weight_;
  std::vector<float> bias_;
};

// Rotates `dim` values of each head by the angles of the position, pairwise (2i, 2i + 1) or (i, i + dim / 2).
class Rope : public Op {
 public:
  explicit Rope(const OpSpec& s)
      : view_(s.output),
        heads_(s.integer("heads")),
        stride_(s.integer("stride")),
        offset_(s.integer("offset")),
        half_(s.integer("dim") / 2),
        interleave_(s.integer("interleave") != 0),
        inv_freq_(s.list("inv_freq")),
        factor_(s.number("cos_sin_factor")) {
    s.expect_counts(1, 0, 0);
    s.expect(s.integer("dim") % 2 == 0 && int64_t(inv_freq_.size()) == half_, "needs dim / 2 frequencies");
    s.expect(heads_ >= 1 && (heads_ - 1) * stride_ + offset_ + 2 * half_ <= view_.width, "heads exceed the view");
  }
  void run(Pass& p) const override {
    const float* table = p.rotations(inv_freq_, factor_);
    Rows x = p.rows(view_);
    int64_t first = interleave_ ? 2 : 1, second = interleave_ ? 1 : half_;  // steps to the next pair, within a pair
    p.pool.split(x.n, 1, double(4 * heads_ * half_), [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) {
        const float *cos = table + t * 2 * half_, *sin = cos + half_;
        for (int64_t h = 0; h < heads_; ++h) {
          float* v = x[t] + h * stride_ + offset_;
          for (int64_t i = 0; i < half_; ++i, v += first) {
            float a = v[0], b = v[second];
            v[0] = a * cos[i] - b * sin[i];
            v[second] = a * sin[i] + b * cos[i];
          }
        }
      }
    });
  }

 private:
  View view_;
  int64_t heads_, stride_, offset_, half_;
  bool interleave_;
  std::vector<double> inv_freq_;
  double factor_;
};

class Add : public Op {
 public:
  explicit Add(const OpSpec& s) : out_(s.output) {
    s.expect_counts(2, 0, 0);
    a_ = s.inputs[0];
    b_ = s.inputs[1];
    s.expect(a_.width == out_.width && b_.width == out_.width, "widths differ");
  }
  void run(Pass& p) const override {
    Rows a = p.rows(a_), b = p.rows(b_), y = p.rows(out_);
    p.pool.split(y.n, 1, double(out_.width), [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t i = 0; i < out_.width; ++i) y[t][i] = a[t][i] + b[t][i];
      }
    });
  }

 private:
  View a_, b_, out_;
};

}  // namespace

std::unique_ptr<Op> make_basic(const OpSpec& spec) {
  if (spec.kind == "embedding") return std::make_unique<Embedding>(spec);
  if (spec.kind == "rms_norm") return std::make_unique<RmsNorm>(spec);
  if (spec.kind == "linear" || spec.kind == "head") return std::make_unique<Linear>(spec);
  if (spec.kind == "rope") return std::make_unique<Rope>(spec);
  if (spec.kind == "add") return std::make_unique<Add>(spec);
  return nullptr;
}

}  // namespace fathom
