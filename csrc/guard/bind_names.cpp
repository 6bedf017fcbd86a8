// Python's view of the name model: `NameModel(words, weights, scale)`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <stdexcept>

#include "names.h"

namespace nb = nanobind;

namespace guard {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<const int8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The code points of a str; lone surrogates are code points like others.
struct CodePoints {
  explicit CodePoints(nb::str text) : length(size_t(PyUnicode_GetLength(text.ptr()))) {
    data.reset(PyUnicode_AsUCS4Copy(text.ptr()));
    if (!data) throw nb::python_error();
  }
  const char32_t* begin() const { return reinterpret_cast<const char32_t*>(data.get()); }

  struct Free {
    void operator()(Py_UCS4* p) const { PyMem_Free(p); }
  };
  std::unique_ptr<Py_UCS4, Free> data;
  size_t length;
};

class Names {
 public:
  Names(Bytes words, Weights weights, float scale)
      : words_(std::move(words)), weights_(std::move(weights)), model_(checked(), weights_.data(), scale) {}

  nb::list find(nb::str text, float threshold) const {
    const CodePoints points(text);
    std::vector<NameHit> hits;
    {
      nb::gil_scoped_release unlocked;
      hits = model_.find(points.begin(), points.length, threshold);
    }
    nb::list out;
    for (const NameHit& hit : hits) out.append(nb::make_tuple(hit.start, hit.end, int(hit.kind), hit.score));
    return out;
  }

  nb::tuple candidates(nb::str text) const {
    const CodePoints points(text);
    const std::vector<NameCandidate> found = model_.candidates(points.begin(), points.length);
    const size_t n = found.size();
    auto* places = new uint32_t[n * 3 + 1];
    auto* features = new uint32_t[n * kNameFeatures + 1];
    for (size_t i = 0; i < n; ++i) {
      places[i * 3] = found[i].start, places[i * 3 + 1] = found[i].end, places[i * 3 + 2] = uint32_t(found[i].kind);
      std::copy(found[i].features.begin(), found[i].features.end(), features + i * kNameFeatures);
    }
    const auto free = [](void* p) noexcept { delete[] static_cast<uint32_t*>(p); };
    return nb::make_tuple(nb::ndarray<nb::numpy, uint32_t>(places, {n, 3}, nb::capsule(places, free)),
                          nb::ndarray<nb::numpy, uint32_t>(features, {n, kNameFeatures}, nb::capsule(features, free)));
  }

 private:
  const uint8_t* checked() const {
    if (words_.shape(0) != kWordBits / 8 || weights_.shape(0) != kNameBuckets)
      throw std::invalid_argument("a name model has " + std::to_string(kWordBits / 8) + " bytes of words and " +
                                  std::to_string(kNameBuckets) + " weights");
    return words_.data();
  }

  Bytes words_;
  Weights weights_;
  NameModel model_;
};

nb::tuple word_places(int word_class, nb::str word) {
  const CodePoints points(word);
  const auto bits = WordFilter::bits(WordClass(word_class), points.begin(), points.length);
  return nb::make_tuple(bits[0], bits[1], bits[2]);
}

}  // namespace

void bind_names(nb::module_& module) {
  nb::class_<Names>(module, "NameModel")
      .def(nb::init<Bytes, Weights, float>(), nb::arg("words"), nb::arg("weights"), nb::arg("scale"))
      .def("find", &Names::find, nb::arg("text"), nb::arg("threshold"))
      .def("candidates", &Names::candidates, nb::arg("text"));
  module.def("name_word_bits", &word_places, nb::arg("word_class"), nb::arg("word"));
}

}  // namespace guard
