// The router of DeepSeekMoE: scores in float32, group-limited choice, weights of the chosen experts.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runner.h"

namespace fathom {
namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

// The k indices of the largest values in descending order, ties to the lower index; k <= n. NaN ranks last, so that a
// damaged model still names valid experts.
void top_k(const float* values, int64_t n, int64_t k, int32_t* out) {
  auto before = [&](int32_t a, int32_t b) {
    float x = values[a], y = values[b];
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) ? std::isnan(y) && a < b : true;
    return x > y || (x == y && a < b);
  };
  int64_t found = 0;
  for (int32_t i = 0; i < n; ++i) {
    if (found == k && !before(i, out[k - 1])) continue;
    int64_t at = found < k ? found++ : k - 1;
    for (; at > 0 && before(i, out[at - 1]); --at) out[at] = out[at - 1];
    out[at] = i;
  }
}

class Router : public Op {
 public:
  explicit Router(const OpSpec& s)
      : out_(s.output),
        top_k_(s.integer("top_k")),
        groups_(s.integer("n_group")),
        kept_groups_(s.integer("topk_group")),
        sigmoid_(s.integer("sigmoid") != 0),
        top2_(s.integer("top2") != 0),
        normalise_(s.integer("norm_topk_prob") != 0),
        scale_(static_cast<float>(s.number("scale"))) {
    s.expect_counts(1, 1, s.vectors.size());
    in_ = s.inputs[0];
    gate_ = s.matrices[0];
    experts_ = gate_.rows;
    if (!s.vectors.empty()) bias_ = s.vectors[0];
    s.expect_shape(gate_, experts_, in_.width);
    s.expect(out_.width == 2 * top_k_, "needs an output of 2 x top_k");
    s.expect(bias_.empty() || int64_t(bias_.size()) == experts_, "the bias has another width");
    s.expect(groups_ >= 1 && experts_ % groups_ == 0 && kept_groups_ >= 1 && kept_groups_ <= groups_,
             "groups do not divide the experts");
    s.expect(top_k_ >= 1 && top_k_ <= experts_ / groups_ * kept_groups_, "chooses more experts than there are");
    s.expect(!top2_ || groups_ == 1 || experts_ / groups_ >= 2, "a group needs two experts");
  }

  void run(Pass& p) const override {
    Rows x = p.rows(in_), route = p.rows(out_);
    float* logits = p.arena.take<float>(x.n * experts_);
    p.pool.split(experts_, 16, double(x.n) * double(in_.width), [&](int64_t begin, int64_t end, int) {
      p.k.linear(gate_, begin, end, x.data, x.ld, x.n, logits + begin, experts_);
    });
    p.pool.split(x.n, 1, 16.0 * double(experts_), [&](int64_t begin, int64_t end, int thread) {
      Arena& scratch = p.workers[thread];
      for (int64_t t = begin; t < end; ++t) {
        scratch.reset();
        choose(logits + t * experts_, route[t], scratch);
      }
    });
  }

 private:
  void choose(float* scores, float* route, Arena& scratch) const {
    score(scores);
    auto* choice = scratch.take<float>(experts_);
    for (int64_t e = 0; e < experts_; ++e) choice[e] = bias_.empty() ? scores[e] : scores[e] + bias_[e];
    if (groups_ > 1) exclude_groups(choice, scratch);
    auto* ids = scratch.take<int32_t>(top_k_);
    top_k(choice, experts_, top_k_, ids);
    float sum = 0;
    for (int64_t i = 0; i < top_k_; ++i) sum += scores[ids[i]];
    float factor = normalise_ ? scale_ / (sum + 1e-20f) : scale_;
    for (int64_t i = 0; i < top_k_; ++i) {
      route[i] = static_cast<float>(ids[i]);
      route[top_k_ + i] = scores[ids[i]] * factor;
    }
  }

  void score(float* scores) const {
    if (sigmoid_) {
      for (int64_t e = 0; e < experts_; ++e) scores[e] = 1.0f / (1.0f + std::exp(-scores[e]));
      return;
    }
    float max = *std::max_element(scores, scores + experts_), sum = 0;
    for (int64_t e = 0; e < experts_; ++e) sum += scores[e] = std::exp(scores[e] - max);
    for (int64_t e = 0; e < experts_; ++e) scores[e] /= sum;
  }

  // A group counts by its best expert (V2) or its two best (noaux_tc, V3): not the same choice.
  void exclude_groups(float* choice, Arena& scratch) const {
    int64_t size = experts_ / groups_;
    auto* value = scratch.take<float>(groups_);
    for (int64_t g = 0; g < groups_; ++g) {
      int32_t best[2] = {0, 0};
      top_k(choice + g * size, size, top2_ ? 2 : 1, best);
      value[g] = choice[g * size + best[0]] + (top2_ ? choice[g * size + best[1]] : 0.0f);
    }
    auto* kept = scratch.take<int32_t>(kept_groups_);
    top_k(value, groups_, kept_groups_, kept);
    for (int64_t g = 0; g < groups_; ++g) {
      if (std::find(kept, kept + kept_groups_, g) == kept + kept_groups_) {
        std::fill_n(choice + g * size, size, kExcluded);
      }
    }
  }

  View in_, out_;
  Matrix gate_;
  std::vector<float> bias_;
  int64_t experts_ = 0, top_k_, groups_, kept_groups_;
  bool sigmoid_, top2_, normalise_;
  float scale_;
};

}  // namespace

std::unique_ptr<Op> make_router(const OpSpec& spec) {
  return spec.kind == "router" ? std::make_unique<Router>(spec) : nullptr;
}

}  // namespace fathom
