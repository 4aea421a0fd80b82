// The pipe is empty between answers; whenever it might not be, it is closed.

#include "splicer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace stratafs {
namespace {

constexpr size_t kPage = 4096;
// Below this, the calls cost more than the copy.
constexpr size_t kLeast = 64 * 1024;
// A READ ahead, twice as large as the kernel makes it, unaligned, behind its header. Plain users have 64 MiB for all pipes.
constexpr size_t kPipe = 64 * kPage;
constexpr long kCachestat = 451;

struct Range {
  uint64_t offset, length;
};

struct CacheStat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

}  // namespace

int64_t Splicer::Answer(uint64_t unique, int fd, int64_t offset, size_t size) {
  struct stat st;
  if (size < kLeast || !HasRoom(size) || fstat(fd, &st) < 0 || st.st_size <= offset) return -1;
  // A short answer tells the kernel where the file ends.
  const size_t count = std::min(size, static_cast<size_t>(st.st_size - offset));
  if (count < kLeast || !IsCached(fd, offset, count)) return -1;
  const fuse::OutHeader header = {static_cast<uint32_t>(sizeof header + count), 0, unique};
  if (Fill(header, fd, offset) && Send(header.len)) return static_cast<int64_t>(count);
  Close();
  return -1;
}

void Splicer::Close() {
  in_.Reset();
  out_.Reset();
}

// Each page takes a slot of the pipe, and so does the header.
bool Splicer::HasRoom(size_t size) {
  if (refused_) return false;
  if (!in_.ok()) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return false;
    out_.Reset(ends[0]);
    in_.Reset(ends[1]);
    const int got = fcntl(ends[1], F_SETPIPE_SZ, kPipe);
    room_ = got > 0 ? static_cast<size_t>(got) : 0;
    // A user with too many pipes is left with small ones.
    if (room_ < kPipe) {
      refused_ = true;
      Close();
      return false;
    }
  }
  return size + 3 * kPage <= room_;
}

// A page that is being read counts as cached, and splice would wait for it: reads ahead of the host reach to the end of
// what they read, so the last byte tells.
bool Splicer::IsCached(int fd, int64_t offset, size_t size) {
  Range range = {static_cast<uint64_t>(offset), size};
  CacheStat stat = {};
  if (syscall(kCachestat, fd, &range, &stat, 0) < 0) {
    refused_ = refused_ || errno == ENOSYS;
    return false;
  }
  const uint64_t last = static_cast<uint64_t>(offset) + size - 1;
  if (stat.cached != last / kPage - static_cast<uint64_t>(offset) / kPage + 1) return false;
  uint8_t byte;
  struct iovec iov = {&byte, 1};
  return preadv2(fd, &iov, 1, static_cast<off_t>(last), RWF_NOWAIT) == 1;
}

bool Splicer::Fill(const fuse::OutHeader& header, int fd, int64_t offset) {
  loff_t at = offset;
  size_t left = header.len - sizeof header;
  if (write(in_.get(), &header, sizeof header) != static_cast<ssize_t>(sizeof header)) return false;
  while (left > 0) {
    const ssize_t put = splice(fd, &at, in_.get(), nullptr, left, SPLICE_F_NONBLOCK);
    if (put <= 0) return false;
    left -= static_cast<size_t>(put);
  }
  return true;
}

// SPLICE_F_MOVE is not for us: it would take the pages out of the file's cache. After most errors the kernel has ended the
// request with EIO, and a second answer finds nobody.
bool Splicer::Send(size_t length) {
  const ssize_t sent = splice(out_.get(), nullptr, device_, nullptr, length, 0);
  if (sent == static_cast<ssize_t>(length)) return true;
  if (sent >= 0 || errno != ENOENT) return false;
  answers_->CountReply(sent);
  Close();
  return true;
}

}  // namespace stratafs
