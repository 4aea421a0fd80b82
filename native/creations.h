// Answers CREATE, MKDIR and SYMLINK of the server's own user in directories that are mirrors (mirrors.h) and of which it is known
// that they lack the name (negatives.h): one call makes the object, and what was made is written down for JavaScript.
// Knows no JavaScript and no layers. JavaScript thread only.

#ifndef STRATAFS_CREATIONS_H_
#define STRATAFS_CREATIONS_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "answers.h"
#include "change_log.h"
#include "fuse_abi.h"
#include "mirrors.h"
#include "negatives.h"
#include "own_files.h"
#include "unique_fd.h"

namespace stratafs {

class Creations {
 public:
  // How files are made for this mount.
  struct Rules {
    // Whose files are made here: others' need other ids.
    uint32_t uid;
    uint32_t gid;
    // Longer names are JavaScript's.
    size_t name_max;
    bool passthrough;
    // FSYNC of a file that is open for writing flushes it.
    bool fsyncs;
    // The link count of directories that users see, unless 0.
    uint32_t directory_nlink;
    // Seconds that entries and attributes are.
    double valid;
  };

  // A file that was made and that the caller of CREATE has open.
  struct Opened {
    uint64_t fh;
    int fd;
    bool fsyncs;
    bool writable;
    uint64_t nodeid;
    uint64_t ino;
    // Seconds that its attributes are from now on.
    double valid;
  };

  Creations(int device, Answers* answers, Counters* counters, const Mirrors* mirrors, Negatives* negatives, OwnFiles* own,
            ChangeLog* log)
      : device_(device), answers_(answers), counters_(counters), mirrors_(mirrors), negatives_(negatives), own_(own),
        log_(log) {}
  Creations(const Creations&) = delete;
  Creations& operator=(const Creations&) = delete;

  void Begin(const Rules& rules) { rules_ = rules; }

  // True when the request was answered. `opened`: a file that is the caller's to keep open from now on.
  bool Serve(const fuse::InHeader& header, const uint8_t* body, size_t size, std::optional<Opened>* opened);
  // True when `fh` is of a file that JavaScript has not read of: it will hear of no handle.
  bool Released(uint64_t fh);

 private:
  // What is asked for.
  struct Wish {
    uint32_t format;
    uint32_t mode;
    uint32_t umask;
    uint32_t flags;
    const char* name;
    size_t name_length;
    const char* target;
  };

  static int Make(int directory, const Wish& wish);
  bool Understand(const fuse::InHeader& header, const uint8_t* body, size_t size, Wish* wish) const;
  void AnswerFile(const fuse::InHeader& header, const Wish& wish, const struct stat& st, UniqueFd* file,
                  std::optional<Opened>* opened);
  void AnswerOther(const fuse::InHeader& header, const Wish& wish, const struct stat& st);
  fuse::EntryOut EntryOf(uint64_t nodeid, const struct stat& st, double attributes_valid) const;
  double* WriteDown(const fuse::InHeader& header, const Wish& wish, uint64_t nodeid, const struct stat& st);

  // Nodeids and handles that are given here lie above JavaScript's own, and below the nodeids of rows (row_nodes.h).
  static constexpr uint64_t kFirst = uint64_t{1} << 40;

  const int device_;
  Answers* const answers_;
  Counters* const counters_;
  const Mirrors* const mirrors_;
  Negatives* const negatives_;
  OwnFiles* const own_;
  ChangeLog* const log_;
  std::optional<Rules> rules_;
  uint64_t next_ = kFirst;
};

}  // namespace stratafs

#endif  // STRATAFS_CREATIONS_H_
