// The extension module fathom._native: weight matrices and kernels (bind_matrix.cpp), program runner
// (bind_runner.cpp), sampling (bind_sample.cpp).
#include <nanobind/nanobind.h>

void bind_matrix(nanobind::module_& m);
void bind_runner(nanobind::module_& m);
void bind_sample(nanobind::module_& m);

NB_MODULE(_native, m) {
  nanobind::set_leak_warnings(false);  // a model may well live until the interpreter ends
  bind_matrix(m);
  bind_runner(m);
  bind_sample(m);
}
