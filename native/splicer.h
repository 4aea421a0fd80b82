// Answers a READ with pages of the host's page cache, by way of a pipe: the kernel copies them once, and not into a
// buffer of ours and out again. Takes only what is cached, and never a page away from its file.

#ifndef STRATAFS_SPLICER_H_
#define STRATAFS_SPLICER_H_

#include <cstddef>
#include <cstdint>

#include "answers.h"
#include "fuse_abi.h"
#include "unique_fd.h"

namespace stratafs {

class Splicer {
 public:
  Splicer(int device, Answers* answers) : device_(device), answers_(answers) {}
  Splicer(const Splicer&) = delete;
  Splicer& operator=(const Splicer&) = delete;

  // Bytes answered, which are all up to `size` or the end of the file, or -1: the caller answers. One thread only.
  int64_t Answer(uint64_t unique, int fd, int64_t offset, size_t size);

  void Close();

 private:
  bool HasRoom(size_t size);
  bool IsCached(int fd, int64_t offset, size_t size);
  bool Fill(const fuse::OutHeader& header, int fd, int64_t offset);
  bool Send(size_t length);

  const int device_;
  Answers* const answers_;
  UniqueFd in_, out_;
  size_t room_ = 0;
  bool refused_ = false;
};

}  // namespace stratafs

#endif  // STRATAFS_SPLICER_H_
