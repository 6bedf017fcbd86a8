// Code points of a Python string, in whichever width it stores them; no copy.
#pragma once

#include <Python.h>

#include <cstdint>

namespace guard {

class Text {
 public:
  explicit Text(PyObject* str)
      : kind_(PyUnicode_KIND(str)), data_(PyUnicode_DATA(str)), size_(PyUnicode_GET_LENGTH(str)) {}
  Py_ssize_t size() const { return size_; }
  uint32_t operator[](Py_ssize_t i) const { return PyUnicode_READ(kind_, data_, i); }

 private:
  int kind_;
  const void* data_;
  Py_ssize_t size_;
};

inline bool is_digit(uint32_t c) { return c - '0' < 10u; }
inline bool is_letter(uint32_t c) { return (c | 32) - 'a' < 26u; }
inline bool is_alnum(uint32_t c) { return is_digit(c) || is_letter(c); }

}  // namespace guard
