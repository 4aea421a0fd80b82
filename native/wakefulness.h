// Keeps idle processors from halting while requests follow each other closely: a caller that waits for its answer leaves
// its processor idle, and waking a halted one costs more than the answer. Asked of Linux by PM QoS (/dev/cpu_dma_latency),
// which takes the wish back by itself when the process ends. Knows no requests.

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

  // The next request came at once. True: the wish has just been made, and Tick must be called every kTickMs from now on.
  bool Rewarded() {
    rewards_++;
    return !held_ && !refused_ && ++streak_ >= kStreak && Hold();
  }

  // The next request did not come at once.
  void Disappointed() { streak_ = 0; }

  // False: the burst is over and the wish taken back.
  bool Tick() {
    const bool busy = rewards_ - seen_ >= kBusy;
    seen_ = rewards_;
    if (!busy) Release();
    return busy;
  }

  void Release() {
    if (held_) Ask(kNoWish);
    held_ = false;
    streak_ = 0;
  }

  // How often the wish was made.
  uint64_t wishes() const { return wishes_; }

  static constexpr uint64_t kTickMs = 10;

 private:
  static constexpr int kStreak = 32;
  static constexpr uint64_t kBusy = 20;
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

  bool Hold() {
    if (!device_.ok() && !Unheeded()) device_.Reset(open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC));
    held_ = device_.ok() && Ask(kNone);
    refused_ = !held_;
    wishes_ += held_;
    seen_ = rewards_;
    return held_;
  }

  UniqueFd device_;
  bool refused_;
  bool held_ = false;
  int streak_ = 0;
  uint64_t rewards_ = 0;
  uint64_t seen_ = 0;
  uint64_t wishes_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_WAKEFULNESS_H_
