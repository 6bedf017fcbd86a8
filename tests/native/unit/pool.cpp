// The thread pool: every chunk of every job exactly once, whatever sleeps, throws or runs beside it.
#include "pool.h"

#include <stdexcept>

#include "unit.h"

namespace fathom {
namespace unit {
namespace {

// Plain counters: what a job wrote must be visible to the caller without any lock of its own.
void run_many_jobs(int threads, int64_t jobs, uint64_t seed) {
  Pool pool(threads);
  Random random(seed);
  std::vector<int> counts(67), expected(67);
  for (int64_t job = 0; job < jobs; ++job) {
    int64_t chunks = random.between(0, 66);
    pool.run(chunks, [&](int64_t chunk, int thread) {
      CHECK(0 <= thread && thread < pool.threads());
      ++counts[chunk];
    });
    for (int64_t chunk = 0; chunk < chunks; ++chunk) ++expected[chunk];
    CHECK(counts == expected);
    if (job % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the workers fall asleep
  }
}

void check_split(Pool& pool, Random& random) {
  for (int round = 0; round < 200; ++round) {
    int64_t total = random.between(0, 500), unit = random.between(1, 40);
    double cost = double(random.between(0, 1) * 100000 + 1);
    std::vector<int> seen(total);
    pool.split(total, unit, cost, [&](int64_t begin, int64_t end, int) {
      CHECK(begin % unit == 0 && begin < end && end <= total);
      for (int64_t i = begin; i < end; ++i) ++seen[i];
    });
    CHECK(seen == std::vector<int>(total, 1));
  }
}

void check_exceptions(Pool& pool) {
  for (int64_t bad = 0; bad < 40; ++bad) {
    std::atomic<int> ran{0};
    CHECK_THROWS(pool.run(40, [&](int64_t chunk, int) {
      ++ran;
      if (chunk == bad) throw std::runtime_error("chunk");
    }));
    CHECK(pool.threads() == 1 ? ran == bad + 1 : ran == 40);
    ran = 0;
    pool.run(9, [&](int64_t, int) { ++ran; });
    CHECK(ran == 9);
  }
}

}  // namespace

void test_pool() {
  Random random(3);
  for (int threads : {1, 2, 3, 8}) {
    run_many_jobs(threads, 2000, threads);
    Pool pool(threads);
    check_split(pool, random);
    check_exceptions(pool);
  }
  for (int round = 0; round < 50; ++round) Pool(static_cast<int>(random.between(1, 6)));  // end before they began
  std::vector<std::thread> callers;
  for (uint64_t caller = 0; caller < 4; ++caller) callers.emplace_back([caller] { run_many_jobs(3, 1000, caller); });
  for (std::thread& caller : callers) caller.join();
  CHECK_THROWS(Pool(0));
  CHECK_THROWS(Pool(1 << 20));
}

}  // namespace unit
}  // namespace fathom
