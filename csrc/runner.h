// Runs a lowered program: a flat list of ops over float32 buffers with one row per token. A forward pass of up to
// kMaxTokens tokens of any number of sequences is one call; nothing here knows the architecture.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arena.h"
#include "kernels.h"
#include "pages.h"
#include "pool.h"

namespace fathom {

constexpr int64_t kMaxTokens = 2048;

// Columns [offset, offset + width) of the rows of a buffer.
struct View {
  int buffer = 0;
  int64_t offset = 0, width = 0;
};

// The rows of a view in one pass.
struct Rows {
  float* data = nullptr;
  int64_t ld = 0, n = 0;
  float* operator[](int64_t t) const { return data + t * ld; }
};

// An op as Python lowers it. Attributes are numbers or lists of numbers; flags are 0 or 1.
struct OpSpec {
  std::string kind, name;
  std::vector<View> inputs;
  View output;
  std::vector<Matrix> matrices;
  std::vector<std::vector<float>> vectors;
  std::map<std::string, std::vector<double>> attrs;

  const std::vector<double>& list(const std::string& attr) const;
  double number(const std::string& attr) const;
  int64_t integer(const std::string& attr) const;
  // std::invalid_argument with the op's name unless `ok`.
  void expect(bool ok, const std::string& problem) const;
  void expect_counts(size_t inputs, size_t matrices, size_t vectors) const;
  void expect_shape(const Matrix& w, int64_t rows, int64_t cols) const;
};

// Rows of activations in the form(s) that matrices want them: floats for dense, int8 for packed ones.
struct Operand {
  const float* x = nullptr;
  int64_t ldx = 0, n = 0;
  Int8Rows q;
  Operand rows(int64_t begin, int64_t count) const;
};

// Int8Rows to be filled.
struct RoundedRows {
  int64_t n, cols;
  int8_t* q;
  float* scale;
  int32_t* sums;

  RoundedRows(Arena& arena, int64_t rows, int64_t width)
      : n(rows),
        cols((width + kRounded - 1) / kRounded * kRounded),
        q(arena.take<int8_t>(n * cols)),
        scale(arena.take<float>(n * (cols / kRounded))),
        sums(arena.take<int32_t>(n * (cols / 16))) {}
  // Rounds `count` rows to the places from `begin`.
  void fill(const Kernels& k, const float* x, int64_t ldx, int64_t width, int64_t begin, int64_t count) {
    k.quantize_rows(x, ldx, count, width, q + begin * cols, scale + begin * (cols / kRounded), sums + begin * (cols / 16));
  }
  Int8Rows rows() const { return {n, cols, q, scale, sums}; }
};

// The form of attention. Auto: tokens in pages that lie wholly inside their segment expanded, others absorbed. So it
// hangs on positions alone where segments are cut between pages.
enum class Form { Auto, Absorbed, Expanded };

// New tokens of one sequence at the positions [start, start + n). Its latents, old and new, lie in table[0], table[1] ...
struct Segment {
  int64_t start, n;
  std::vector<int32_t> table;
  int64_t wanted;  // logits of so many last tokens
};

// A row of a pass.
struct Token {
  int32_t id;
  int64_t position;
  const int32_t* table;  // its segment's
};

// Rows [row, row + n) of a pass: consecutive tokens of one segment.
struct Span {
  int64_t row, n;
};

class Runner;

// One forward pass as the ops see it. Tail ops (those behind the last attention) see only the rows whose logits are
// wanted, moved together.
struct Pass {
  Runner& runner;
  Pool& pool;
  const Kernels& k;
  Arena& arena;                 // scratch of the op that runs
  std::vector<Arena>& workers;  // scratch of each thread; reset it before use
  Pages& pages;
  float* logits;
  int64_t n = 0;                      // rows of this op
  std::vector<Token> tokens = {};     // of each row
  std::vector<Span> expanded = {};    // rows of the two forms of attention
  std::vector<int64_t> absorbed = {};
  std::vector<float> rotated = {};  // the last table of rotations, and of which frequencies
  std::vector<double> rotated_by = {};

  Rows rows(const View& view) const;
  // The view as packed and/or dense matrices read it. Rounded rows are kept until the buffer is written again, so
  // q_a and kv_a, or router, experts and shared experts, round once.
  Operand operand(const View& view, bool packed);
  Int8Rows quantize(const float* x, int64_t ldx, int64_t rows, int64_t cols, Arena& into);
  // cos (dim / 2) | sin (dim / 2) of the position of every row, times factor; angles are products in float32.
  const float* rotations(const std::vector<double>& inv_freq, double factor);
};

// y[:, r - row0] = W[r] x for row0 <= r < row1, on this thread.
void multiply(const Kernels& k, const Matrix& w, int64_t row0, int64_t row1, const Operand& x, float* y, int64_t ldy);
// y = W x (+ bias) with all threads.
void project(Pass& p, const Matrix& w, const float* bias, const Operand& x, const Rows& y);

class Op {
 public:
  virtual ~Op() = default;
  virtual void run(Pass& p) const = 0;
};

std::unique_ptr<Op> make_basic(const OpSpec& spec);      // embedding, rms_norm, linear, head, rope, add; or null
std::unique_ptr<Op> make_router(const OpSpec& spec);     // router
std::unique_ptr<Op> make_ffn(const OpSpec& spec);        // mlp, experts
std::unique_ptr<Op> make_attention(const OpSpec& spec);  // latent_attention

class Runner {
 public:
  // Called after each op with its index, output rows and their width.
  using Observer = std::function<void(size_t op, const Rows& rows, int64_t width)>;

  Runner(const std::vector<OpSpec>& ops, const std::vector<int64_t>& buffers, int threads);

  // Runs the n tokens of all segments, one behind the other, and writes their latents to the segments' pages and the
  // `wanted` logits of all to (wanted, vocab_size); adds the seconds each op takes to `seconds` unless null. Whatever
  // is thrown, other pages are as they were.
  void forward(const int32_t* tokens, int64_t n, Pages& pages, const std::vector<Segment>& segments, float* logits,
               int64_t wanted, Form form, const Observer& observer, double* seconds = nullptr);

  int threads() const { return pool_.threads(); }
  size_t ops() const { return steps_.size(); }
  int64_t vocab_size() const { return vocab_size_; }
  int64_t embeddings() const { return embeddings_; }  // token ids are below
  int64_t layers() const { return layers_; }
  int64_t cache_width() const { return cache_width_; }

 private:
  friend struct Pass;
  struct Step {
    std::unique_ptr<Op> op;
    View output;
    bool tail;
  };
  struct Rounded {  // the int8 form of a view, and of how many rows
    View view;
    int64_t n = 0;
    Int8Rows rows;
    Arena arena;
  };

  void plan(const std::vector<OpSpec>& ops);
  void check(const int32_t* tokens, int64_t n, const Pages& pages, const std::vector<Segment>& segments,
             int64_t wanted) const;
  void lay_out(Pass& pass, const int32_t* tokens, const std::vector<Segment>& segments, Form form);
  void keep_wanted(Pass& pass, const std::vector<Segment>& segments);

  const Kernels& k_;
  Pool pool_;
  std::mutex mutex_;  // one pass at a time
  std::vector<int64_t> widths_;
  std::vector<AlignedBytes> buffers_;
  std::vector<Rounded> rounded_;  // one per buffer
  std::vector<Step> steps_;
  Arena arena_;
  std::vector<Arena> workers_;
  int logits_buffer_ = -1;
  int64_t vocab_size_ = 0, embeddings_ = 0, layers_ = 0, cache_width_ = 0;
};

}  // namespace fathom
