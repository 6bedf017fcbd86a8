// A tiny DeepSeek, latent attention and routed experts over packed weights, in two runners at the same time.
#include "runner.h"

#include <cmath>
#include <thread>

#include "unit.h"

namespace fathom {
namespace unit {
namespace {

enum Buffer { kX, kNormed, kKv, kQ, kHeads, kRoute, kY, kLogits };
const std::vector<int64_t> kWidths = {64, 64, 36, 80, 48, 4, 64, 50};
constexpr int64_t kHeadCount = 2, kNope = 32, kRope = 8, kV = 24, kRank = 28, kExperts = 6, kInner = 48, kVocab = 50;

View all(Buffer buffer) { return {buffer, 0, kWidths[buffer]}; }

using Attrs = std::map<std::string, std::vector<double>>;

OpSpec op(const char* kind, std::vector<View> inputs, View output, std::vector<Matrix> matrices = {},
          std::vector<std::vector<float>> vectors = {}, Attrs attrs = {}) {
  return {kind, kind, std::move(inputs), output, std::move(matrices), std::move(vectors), std::move(attrs)};
}

std::vector<OpSpec> program(Random& random) {
  auto packed = [&](int64_t rows, int64_t cols) { return random_packed(8, 32, rows, cols, random); };
  auto dense = [&](int64_t rows, int64_t cols) { return random_dense(Type::BF16, rows, cols, random); };
  std::vector<float> ones(64, 1.0f);
  std::vector<double> frequencies = {1.0, 0.1, 0.01, 0.001};
  auto turn = [&](double heads, double stride, double offset) {
    return Attrs{{"heads", {heads}}, {"stride", {stride}},       {"offset", {offset}},       {"dim", {kRope}},
                 {"interleave", {1}}, {"inv_freq", frequencies}, {"cos_sin_factor", {1.0}}};
  };
  std::vector<OpSpec> ops = {op("embedding", {}, all(kX), {dense(kVocab, 64)})};
  for (double layer : {0.0, 1.0}) {
    Attrs sizes = {{"heads", {kHeadCount}}, {"nope", {kNope}},  {"rope", {kRope}},  {"v", {kV}},
                   {"rank", {kRank}},       {"layer", {layer}}, {"scale", {0.15}}};
    Attrs routing = {{"top_k", {2}}, {"n_group", {2}},        {"topk_group", {1}}, {"sigmoid", {1}},
                     {"top2", {1}},  {"norm_topk_prob", {1}}, {"scale", {2.5}}};
    std::vector<Matrix> experts;
    for (int64_t e = 0; e < kExperts; ++e) {
      for (Matrix w : {packed(kInner, 64), packed(kInner, 64), packed(64, kInner)}) experts.push_back(std::move(w));
    }
    ops.push_back(op("rms_norm", {all(kX)}, all(kNormed), {}, {ones}, {{"eps", {1e-6}}}));
    ops.push_back(op("linear", {all(kNormed)}, all(kQ), {packed(kWidths[kQ], 64)}));
    ops.push_back(op("linear", {all(kNormed)}, all(kKv), {packed(kWidths[kKv], 64)}));
    ops.push_back(op("rope", {all(kQ)}, all(kQ), {}, {}, turn(kHeadCount, kNope + kRope, kNope)));
    ops.push_back(op("rope", {all(kKv)}, all(kKv), {}, {}, turn(1, kWidths[kKv], kRank)));
    ops.push_back(op("latent_attention", {all(kQ), all(kKv)}, all(kHeads),
                     {packed(kHeadCount * (kNope + kV), kRank)}, {}, sizes));
    ops.push_back(op("linear", {all(kHeads)}, all(kY), {packed(64, kWidths[kHeads])}));
    ops.push_back(op("add", {all(kX), all(kY)}, all(kX)));
    ops.push_back(op("rms_norm", {all(kX)}, all(kNormed), {}, {ones}, {{"eps", {1e-6}}}));
    ops.push_back(op("router", {all(kNormed)}, all(kRoute), {dense(kExperts, 64)}, {random.floats(kExperts)}, routing));
    ops.push_back(op("experts", {all(kNormed), all(kRoute)}, all(kY), std::move(experts), {}, {{"top_k", {2}}}));
    ops.push_back(op("add", {all(kX), all(kY)}, all(kX)));
  }
  ops.push_back(op("rms_norm", {all(kX)}, all(kNormed), {}, {ones}, {{"eps", {1e-6}}, {"tail", {1}}}));
  ops.push_back(op("head", {all(kNormed)}, all(kLogits), {packed(kVocab, 64)}, {}, {{"tail", {1}}}));
  return ops;
}

// Prompts of 200 and 70 tokens in one pass, then ten decoding steps of both: the logits of all steps.
std::vector<float> generate(int threads, const char* dtype) {
  Random random(4);
  Runner runner(program(random), kWidths, threads);
  Pages pages(runner.layers(), runner.cache_width(), dtype, 6);
  std::vector<Segment> segments = {{0, 200, {3, 0, 4, 1}, 1}, {0, 70, {5, 2}, 1}};
  std::vector<float> logits(11 * 2 * kVocab);
  std::vector<int32_t> tokens(270);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random.between(0, kVocab - 1));
  runner.forward(tokens.data(), 270, pages, segments, logits.data(), 2, Form::Auto, {});
  for (int64_t step = 1; step <= 10; ++step) {
    for (Segment& s : segments) {
      s.start += s.n;
      s.n = 1;
    }
    runner.forward(tokens.data() + step, 2, pages, segments, logits.data() + step * 2 * kVocab, 2, Form::Auto, {});
  }
  std::vector<int32_t> outside = {1, kVocab};
  CHECK_THROWS(runner.forward(outside.data(), 2, pages, segments, logits.data(), 2, Form::Auto, {}));
  segments[1].table[1] = segments[0].table[3];
  CHECK_THROWS(runner.forward(tokens.data(), 2, pages, segments, logits.data(), 2, Form::Auto, {}));
  return logits;
}

// A row of an int8 cache is off by half a step of its 64 columns at most, and reads the same whole, in parts and in
// company. Any width; the scratch has exactly its size.
void check_int8_rows() {
  Random random(9);
  const Kernels& k = *kernels();
  for (int64_t width : {1, 36, 64, 100, 576}) {
    Pages pages(2, width, "int8", 3);
    auto rows = random.floats(Pages::kTokens * width);
    for (int64_t t = 0; t < Pages::kTokens; ++t) pages.write(k, 1, 2, t, &rows[t * width]);
    std::vector<float> wide(Pages::kTokens * width), part(width);
    std::unique_ptr<uint16_t[]> halves(new uint16_t[pages.scratch()]);
    pages.read(k, 1, 2, Pages::kTokens, wide.data());
    for (int64_t n : {int64_t{1}, random.between(2, 63), Pages::kTokens}) {
      pages.halves(k, 1, 2, n, halves.get());
      for (int64_t i = 0; i < n * width; ++i) CHECK(bf16_to_float(halves[i]) == wide[i]);
    }
    for (int64_t i = 0; i < Pages::kTokens * width; ++i) CHECK(std::fabs(wide[i] - rows[i]) <= 0.5f / 127 + 0x1p-8f);
    for (int round = 0; round < 20; ++round) {
      int64_t t = random.between(0, 63), begin = random.between(0, width - 1), n = random.between(1, width - begin);
      pages.copy(k, 1, 2, t, begin, n, part.data());
      CHECK(std::equal(part.begin(), part.begin() + n, &wide[t * width + begin]));
    }
  }
}

}  // namespace

void test_runner() {
  check_int8_rows();
  for (const char* dtype : {"float32", "bfloat16", "int8"}) {
    std::vector<float> expected = generate(1, dtype);
    for (float value : expected) CHECK(value - value == 0);  // finite
    std::vector<float> found[2];
    std::thread other([&] { found[0] = generate(2, dtype); });
    found[1] = generate(3, dtype);
    other.join();
    for (const auto& logits : found) CHECK(logits == expected);
  }
}

}  // namespace unit
}  // namespace fathom
