// Python face of csrc/sample.h.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "sample.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace fathom {
namespace {

using Row = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Mask = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T> array_of(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  size_t side = kept->size();
  return nb::ndarray<nb::numpy, T>(kept->data(), 1, &side, owner);
}

double py_logsumexp(const Row& row) {
  nb::gil_scoped_release release;
  return logsumexp(row.data(), static_cast<int64_t>(row.size()));
}

nb::tuple py_top(const Row& row, int64_t k) {
  std::vector<int64_t> ids;
  std::vector<float> values;
  {
    nb::gil_scoped_release release;
    ids = top(row.data(), static_cast<int64_t>(row.size()), k);
    for (int64_t id : ids) values.push_back(row.data()[id]);
  }
  return nb::make_tuple(array_of(std::move(ids)), array_of(std::move(values)));
}

int64_t py_draw(const Row& row, const std::optional<Mask>& mask, float temperature, int64_t top_k, double top_p,
                double min_p, double uniform) {
  if (row.size() == 0) throw std::invalid_argument("no logits");
  if (mask && mask->size() != row.size()) throw std::invalid_argument("the mask is not as long as the logits");
  nb::gil_scoped_release release;
  return draw(row.data(), mask ? mask->data() : nullptr, static_cast<int64_t>(row.size()),
              {temperature, top_k, top_p, min_p, uniform});
}

}  // namespace
}  // namespace fathom

void bind_sample(nb::module_& m) {
  m.def("logsumexp", &fathom::py_logsumexp, "logits"_a);
  m.def("top", &fathom::py_top, "logits"_a, "k"_a);
  m.def("draw", &fathom::py_draw, "logits"_a, "mask"_a.none(), "temperature"_a, "top_k"_a = 0, "top_p"_a = 1.0,
        "min_p"_a = 0.0, "uniform"_a = 0.0);
}
