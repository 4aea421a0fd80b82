// How long to look on for the next request before sleeping. Grows when sleeping turned out to be a
// mistake, shrinks when looking on was; an idle channel never spins.
// Knows time and nothing of requests.

#ifndef STRATAFS_PATIENCE_H_
#define STRATAFS_PATIENCE_H_

#include <stdint.h>
#include <uv.h>

namespace stratafs {

class Patience {
 public:
  // Nanoseconds; 0: do not look on.
  uint64_t budget() const { return budget_; }

  void Rewarded() { budget_ = kMost; }
  void Disappointed() { budget_ = budget_ / 2 < kLeast ? 0 : budget_ / 2; }
  void Sleeps(uint64_t now) { asleep_ = now; }
  // A wake-up this soon would have been caught by looking on.
  void Woken() {
    if (budget_ == 0 && uv_hrtime() - asleep_ < kMost) budget_ = kMost;
  }

 private:
  static constexpr uint64_t kMost = 60 * 1000;
  static constexpr uint64_t kLeast = 10 * 1000;
  uint64_t budget_ = 0;
  uint64_t asleep_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_PATIENCE_H_
