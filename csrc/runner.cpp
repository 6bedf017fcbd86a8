#include "runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace fathom {
namespace {

bool same(const View& a, const View& b) {
  return a.buffer == b.buffer && a.offset == b.offset && a.width == b.width;
}

std::unique_ptr<Op> make_op(const OpSpec& spec) {
  for (auto make : {make_basic, make_router, make_ffn, make_attention}) {
    if (auto op = make(spec)) return op;
  }
  throw std::invalid_argument("unknown op '" + spec.kind + "' (" + spec.name + ")");
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw std::invalid_argument(message.str());
}

}  // namespace

const std::vector<double>& OpSpec::list(const std::string& attr) const {
  auto it = attrs.find(attr);
  expect(it != attrs.end(), "attribute " + attr + " is missing");
  return it->second;
}

double OpSpec::number(const std::string& attr) const {
  const auto& values = list(attr);
  expect(values.size() == 1, "attribute " + attr + " is not a number");
  return values[0];
}

int64_t OpSpec::integer(const std::string& attr) const {
  double value = number(attr);
  expect(value >= 0 && value < 9e15 && value == std::floor(value), "attribute " + attr + " is not a whole number");
  return static_cast<int64_t>(value);
}

void OpSpec::expect(bool ok, const std::string& problem) const {
  if (!ok) throw std::invalid_argument(name + " (" + kind + "): " + problem);
}

void OpSpec::expect_counts(size_t n_inputs, size_t n_matrices, size_t n_vectors) const {
  auto check = [&](size_t found, size_t expected, const char* what) {
    expect(found == expected, std::to_string(found) + " " + what + " instead of " + std::to_string(expected));
  };
  check(inputs.size(), n_inputs, "inputs");
  check(matrices.size(), n_matrices, "matrices");
  check(vectors.size(), n_vectors, "vectors");
}

void OpSpec::expect_shape(const Matrix& w, int64_t rows, int64_t cols) const {
  expect(w.rows == rows && w.cols == cols,
         "a matrix has shape (" + std::to_string(w.rows) + ", " + std::to_string(w.cols) + ") instead of (" +
             std::to_string(rows) + ", " + std::to_string(cols) + ")");
}

Operand Operand::rows(int64_t begin, int64_t count) const {
  return {x ? x + begin * ldx : nullptr, ldx, count, q.q ? q.rows(begin, count) : Int8Rows{}};
}

Rows Pass::rows(const View& view) const {
  if (view.buffer == runner.logits_buffer_) return {logits, view.width, n};
  int64_t ld = runner.widths_[view.buffer];
  auto* base = reinterpret_cast<float*>(runner.buffers_[view.buffer].get());
  return {base + view.offset, ld, n};
}

Operand Pass::operand(const View& view, bool packed) {
  Rows x = rows(view);
  Operand operand{x.data, x.ld, n, {}};
  if (!packed) return operand;
  auto& kept = runner.rounded_[view.buffer];
  if (kept.n != n || !same(kept.view, view)) {
    kept.arena.reset();
    kept.rows = quantize(x.data, x.ld, n, view.width, kept.arena);
    kept.view = view;
    kept.n = n;
  }
  operand.q = kept.rows;
  return operand;
}

Int8Rows Pass::quantize(const float* x, int64_t ldx, int64_t rows, int64_t cols, Arena& into) {
  RoundedRows rounded(into, rows, cols);
  pool.split(rows, 1, double(cols), [&](int64_t begin, int64_t end, int) {
    rounded.fill(k, x + begin * ldx, ldx, cols, begin, end - begin);
  });
  return rounded.rows();
}

const float* Pass::rotations(const std::vector<double>& inv_freq, double factor) {
  std::vector<double> by = inv_freq;
  by.push_back(factor);
  size_t half = inv_freq.size(), size = static_cast<size_t>(n) * 2 * half;
  if (rotated.size() == size && rotated_by == by) return rotated.data();
  rotated.resize(size);
  rotated_by = std::move(by);
  for (int64_t t = 0; t < n; ++t) {
    float* row = rotated.data() + t * 2 * half;
    for (size_t i = 0; i < half; ++i) {
      float angle = static_cast<float>(tokens[t].position) * static_cast<float>(inv_freq[i]);  // as the official code
      row[i] = static_cast<float>(std::cos(double(angle)) * factor);
      row[half + i] = static_cast<float>(std::sin(double(angle)) * factor);
    }
  }
  return rotated.data();
}

void multiply(const Kernels& k, const Matrix& w, int64_t row0, int64_t row1, const Operand& x, float* y, int64_t ldy) {
  if (w.packed()) {
    k.linear_int8(w, row0, row1, x.q, y, ldy);
  } else {
    k.linear(w, row0, row1, x.x, x.ldx, x.n, y, ldy);
  }
}

void project(Pass& p, const Matrix& w, const float* bias, const Operand& x, const Rows& y) {
  p.pool.split(w.rows, 16, double(x.n) * double(w.cols), [&](int64_t begin, int64_t end, int) {
    multiply(p.k, w, begin, end, x, y.data + begin, y.ld);
    for (int64_t t = 0; bias && t < x.n; ++t) {
      for (int64_t r = begin; r < end; ++r) y[t][r] += bias[r];
    }
  });
}

Runner::Runner(const std::vector<OpSpec>& ops, const std::vector<int64_t>& buffers, int threads)
    : k_(*kernels()), pool_(threads), widths_(buffers), buffers_(buffers.size()), rounded_(buffers.size()) {
  for (int64_t width : buffers) {
    if (width < 1 || width > (1 << 28)) throw std::invalid_argument("buffer of width " + std::to_string(width));
  }
  plan(ops);
  workers_.resize(pool_.threads());
  for (size_t b = 0; b < buffers.size(); ++b) {
    if (int(b) != logits_buffer_) buffers_[b] = allocate_aligned(kMaxTokens * buffers[b] * int64_t(sizeof(float)));
  }
}

// Checks the ops and finds what a pass needs to know: the head's buffer, the cache's shape, where the tail begins.
void Runner::plan(const std::vector<OpSpec>& ops) {
  auto check = [&](const OpSpec& spec, const View& view) {
    spec.expect(view.buffer >= 0 && view.buffer < int(widths_.size()) && view.offset >= 0 && view.width >= 1 &&
                    view.offset + view.width <= widths_[view.buffer],
                "a view lies outside its buffer");
  };
  size_t tail = ops.size();
  while (tail > 0 && ops[tail - 1].attrs.count("tail")) --tail;
  for (size_t i = 0; i < ops.size(); ++i) {
    const OpSpec& spec = ops[i];
    for (const View& view : spec.inputs) check(spec, view);
    check(spec, spec.output);
    if (spec.kind == "embedding") embeddings_ = spec.matrices.empty() ? 0 : spec.matrices[0].rows;
    if (spec.kind == "head") {
      spec.expect(i + 1 == ops.size() && i >= tail, "the head must come last");
      spec.expect(spec.output.offset == 0 && spec.output.width == widths_[spec.output.buffer],
                  "the head must fill its buffer");
      logits_buffer_ = spec.output.buffer;
      vocab_size_ = spec.output.width;
    }
    if (spec.kind == "latent_attention") {
      int64_t width = spec.inputs.size() == 2 ? spec.inputs[1].width : 0;
      spec.expect(cache_width_ == 0 || cache_width_ == width, "layers differ in the width of the latent");
      cache_width_ = width;
      layers_ = std::max(layers_, spec.integer("layer") + 1);
      spec.expect(i < tail, "attention in the tail");
    }
    steps_.push_back({make_op(spec), spec.output, i >= tail});
  }
  if (logits_buffer_ < 0 || embeddings_ == 0 || layers_ == 0) {
    throw std::invalid_argument("a program needs an embedding, latent attention and a head");
  }
}

void Runner::check(const int32_t* tokens, int64_t n, const Pages& pages, const std::vector<Segment>& segments,
                   int64_t wanted) const {
  if (n < 1 || n > kMaxTokens) fail(n, " tokens in one pass; 1..", kMaxTokens, " go");
  if (pages.width() != cache_width_ || pages.layers() != layers_) {
    fail("the cache is of another model: ", pages.layers(), " layers x ", pages.width(), " instead of ", layers_, " x ",
         cache_width_);
  }
  for (int64_t t = 0; t < n; ++t) {
    if (tokens[t] < 0 || tokens[t] >= embeddings_) fail("token id ", tokens[t], " is not in 0..", embeddings_ - 1);
  }
  std::vector<int32_t> written;
  int64_t total = 0, total_wanted = 0;
  for (const Segment& s : segments) {
    auto room = static_cast<int64_t>(s.table.size()) * Pages::kTokens;
    if (s.n < 1 || s.n > n) fail("a segment of ", s.n, " out of ", n, " tokens");
    if (s.start < 0 || s.start > room - s.n) fail(s.n, " tokens from ", s.start, " on in a table of ", room);
    if (s.wanted < 0 || s.wanted > s.n) fail("logits of ", s.wanted, " out of ", s.n, " tokens");
    for (int64_t i = 0; i * Pages::kTokens < s.start + s.n; ++i) {
      int32_t page = s.table[i];
      if (page < 0 || page >= pages.count()) fail("page ", page, " is not in 0..", pages.count() - 1);
      if ((i + 1) * Pages::kTokens > s.start) written.push_back(page);
    }
    total += s.n;
    total_wanted += s.wanted;
  }
  if (total != n) fail("segments of ", total, " tokens, not ", n);
  if (total_wanted != wanted) fail("segments want ", total_wanted, " rows of logits, not ", wanted);
  std::sort(written.begin(), written.end());
  auto twice = std::adjacent_find(written.begin(), written.end());
  if (twice != written.end()) fail("page ", *twice, " is written twice");
}

void Runner::lay_out(Pass& pass, const int32_t* tokens, const std::vector<Segment>& segments, Form form) {
  constexpr int64_t kPage = Pages::kTokens;
  for (const Segment& s : segments) {
    int64_t row = static_cast<int64_t>(pass.tokens.size()), end = s.start + s.n, first = s.start, last = end;
    if (form == Form::Auto) first = (s.start + kPage - 1) / kPage * kPage, last = end / kPage * kPage;
    if (form == Form::Absorbed) last = first;
    if (first < last) pass.expanded.push_back({row + first - s.start, last - first});
    for (int64_t position = s.start; position < end; ++position, ++row) {
      if (position < first || position >= last) pass.absorbed.push_back(row);
      pass.tokens.push_back({*tokens++, position, s.table.data()});
    }
  }
}

// Moves the rows whose logits are wanted to the front.
void Runner::keep_wanted(Pass& pass, const std::vector<Segment>& segments) {
  int64_t end = 0;
  pass.n = 0;
  for (const Segment& s : segments) {
    end += s.n;
    for (int64_t row = end - s.wanted; row < end; ++row, ++pass.n) {
      pass.tokens[pass.n] = pass.tokens[row];
      for (size_t b = 0; b < widths_.size() && row > pass.n; ++b) {
        auto* data = reinterpret_cast<float*>(buffers_[b].get());
        if (data) std::copy_n(data + row * widths_[b], widths_[b], data + pass.n * widths_[b]);
      }
    }
  }
}

void Runner::forward(const int32_t* tokens, int64_t n, Pages& pages, const std::vector<Segment>& segments,
                     float* logits, int64_t wanted, Form form, const Observer& observer, double* seconds) {
  std::lock_guard<std::mutex> lock(mutex_);
  check(tokens, n, pages, segments, wanted);
  for (auto& kept : rounded_) kept.n = 0;
  Pass pass{*this, pool_, k_, arena_, workers_, pages, logits, n};
  lay_out(pass, tokens, segments, form);
  auto clock = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  double started = seconds ? clock() : 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (pages.interrupted()) throw std::runtime_error("interrupted");
    if (step.tail && wanted == 0) break;
    if (step.tail && !steps_[i - 1].tail) keep_wanted(pass, segments);
    arena_.reset();
    step.op->run(pass);
    rounded_[step.output.buffer].n = 0;
    if (seconds) {
      double ended = clock();
      seconds[i] += ended - started;
      started = ended;
    }
    if (observer) observer(i, pass.rows(step.output), step.output.width);
  }
}

}  // namespace fathom
