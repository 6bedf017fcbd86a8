// A thread pool for steps of a few microseconds. The caller takes part; workers spin for a short while between jobs and
// then sleep; work is handed out chunk by chunk through one atomic counter, so a descheduled worker delays one chunk.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace fathom {

class Pool {
 public:
  explicit Pool(int threads);  // the caller included; fewer where the system gives no more
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(chunk, thread) once for every 0 <= chunk < chunks, 0 <= thread < threads(), and returns when all are
  // done. The first exception is thrown again here, after the others have finished. Not reentrant.
  template <class Work>
  void run(int64_t chunks, const Work& work) {
    auto call = [](const void* arg, int64_t chunk, int thread) { (*static_cast<const Work*>(arg))(chunk, thread); };
    run_erased(chunks, call, &work);
  }

  // Calls work(begin, end, thread) over pieces of [0, total) that start at multiples of `unit`. `cost` is that of one
  // item in multiply-adds: cheap totals stay on the calling thread.
  template <class Work>
  void split(int64_t total, int64_t unit, double cost, const Work& work) {
    int64_t step = piece(total, unit, cost);
    run((total + step - 1) / step, [&](int64_t chunk, int thread) {
      work(chunk * step, std::min(total, (chunk + 1) * step), thread);
    });
  }

  // The length of such a piece: a multiple of `unit`.
  int64_t piece(int64_t total, int64_t unit, double cost) const;

 private:
  using Body = void (*)(const void* arg, int64_t chunk, int thread);

  void run_erased(int64_t chunks, Body body, const void* arg);
  void take_chunks(int thread);
  void serve(int thread);
  uint32_t epoch() const { return static_cast<uint32_t>(ticket_.load() >> 32); }

  // Epoch in the high half, next chunk in the low half; a closed ticket has all low bits set. The job below changes
  // only while the ticket is closed, so whoever advances the ticket has read the job that belongs to it.
  std::atomic<uint64_t> ticket_;
  std::atomic<Body> body_{nullptr};
  std::atomic<const void*> arg_{nullptr};
  std::atomic<int64_t> chunks_{0};
  std::atomic<int64_t> finished_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false}, stop_{false};

  std::mutex mutex_;
  std::condition_variable wake_workers_, wake_caller_;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
  long owner_;  // process id: a forked child has no workers and runs everything itself
};

}  // namespace fathom
