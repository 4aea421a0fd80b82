// Replies to /dev/fuse from any thread, counted. Knows no requests beyond their number.

#ifndef STRATAFS_ANSWERS_H_
#define STRATAFS_ANSWERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace stratafs {

// Since the start, but for `backings`: those that are open.
struct Counters {
  std::atomic<uint64_t> requests{0}, reads{0}, spliced{0}, writes{0}, fsyncs{0}, offloaded{0}, bytes_read{0}, bytes_written{0},
      interrupted{0}, reply_errors{0}, stood{0}, opened{0}, mirrored{0}, missed{0}, found{0}, listed{0}, entered{0}, created{0}, removed{0},
      backings{0};
};

class Answers {
 public:
  Answers(int device, Counters* counters) : device_(device), counters_(counters) {}

  // False when nobody has taken it.
  bool Reply(uint64_t unique, const void* body, size_t length);
  // An answer without a body; 0 is success.
  void ReplyError(uint64_t unique, int code);
  // The answer to a LOOKUP of what is not there; `valid`: seconds that it is.
  void ReplyAbsent(uint64_t unique, double valid);
  // What the device said of an answer, errno included.
  bool CountReply(ssize_t written);

 private:
  const int device_;
  Counters* const counters_;
};

}  // namespace stratafs

#endif  // STRATAFS_ANSWERS_H_
