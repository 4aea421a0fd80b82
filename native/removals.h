// Answers UNLINK in directories that are mirrors (mirrors.h): of files and symlinks that were made here (own_files.h), which
// go, and of those that are rows (row_nodes.h), which a link hides. And the FORGET that follows. What was removed is written down for JavaScript.
// Knows no JavaScript. JavaScript thread only.

#ifndef STRATAFS_REMOVALS_H_
#define STRATAFS_REMOVALS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "answers.h"
#include "change_log.h"
#include "fuse_abi.h"
#include "mirrors.h"
#include "name_hash.h"
#include "own_files.h"
#include "row_nodes.h"

namespace stratafs {

class Removals {
 public:
  Removals(Answers* answers, Counters* counters, const Mirrors* mirrors, OwnFiles* own, RowNodes* rows, ChangeLog* log)
      : answers_(answers), counters_(counters), mirrors_(mirrors), own_(own), rows_(rows), log_(log) {}
  Removals(const Removals&) = delete;
  Removals& operator=(const Removals&) = delete;

  // What hides a row is a link of `name` in the directory that is open as `fd`, which stays the caller's.
  void Hide(int fd, const char* name) { hider_fd_ = fd, hider_ = name; }

  // True when the request was answered.
  bool Serve(const fuse::InHeader& header, const uint8_t* body, size_t size);
  // True when the node was removed here and JavaScript has not read of it: it will hear of both.
  bool Forget(uint64_t nodeid, uint64_t count);

 private:
  bool Take(const fuse::InHeader& header, int directory, const HashedName& name);
  bool Cover(const fuse::InHeader& header, int directory, const HashedName& name);

  Answers* const answers_;
  Counters* const counters_;
  const Mirrors* const mirrors_;
  OwnFiles* const own_;
  RowNodes* const rows_;
  ChangeLog* const log_;
  int hider_fd_ = -1;
  std::string hider_;
};

}  // namespace stratafs

#endif  // STRATAFS_REMOVALS_H_
