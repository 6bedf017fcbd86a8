#include "pool.h"

#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace fathom {
namespace {

constexpr uint64_t kClosed = 0xffffffffu;
constexpr auto kSpin = std::chrono::microseconds(30);
constexpr double kMinCost = 32768;  // multiply-adds worth waking a thread for: 2-4 us
constexpr int kPiecesPerThread = 8;
constexpr int kMaxThreads = 1024;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether `ready` came true within kSpin.
template <class Ready>
bool spin(Ready ready) {
  auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

Pool::Pool(int threads) : ticket_(kClosed), owner_(getpid()) {
  if (threads < 1 || threads > kMaxThreads) {
    throw std::invalid_argument("threads: " + std::to_string(threads) + " is not in 1.." + std::to_string(kMaxThreads));
  }
  workers_.reserve(threads - 1);
  for (int i = 1; i < threads; ++i) {
    try {
      workers_.emplace_back([this, i] { serve(i); });
    } catch (const std::system_error&) {  // no more threads to be had: fewer do
      break;
    }
  }
}

Pool::~Pool() {
  if (getpid() != owner_) {
    for (auto& worker : workers_) worker.detach();
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_workers_.notify_all();
  for (auto& worker : workers_) worker.join();
}

int64_t Pool::piece(int64_t total, int64_t unit, double cost) const {
  if (total <= unit) return unit;
  double wanted = std::min(cost * static_cast<double>(total) / kMinCost, double(threads()) * kPiecesPerThread);
  int64_t pieces = threads() == 1 ? 1 : std::max<int64_t>(1, static_cast<int64_t>(wanted));
  int64_t step = (total + pieces - 1) / pieces;
  return (step + unit - 1) / unit * unit;
}

void Pool::run_erased(int64_t chunks, Body body, const void* arg) {
  if (chunks <= 1 || workers_.empty() || getpid() != owner_) {
    for (int64_t i = 0; i < chunks; ++i) body(arg, i, 0);
    return;
  }
  if (chunks >= int64_t(kClosed)) throw std::length_error("too many chunks for one job");
  body_ = body;
  arg_ = arg;
  chunks_ = chunks;
  finished_ = 0;
  ticket_ = uint64_t(epoch() + 1) << 32;
  if (sleepers_ > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_workers_.notify_all();
  }
  take_chunks(0);
  auto done = [&] { return finished_ == chunks; };
  if (!spin(done)) {
    std::unique_lock<std::mutex> lock(mutex_);
    caller_sleeps_ = true;
    wake_caller_.wait(lock, done);
    caller_sleeps_ = false;
  }
  ticket_ |= kClosed;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Pool::take_chunks(int thread) {
  int64_t mine = 0;
  for (uint64_t ticket = ticket_;;) {
    Body body = body_;
    const void* arg = arg_;
    int64_t chunk = ticket & kClosed;
    if (chunk >= chunks_) break;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
    try {
      body(arg, chunk, thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    ++mine;
    ticket = ticket_;
  }
  if (mine == 0) return;
  finished_ += mine;
  if (caller_sleeps_) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_caller_.notify_one();
  }
}

void Pool::serve(int thread) {
  uint32_t seen = 0;
  auto called = [&] { return epoch() != seen || stop_; };
  for (;;) {
    if (!spin(called)) {
      std::unique_lock<std::mutex> lock(mutex_);
      ++sleepers_;
      wake_workers_.wait(lock, called);
      --sleepers_;
    }
    if (stop_) return;
    seen = epoch();
    take_chunks(thread);
  }
}

}  // namespace fathom
