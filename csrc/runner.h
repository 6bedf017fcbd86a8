// Runs a lowered program: a flat list of ops over float32 buffers with one row per token. A forward pass of up to
// kMaxTokens tokens of one sequence is one call; nothing here knows the architecture.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arena.h"
#include "cache.h"
#include "kernels.h"
#include "pool.h"

namespace fathom {

constexpr int64_t kMaxTokens = 512;

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

enum class Form { Auto, Absorbed, Expanded };

class Runner;

// One forward pass as the ops see it. Tail ops (those behind the last attention) see only the rows whose logits are
// wanted.
struct Pass {
  Runner& runner;
  Pool& pool;
  const Kernels& k;
  Arena& arena;                 // scratch of the op that runs
  std::vector<Arena>& workers;  // scratch of each thread; reset it before use
  Cache& cache;
  const int32_t* tokens;
  int64_t position;  // of the first token
  int64_t first, n;  // rows of this op: [first, first + n) of the pass
  Form form;
  float* logits;

  Rows rows(const View& view) const;
  // The view as packed and/or dense matrices read it. Rounded rows are kept until the buffer is written again, so
  // q_a and kv_a, or router, experts and shared experts, round once.
  Operand operand(const View& view, bool packed);
  Int8Rows quantize(const float* x, int64_t ldx, int64_t rows, int64_t cols, Arena& into);
  // cos (dim / 2) | sin (dim / 2) of every position of the pass; angles are products in float32.
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

  // Runs n tokens behind those in the cache and appends them to it; writes the logits of the last `wanted` ones,
  // (wanted, vocab_size); adds the seconds each op takes to `seconds` unless null. An exception leaves the cache as it
  // was.
  void forward(const int32_t* tokens, int64_t n, Cache& cache, float* logits, int64_t wanted, Form form,
               const Observer& observer, double* seconds = nullptr);

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
  struct Rounded {  // the int8 form of a view, and of which rows
    View view;
    int64_t first = -1, n = 0;
    Int8Rows rows;
    Arena arena;
  };
  struct Rotations {
    std::vector<double> inv_freq;
    double factor;
    int64_t position = -1, n = 0;
    std::vector<float> table;
  };

  void plan(const std::vector<OpSpec>& ops);

  const Kernels& k_;
  Pool pool_;
  std::mutex mutex_;  // one pass at a time
  std::vector<int64_t> widths_;
  std::vector<AlignedBytes> buffers_;
  std::vector<Rounded> rounded_;  // one per buffer
  std::vector<Rotations> rotations_;
  std::vector<Step> steps_;
  Arena arena_;
  std::vector<Arena> workers_;
  int logits_buffer_ = -1;
  int64_t vocab_size_ = 0, embeddings_ = 0, layers_ = 0, cache_width_ = 0;
};

}  // namespace fathom
