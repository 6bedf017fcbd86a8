// Python face of the program runner, the latent pages and, for tests, the thread pool.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

#include "dispatch.h"
#include "runner.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace fathom {
namespace {

using Tokens = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Seconds = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Logits = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

View view_of(nb::handle h) {
  auto t = nb::cast<nb::tuple>(h);
  if (t.size() != 3) throw std::invalid_argument("a view is (buffer, offset, width)");
  return {nb::cast<int>(t[0]), nb::cast<int64_t>(t[1]), nb::cast<int64_t>(t[2])};
}

// (kind, name, inputs, output, weights, attrs)
OpSpec spec_of(nb::handle h) {
  auto t = nb::cast<nb::tuple>(h);
  if (t.size() != 6) throw std::invalid_argument("an op is (kind, name, inputs, output, weights, attrs)");
  OpSpec spec;
  spec.kind = nb::cast<std::string>(t[0]);
  spec.name = nb::cast<std::string>(t[1]);
  for (nb::handle input : t[2]) spec.inputs.push_back(view_of(input));
  spec.output = view_of(t[3]);
  for (nb::handle weight : t[4]) {
    if (nb::isinstance<Matrix>(weight)) {
      spec.matrices.push_back(nb::cast<Matrix>(weight));
    } else {
      auto vector = nb::cast<Vector>(weight, false);
      spec.vectors.emplace_back(vector.data(), vector.data() + vector.size());
    }
  }
  for (auto [key, value] : nb::cast<nb::dict>(t[5])) {
    auto& values = spec.attrs[nb::cast<std::string>(key)];
    if (nb::isinstance<nb::list>(value)) {
      values = nb::cast<std::vector<double>>(value);
    } else {
      values = {nb::cast<double>(value)};
    }
  }
  return spec;
}

Form form_of(const std::string& name) {
  if (name == "auto") return Form::Auto;
  if (name == "absorbed") return Form::Absorbed;
  if (name == "expanded") return Form::Expanded;
  throw std::invalid_argument("form '" + name + "' is not auto, absorbed or expanded");
}

// (start, n, table, wanted); the table is copied, as others may run Python while the pass goes on.
Segment segment_of(nb::handle h) {
  std::tuple<int64_t, int64_t, Table, int64_t> parts;
  if (!nb::try_cast(h, parts, false)) throw std::invalid_argument("a segment is (start, n, int32 table, wanted)");
  auto& [start, n, table, wanted] = parts;
  return {start, n, {table.data(), table.data() + table.size()}, wanted};
}

void forward(Runner& runner, const Tokens& tokens, Pages& pages, const nb::list& parts, const Logits& logits,
             const std::string& form, nb::object observer, std::optional<Seconds> seconds) {
  if (int64_t(logits.shape(1)) != runner.vocab_size()) {
    throw std::invalid_argument("logits have " + std::to_string(logits.shape(1)) + " columns, not vocab_size " +
                                std::to_string(runner.vocab_size()));
  }
  if (seconds && seconds->size() != runner.ops()) throw std::invalid_argument("seconds need one place for each op");
  Runner::Observer observe;
  if (!observer.is_none()) {
    observe = [&](size_t op, const Rows& rows, int64_t width) {
      nb::gil_scoped_acquire gil;
      auto* copy = new float[rows.n * width];
      nb::capsule owner(copy, [](void* p) noexcept { delete[] static_cast<float*>(p); });
      for (int64_t t = 0; t < rows.n; ++t) std::memcpy(copy + t * width, rows[t], width * sizeof(float));
      observer(op, nb::ndarray<nb::numpy, float>(copy, {size_t(rows.n), size_t(width)}, owner));
    };
  }
  Form which = form_of(form);
  std::vector<Segment> segments;
  for (nb::handle part : parts) segments.push_back(segment_of(part));
  nb::gil_scoped_release release;
  runner.forward(tokens.data(), int64_t(tokens.size()), pages, segments, logits.data(), int64_t(logits.shape(0)), which,
                 observe, seconds ? seconds->data() : nullptr);
}

// ---- the pool: how fast all threads together read memory; the rest for tests ----

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The sum of all bytes as 8-byte numbers; the loop becomes vector loads, so nothing but reading takes time.
uint64_t read_all(Pool& pool, const Bytes& data) {
  std::atomic<uint64_t> total{0};
  pool.split(int64_t(data.size()) / 8, 1 << 16, 8, [&](int64_t begin, int64_t end, int) {
    const auto* from = reinterpret_cast<const uint64_t*>(data.data());
    uint64_t sum[8] = {};
    for (; begin + 8 <= end; begin += 8) {
      for (int lane = 0; lane < 8; ++lane) sum[lane] += from[begin + lane];
    }
    for (; begin < end; ++begin) sum[0] += from[begin];
    for (uint64_t lane : sum) total += lane;
  });
  return total;
}

// int8 operations done on AMX tiles by all threads; 0 where there are none.
int64_t multiply_all(Pool& pool, int64_t rounds) {
  std::atomic<int64_t> total{0};
  pool.run(8 * pool.threads(), [&](int64_t, int) { total += multiply_tiles(rounds); });
  return total;
}

void run_python(Pool& pool, int64_t chunks, const nb::object& work) {
  nb::gil_scoped_release release;
  pool.run(chunks, [&](int64_t chunk, int thread) {
    nb::gil_scoped_acquire gil;
    work(chunk, thread);
  });
}

// How often each chunk ran over many short jobs, without the GIL in the way.
std::vector<int64_t> count_chunks(Pool& pool, int64_t jobs, int64_t chunks) {
  std::vector<int64_t> counts(chunks, 0);
  for (int64_t job = 0; job < jobs; ++job) {
    pool.run(chunks, [&](int64_t chunk, int) { ++counts[chunk]; });
  }
  return counts;
}

}  // namespace
}  // namespace fathom

void bind_runner(nb::module_& m) {
  using namespace fathom;
  nb::class_<Pool>(m, "Pool")
      .def(nb::init<int>(), "threads"_a)
      .def_prop_ro("threads", &Pool::threads)
      .def("read", &read_all, "data"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("multiply_tiles", &multiply_all, "rounds"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("run", &run_python, "chunks"_a, "work"_a)
      .def("count", &count_chunks, "jobs"_a, "chunks"_a, nb::call_guard<nb::gil_scoped_release>());

  nb::class_<Pages>(m, "Pages")
      .def(nb::init<int64_t, int64_t, const std::string&, int64_t>(), "layers"_a, "width"_a, "dtype"_a, "count"_a)
      .def_prop_ro("layers", &Pages::layers)
      .def_prop_ro("width", &Pages::width)
      .def_prop_ro("dtype", &Pages::dtype)
      .def_prop_ro("count", &Pages::count)
      .def_prop_ro("page_bytes", &Pages::page_bytes)
      .def("interrupt", &Pages::interrupt, "now"_a);

  nb::class_<Runner>(m, "Runner")
      .def(
          "__init__",
          [](Runner* self, const nb::list& ops, const std::vector<int64_t>& buffers, int threads) {
            std::vector<OpSpec> specs;
            for (nb::handle op : ops) specs.push_back(spec_of(op));
            new (self) Runner(specs, buffers, threads);
          },
          "ops"_a, "buffers"_a, "threads"_a)
      .def_prop_ro("threads", &Runner::threads)
      .def_prop_ro("vocab_size", &Runner::vocab_size)
      .def_prop_ro("embeddings", &Runner::embeddings)
      .def_prop_ro("layers", &Runner::layers)
      .def_prop_ro("cache_width", &Runner::cache_width)
      .def("forward", &forward, "tokens"_a, "pages"_a, "segments"_a, "logits"_a, "form"_a = "auto",
           "observer"_a = nb::none(), "seconds"_a = nb::none());
  m.attr("MAX_TOKENS") = kMaxTokens;
}
