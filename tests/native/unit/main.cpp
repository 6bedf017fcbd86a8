// Native tests without Python: csrc alone, so that sanitizers and emulators can run it. Arguments choose tests by name.
#include <algorithm>
#include <chrono>

#include "dispatch.h"
#include "unit.h"

int main(int argc, char** argv) {
  using namespace fathom;
  struct Test {
    const char* name;
    void (*run)();
  };
  constexpr Test kTests[] = {{"kernels", unit::test_kernels},
                             {"pack", unit::test_pack},
                             {"pool", unit::test_pool},
                             {"runner", unit::test_runner}};
  for (const Kernels* level : usable_levels()) std::printf("level %s\n", level->name);
  for (const Test& test : kTests) {
    auto named = [&](const char* argument) { return std::strcmp(argument, test.name) == 0; };
    if (argc > 1 && std::none_of(argv + 1, argv + argc, named)) continue;
    auto started = std::chrono::steady_clock::now();
    test.run();
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    std::printf("%s passed in %.2f s\n", test.name, seconds.count());
  }
  return 0;
}
