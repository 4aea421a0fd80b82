// One owned descriptor: closed once, when its owner goes. Knows nothing of what it refers to.
// Move-only; release() hands the number to JavaScript or to a table that closes it later.

#ifndef STRATAFS_UNIQUE_FD_H_
#define STRATAFS_UNIQUE_FD_H_

#include <unistd.h>

#include <memory>

namespace stratafs {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  UniqueFd(UniqueFd&& other) : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) {
    if (this != &other) Reset(other.Release());
    return *this;
  }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

  // close(2) frees the number even when it fails with EINTR, so it is never retried.
  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// A descriptor shared by a table and the threads that use it; closes with the last of them.
using SharedFd = std::shared_ptr<UniqueFd>;

}  // namespace stratafs

#endif  // STRATAFS_UNIQUE_FD_H_
