// The extension module fathom._guard: the passes over a whole text that guard/ makes.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <string>
#include <vector>

#include "automaton.h"
#include "fold.h"
#include "keccak.h"
#include "literals.h"
#include "machines.h"
#include "numbers.h"
#include "placeholders.h"
#include "runs.h"

namespace nb = nanobind;
using guard::Text;

namespace {

// An array that owns `rows` x `columns` of int32, copied from structs of so many int32.
template <typename Row>
nb::object table(const std::vector<Row>& rows, size_t columns) {
  auto* data = new int32_t[rows.size() * columns];
  if (!rows.empty()) std::memcpy(data, rows.data(), rows.size() * columns * sizeof(int32_t));
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<int32_t*>(p); });
  size_t shape[2] = {rows.size(), columns};
  return nb::cast(nb::ndarray<nb::numpy, int32_t>(data, columns == 1 ? 1 : 2, shape, owner));
}

nb::object fold(nb::str text) {
  guard::Folded folded = guard::fold(Text(text.ptr()));
  if (folded.same) return nb::make_tuple(text, nb::none());
  nb::object shadow = nb::steal(
      PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, folded.text.data(), Py_ssize_t(folded.text.size())));
  if (!shadow.is_valid()) throw nb::python_error();
  return nb::make_tuple(shadow, table(folded.origin, 1));
}

nb::list tuples(const std::vector<guard::Placeholders::Place>& places) {
  nb::list out;
  for (const auto& place : places) out.append(nb::make_tuple(place.start, place.end, place.type, place.number));
  return out;
}

std::u32string code_points(nb::handle str) {
  Text text(str.ptr());
  std::u32string points;
  for (Py_ssize_t i = 0; i < text.size(); ++i) points += char32_t(text[i]);
  return points;
}

}  // namespace

namespace guard {
void bind_names(nb::module_& m);
}

NB_MODULE(_guard, m) {
  guard::bind_names(m);
  nb::set_leak_warnings(false);
  m.def("fold", &fold, nb::arg("text"));
  m.def(
      "numbers",
      [](nb::str text, int32_t today) { return table(guard::numbers(Text(text.ptr()), today), 4); },
      nb::arg("text"), nb::arg("today"));
  m.def(
      "words",
      [](nb::str text, int32_t least) { return table(guard::words(Text(text.ptr()), least), 2); },
      nb::arg("text"), nb::arg("least"));
  m.def(
      "machines", [](nb::str text) { return table(guard::machines(Text(text.ptr())), 3); }, nb::arg("text"));
  m.def(
      "eip55",
      [](const std::string& hex) {
        if (hex.size() != 40) throw nb::value_error("40 hexadecimal digits");
        return guard::eip55(hex.data());
      },
      nb::arg("hex"));
  m.def(
      "runs",
      [](nb::str text, int digits) { return table(guard::runs(Text(text.ptr()), digits), 3); },
      nb::arg("text"), nb::arg("digits"));
  nb::class_<guard::Automaton>(m, "Automaton")
      .def(
          "__init__",
          [](guard::Automaton* self, nb::list words, nb::list ids, nb::list whole, bool longest) {
            std::vector<std::u32string> list;
            std::vector<int32_t> numbers;
            for (nb::handle word : words) list.push_back(code_points(nb::cast<nb::str>(word)));
            for (nb::handle id : ids) numbers.push_back(nb::cast<int32_t>(id));
            std::vector<bool> flags;
            for (nb::handle flag : whole) flags.push_back(nb::cast<bool>(flag));
            if (list.size() != numbers.size() || list.size() != flags.size())
              throw nb::value_error("as many ids and flags as words");
            new (self) guard::Automaton(list, numbers, flags, longest);
          },
          nb::arg("words"), nb::arg("ids"), nb::arg("whole"), nb::arg("longest") = false)
      .def(
          "find",
          [](const guard::Automaton& self, nb::str text) { return table(self.find(Text(text.ptr())), 3); },
          nb::arg("text"));
  nb::class_<guard::Literals>(m, "Literals")
      .def(nb::init<>())
      .def("__len__", &guard::Literals::size)
      .def("copy", [](const guard::Literals& self) { return guard::Literals(self); })
      .def("add", [](guard::Literals& self, nb::str word) { self.add(Text(word.ptr())); }, nb::arg("word"))
      .def(
          "find",
          [](const guard::Literals& self, nb::str text, bool open) {
            int32_t stop = 0;
            auto places = self.find(Text(text.ptr()), open, &stop);
            return std::make_pair(std::move(places), stop);
          },
          nb::arg("text"), nb::arg("open") = false)
      .def(
          "occurring",
          [](const guard::Literals& self, nb::str text) { return self.occurring(Text(text.ptr())); },
          nb::arg("text"));
  nb::class_<guard::Placeholders>(m, "Placeholders")
      .def(
          "__init__",
          [](guard::Placeholders* self, nb::list types) {
            std::vector<std::u32string> names;
            for (nb::handle type : types) names.push_back(code_points(nb::cast<nb::str>(type)));
            new (self) guard::Placeholders(std::move(names));
          },
          nb::arg("types"))
      .def(
          "find",
          [](const guard::Placeholders& self, nb::str text, const guard::Literals& literals,
             const guard::Literals& tokens, bool open) {
            int32_t stop = 0;
            std::vector<guard::Placeholders::Place> unknown;
            auto places = self.find(Text(text.ptr()), literals, tokens, open, &unknown, &stop);
            return nb::make_tuple(tuples(places), tuples(unknown), stop);
          },
          nb::arg("text"), nb::arg("literals"), nb::arg("tokens"), nb::arg("open") = false);
}
