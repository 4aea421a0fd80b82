// Keeps idle processors from halting while requests follow each other closely: a caller that waits for its answer leaves
// its processor idle, and waking a halted one costs more than the answer. Asked of Linux by PM QoS (/dev/cpu_dma_latency),
// which takes the wish back by itself when the process ends. Knows no requests, only how many.

#ifndef STRATAFS_WAKEFULNESS_H_
#define STRATAFS_WAKEFULNESS_H_

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "unique_fd.h"

namespace stratafs {

class Wakefulness {
 public:
  // Where the process may not ask, or `wanted` is false, nothing is ever held.
  explicit Wakefulness(bool wanted) : refused_(!wanted) {}

  // `requests` so far, at `now` in nanoseconds. True: the wish has just been made, and Tick must be called every kTickMs from
  // now on.
  bool Counted(uint64_t requests, uint64_t now) {
    if (held_ || refused_) return false;
    if (now - since_ > kWindow) since_ = now, seen_ = requests;
    return requests - seen_ >= kMany && Hold(requests);
  }

  // False: the burst is over and the wish taken back.
  bool Tick(uint64_t requests) {
    const bool busy = requests - seen_ >= kBusy;
    seen_ = requests;
    if (!busy) Release();
    return busy;
  }

  void Release() {
    if (held_) Ask(kNoWish);
    held_ = false;
  }

  // How often the wish was made.
  uint64_t wishes() const { return wishes_; }

  static constexpr uint64_t kTickMs = 20;

 private:
  // So many requests within so many nanoseconds are a burst; with fewer than kBusy in a tick it is over.
  static constexpr uint64_t kMany = 32;
  static constexpr uint64_t kWindow = 40 * 1000 * 1000;
  static constexpr uint64_t kBusy = 8;
  // Microseconds: 0 makes idle processors poll; the other is Linux's own default.
  static constexpr int32_t kNone = 0;
  static constexpr int32_t kNoWish = 2000000000;

  bool Ask(int32_t microseconds) {
    return write(device_.get(), &microseconds, sizeof microseconds) == static_cast<ssize_t>(sizeof microseconds);
  }

  // Without a driver that knows how deep an idle processor sleeps, as in many virtual machines, nobody heeds the wish, and
  // making it and taking it back wakes every processor all the same.
  static bool Unheeded() {
    UniqueFd driver(open("/sys/devices/system/cpu/cpuidle/current_driver", O_RDONLY | O_CLOEXEC));
    char name[5] = {};
    return read(driver.get(), name, sizeof name) == sizeof name && memcmp(name, "none\n", sizeof name) == 0;
  }

  bool Hold(uint64_t requests) {
    if (!device_.ok() && !Unheeded()) device_.Reset(open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC));
    held_ = device_.ok() && Ask(kNone);
    refused_ = !held_;
    wishes_ += held_;
    seen_ = requests;
    return held_;
  }

  UniqueFd device_;
  bool refused_;
  bool held_ = false;
  uint64_t since_ = 0;
  uint64_t seen_ = 0;
  uint64_t wishes_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_WAKEFULNESS_H_
