// One answer, one write. A caller that was interrupted meanwhile has none to take it.

#include "answers.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse_abi.h"
#include "validity.h"

namespace stratafs {

bool Answers::Reply(uint64_t unique, const void* body, size_t length) {
  fuse::OutHeader header = {static_cast<uint32_t>(sizeof header + length), 0, unique};
  struct iovec iov[2] = {{&header, sizeof header}, {const_cast<void*>(body), length}};
  return CountReply(writev(device_, iov, length > 0 ? 2 : 1));
}

void Answers::ReplyError(uint64_t unique, int code) {
  fuse::OutHeader header = {sizeof header, -code, unique};
  CountReply(write(device_, &header, sizeof header));
}

// ENOENT: the caller was interrupted and the kernel has dropped the request.
void Answers::ReplyAbsent(uint64_t unique, double seconds) {
  const Validity valid(seconds);
  fuse::EntryOut out = {};
  out.entry_valid = valid.seconds;
  out.entry_valid_nsec = valid.nanoseconds;
  counters_->missed++;
  Reply(unique, &out, sizeof out);
}

bool Answers::CountReply(ssize_t written) {
  if (written >= 0) return true;
  if (errno == ENOENT) counters_->interrupted++;
  else counters_->reply_errors++;
  return false;
}

}  // namespace stratafs
