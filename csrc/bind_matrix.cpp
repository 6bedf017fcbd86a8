// Python face of matrices and kernels. Sizes are checked here, once; the kernels trust them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "dispatch.h"
#include "kernels.h"
#include "pack.h"
#include "pack_common.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace fathom {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using FloatRows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using HalfRows = nb::ndarray<const uint16_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using IntRow = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Array = nb::ndarray<nb::numpy, T>;
using Level = std::optional<std::string>;

const Kernels& pick(const Level& level) { return level ? *kernels(level->c_str()) : *kernels(); }

// A new array of this shape that owns its memory.
template <class T>
struct Owned {
  T* data;
  Array<T> array;
  explicit Owned(std::initializer_list<int64_t> shape) {
    std::vector<size_t> sides(shape.begin(), shape.end());
    size_t count = 1;
    for (size_t side : sides) count *= side;
    data = new T[count]();
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    array = Array<T>(data, sides.size(), sides.data(), owner);
  }
};

// Holds a Python object from C++ threads: the last release takes the GIL.
std::shared_ptr<void> keep_alive(nb::object object) {
  return std::shared_ptr<void>(object.release().ptr(), [](void* p) {
    nb::gil_scoped_acquire gil;
    nb::handle(static_cast<PyObject*>(p)).dec_ref();
  });
}

void need(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

Bytes bytes_of(const nb::object& object) {
  Bytes bytes;
  if (!nb::try_cast(object, bytes, false)) throw nb::type_error("expected a contiguous one-dimensional uint8 array");
  return bytes;
}

Type dense_type(const std::string& name) {
  for (Type type : {Type::F32, Type::F16, Type::BF16}) {
    if (name == type_name(type)) return type;
  }
  throw std::invalid_argument("no dense type " + name + "; known: F32, F16, BF16");
}

Matrix make_dense(nb::object data, const std::string& type, int64_t rows, int64_t cols) {
  Bytes bytes = bytes_of(data);
  Matrix shape = dense_shape(dense_type(type), rows, cols);
  need_bytes(static_cast<int64_t>(bytes.size()), shape.nbytes, type.c_str(), rows, cols);
  return over(shape, bytes.data(), keep_alive(std::move(data)));
}

Matrix make_packed(const Bytes& data, const std::string& source, int64_t rows, int64_t cols, int bits, int group) {
  const uint8_t* bytes = data.data();
  int64_t nbytes = static_cast<int64_t>(data.size());
  nb::gil_scoped_release release;
  if (bits == 0) return repack_gguf(bytes, nbytes, source, rows, cols);
  return pack_dense(bytes, nbytes, dense_type(source), rows, cols, bits, group);
}

Matrix shape_of(const nb::dict& spec) {
  auto field = [&spec](const char* name) {
    if (!spec.contains(name)) throw std::invalid_argument(std::string("a packed spec needs the field ") + name);
    return spec[name];
  };
  auto type = nb::cast<std::string>(field("type")), scale = nb::cast<std::string>(field("scale"));
  need(type == "int8" || type == "int4", "no packed type " + type + "; known: int8, int4");
  need(scale == "f16" || scale == "k", "no scale " + scale + "; known: f16, k");
  return packed_shape(type == "int8" ? Type::I8 : Type::I4, scale == "k" ? Scale::K : Scale::F16,
                      nb::cast<bool>(field("min")), nb::cast<int>(field("group")), nb::cast<int64_t>(field("rows")),
                      nb::cast<int64_t>(field("cols")));
}

Matrix make_view(nb::object blob, const nb::dict& spec) {
  Bytes bytes = bytes_of(blob);
  Matrix shape = shape_of(spec);
  need_bytes(static_cast<int64_t>(bytes.size()), shape.nbytes, type_name(shape.type), shape.rows, shape.cols);
  return over(shape, bytes.data(), keep_alive(std::move(blob)));
}

// The same matrix in memory of its own, on huge pages: mapped files lie on small ones.
Matrix copy_of(const Matrix& w) {
  Matrix copy = allocate(w);
  std::memcpy(const_cast<uint8_t*>(copy.codes), w.codes, static_cast<size_t>(w.nbytes));
  return copy;
}

nb::dict spec_of(const Matrix& w) {
  nb::dict spec;
  spec["type"] = type_name(w.type);
  spec["rows"] = w.rows;
  spec["cols"] = w.cols;
  if (w.packed()) {
    spec["group"] = w.group;
    spec["scale"] = w.scale == Scale::K ? "k" : "f16";
    spec["min"] = w.has_min;
  }
  return spec;
}

nb::ndarray<nb::numpy, const uint8_t> blob_of(const Matrix& w) {
  auto* owner = new std::shared_ptr<void>(w.owner);
  nb::capsule capsule(owner, [](void* p) noexcept { delete static_cast<std::shared_ptr<void>*>(p); });
  size_t side = static_cast<size_t>(w.nbytes);
  return nb::ndarray<nb::numpy, const uint8_t>(w.codes, 1, &side, capsule);
}

// The end of the row range [row0, end), which must lie within the matrix.
int64_t end_row(const Matrix& w, int64_t row0, std::optional<int64_t> end) {
  int64_t row1 = end.value_or(w.rows);
  need(0 <= row0 && row0 <= row1 && row1 <= w.rows, "rows " + std::to_string(row0) + " to " + std::to_string(row1) +
                                                        " of a matrix of " + std::to_string(w.rows) + " rows");
  return row1;
}

Array<float> unpack(const Matrix& w, int64_t row0, std::optional<int64_t> end) {
  int64_t row1 = end_row(w, row0, end);
  Owned<float> out({row1 - row0, w.cols});
  nb::gil_scoped_release release;
  for (int64_t r = row0; r < row1; ++r) kernels_portable()->row(w, r, out.data + (r - row0) * w.cols);
  return out.array;
}

// n rows of k values rounded to int8.
struct Rounded {
  int64_t padded;
  Owned<int8_t> q;
  Owned<float> scale;
  Owned<int32_t> sums;
  Rounded(const Kernels& level, const float* x, int64_t n, int64_t k)
      : padded((k + kRounded - 1) / kRounded * kRounded), q({n, padded}), scale({n, padded / kRounded}), sums({n, padded / 16}) {
    level.quantize_rows(x, k, n, k, q.data, scale.data, sums.data);
  }
};

void need_width(const FloatRows& x, int64_t width, const char* side) {
  need(static_cast<int64_t>(x.shape(1)) == width, "the input is " + std::to_string(x.shape(1)) +
                                                      " wide, the matrix has " + std::to_string(width) + " " + side);
}

// A packed matrix multiplies x rounded to int8.
Array<float> linear(const Matrix& w, const FloatRows& x, const Level& level, int64_t row0, std::optional<int64_t> end) {
  int64_t row1 = end_row(w, row0, end), height = row1 - row0;
  need_width(x, w.cols, "columns");
  const Kernels& kernel = pick(level);
  int64_t n = static_cast<int64_t>(x.shape(0));
  Owned<float> y({n, height});
  if (w.packed()) {
    Rounded rounded(kernel, x.data(), n, w.cols);
    nb::gil_scoped_release release;
    kernel.linear_int8(w, row0, row1, {n, rounded.padded, rounded.q.data, rounded.scale.data, rounded.sums.data},
                       y.data, height);
  } else {
    nb::gil_scoped_release release;
    kernel.linear(w, row0, row1, x.data(), w.cols, n, y.data, height);
  }
  return y.array;
}

Array<float> linear_t(const Matrix& w, const FloatRows& x, const Level& level, int64_t row0,
                      std::optional<int64_t> end) {
  int64_t row1 = end_row(w, row0, end);
  need_width(x, row1 - row0, "rows");
  need(!w.packed(), "the transposed product needs a dense matrix");
  const Kernels& kernel = pick(level);
  int64_t n = static_cast<int64_t>(x.shape(0));
  Owned<float> y({n, w.cols});
  nb::gil_scoped_release release;
  kernel.linear_t(w, row0, row1, x.data(), row1 - row0, n, y.data, w.cols);
  return y.array;
}

nb::dict feature_dict() {
  CpuFeatures cpu = cpu_features();
  nb::dict features;
  features["avx2"] = cpu.avx2;
  features["fma"] = cpu.fma;
  features["f16c"] = cpu.f16c;
  features["avx512f"] = cpu.avx512f;
  features["avx512bw"] = cpu.avx512bw;
  features["avx512vl"] = cpu.avx512vl;
  features["avx512dq"] = cpu.avx512dq;
  features["avx512vnni"] = cpu.avx512vnni;
  features["avx512bf16"] = cpu.avx512bf16;
  features["amx_tile"] = cpu.amx_tile;
  features["amx_int8"] = cpu.amx_int8;
  features["amx_bf16"] = cpu.amx_bf16;
  return features;
}

// ---- single kernels, for tests ----

Array<float> row(const Matrix& w, int64_t r, const Level& level) {
  need(0 <= r && r < w.rows, "row " + std::to_string(r) + " of a matrix of " + std::to_string(w.rows) + " rows");
  Owned<float> y({w.cols});
  pick(level).row(w, r, y.data);
  return y.array;
}

nb::tuple quantize_rows(const FloatRows& x, const Level& level) {
  Rounded rounded(pick(level), x.data(), static_cast<int64_t>(x.shape(0)), static_cast<int64_t>(x.shape(1)));
  return nb::make_tuple(rounded.q.array, rounded.scale.array, rounded.sums.array);
}

Array<float> rms_norm(const Floats& x, const Floats& weight, float eps, const Level& level) {
  need(x.size() == weight.size(), "values and weights differ in number");
  Owned<float> y({static_cast<int64_t>(x.size())});
  pick(level).rms_norm(x.data(), weight.data(), eps, static_cast<int64_t>(x.size()), y.data);
  return y.array;
}

Array<float> silu_mul(const Floats& gate, const Floats& up, const Level& level) {
  need(gate.size() == up.size(), "gate and up differ in number");
  Owned<float> y({static_cast<int64_t>(gate.size())});
  pick(level).silu_mul(gate.data(), up.data(), static_cast<int64_t>(gate.size()), y.data);
  return y.array;
}

Array<float> axpy(float a, const Floats& x, const Floats& y, const Level& level) {
  need(x.size() == y.size(), "x and y differ in number");
  Owned<float> out({static_cast<int64_t>(x.size())});
  std::copy_n(y.data(), y.size(), out.data);
  pick(level).axpy(a, x.data(), static_cast<int64_t>(x.size()), out.data);
  return out.array;
}

Array<uint16_t> to_bf16(const Floats& x, const Level& level) {
  Owned<uint16_t> y({static_cast<int64_t>(x.size())});
  pick(level).to_bf16(x.data(), static_cast<int64_t>(x.size()), y.data);
  return y.array;
}

Array<float> from_bf16(nb::ndarray<const uint16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> x, const Level& level) {
  Owned<float> y({static_cast<int64_t>(x.size())});
  pick(level).from_bf16(x.data(), static_cast<int64_t>(x.size()), y.data);
  return y.array;
}

// A copy of the softmax state m (n_q), l (n_q), acc (n_q, dv), to be moved on.
struct State {
  int64_t n_q, dv;
  Owned<float> m{n_q}, l{n_q}, acc{n_q, dv};
  State(const Floats& m0, const Floats& l0, const FloatRows& acc0)
      : n_q(static_cast<int64_t>(acc0.shape(0))), dv(static_cast<int64_t>(acc0.shape(1))) {
    need(m0.size() == acc0.shape(0) && l0.size() == acc0.shape(0), "the parts of the state do not fit together");
    std::copy_n(m0.data(), n_q, m.data);
    std::copy_n(l0.data(), n_q, l.data);
    std::copy_n(acc0.data(), n_q * dv, acc.data);
  }
  nb::tuple arrays() const { return nb::make_tuple(m.array, l.array, acc.array); }
};

// q (n_q, dk), k (n_k, >= dk), v (n_k, >= dv) -> the new state.
nb::tuple attend(const FloatRows& q, const FloatRows& k, const FloatRows& v, const IntRow& visible, float scale,
                 const Floats& m, const Floats& l, const FloatRows& acc, const Level& level) {
  State state(m, l, acc);
  auto side = [](const FloatRows& x, size_t i) { return static_cast<int64_t>(x.shape(i)); };
  int64_t dk = side(q, 1), n_k = side(k, 0);
  need(side(q, 0) == state.n_q && side(k, 1) >= dk && side(v, 0) == n_k && side(v, 1) >= state.dv &&
           visible.size() == q.shape(0),
       "queries, keys, values and state do not fit together");
  pick(level).attend(q.data(), dk, state.n_q, k.data(), side(k, 1), dk, v.data(), side(v, 1), state.dv, n_k,
                     visible.data(), scale, state.m.data, state.l.data, state.acc.data);
  return state.arrays();
}

// q (n_q, width), bfloat16 latents c (n_k, width) -> the new state.
nb::tuple attend_latents(const FloatRows& q, const HalfRows& c, const IntRow& visible, float scale, const Floats& m,
                         const Floats& l, const FloatRows& acc, const Level& level) {
  State state(m, l, acc);
  int64_t width = static_cast<int64_t>(q.shape(1)), n_k = static_cast<int64_t>(c.shape(0));
  need(q.shape(0) == acc.shape(0) && state.n_q <= 16 && n_k <= 64 && c.shape(1) == q.shape(1) && state.dv <= width &&
           visible.size() == q.shape(0),
       "queries, latents and state do not fit together");
  const Kernels& kernel = pick(level);
  std::vector<float> block(16 * (width + 1));
  for (int64_t i = 0; i < state.n_q; ++i) kernel.pack_query(q.data() + i * width, width, i, block.data());
  kernel.attend_latents(block.data(), state.n_q, c.data(), state.dv, width - state.dv, n_k, visible.data(), scale,
                        state.m.data, state.l.data, state.acc.data);
  return state.arrays();
}

}  // namespace
}  // namespace fathom

void bind_matrix(nb::module_& m) {
  using namespace fathom;
  nb::class_<Matrix>(m, "Matrix")
      .def_static("dense", &make_dense, "data"_a, "type"_a, "rows"_a, "cols"_a)
      .def_static("pack", &make_packed, "data"_a.noconvert(), "source"_a, "rows"_a, "cols"_a, "bits"_a, "group"_a = 32)
      .def_static("view", &make_view, "blob"_a, "spec"_a)
      .def_static("blob_bytes", [](const nb::dict& spec) { return shape_of(spec).nbytes; }, "spec"_a)
      .def("blob", &blob_of)
      .def("copy", &copy_of, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("spec", &spec_of)
      .def_ro("nbytes", &Matrix::nbytes)
      .def_ro("rows", &Matrix::rows)
      .def_ro("cols", &Matrix::cols)
      .def_prop_ro("type", [](const Matrix& w) { return type_name(w.type); })
      .def("unpack", &unpack, "row0"_a = 0, "row1"_a = nb::none())
      .def("linear", &linear, "x"_a, "level"_a = nb::none(), "row0"_a = 0, "row1"_a = nb::none())
      .def("linear_t", &linear_t, "x"_a, "level"_a = nb::none(), "row0"_a = 0, "row1"_a = nb::none())
      .def("row", &row, "row"_a, "level"_a = nb::none())
      .def("all_finite", &all_finite, nb::call_guard<nb::gil_scoped_release>());

  m.def("levels", [] {
    std::vector<std::string> names;
    for (const Kernels* level : usable_levels()) names.emplace_back(level->name);
    return names;
  });
  m.def("level", [] { return std::string(kernels()->name); });
  m.def("cpu_features", &feature_dict);

  m.def("quantize_rows", &quantize_rows, "x"_a, "level"_a = nb::none());
  m.def("rms_norm", &rms_norm, "x"_a, "weight"_a, "eps"_a, "level"_a = nb::none());
  m.def("silu_mul", &silu_mul, "gate"_a, "up"_a, "level"_a = nb::none());
  m.def("axpy", &axpy, "a"_a, "x"_a, "y"_a, "level"_a = nb::none());
  m.def("to_bf16", &to_bf16, "x"_a, "level"_a = nb::none());
  m.def("from_bf16", &from_bf16, "x"_a, "level"_a = nb::none());
  m.def("attend", &attend, "q"_a, "k"_a, "v"_a, "visible"_a, "scale"_a, "m"_a, "l"_a, "acc"_a, "level"_a = nb::none());
  m.def("attend_latents", &attend_latents, "q"_a, "c"_a, "visible"_a, "scale"_a, "m"_a, "l"_a, "acc"_a,
        "level"_a = nb::none());
}
