// Answers OPEN for reading of files that nobody has open: of rows (row_nodes.h) and of files that were made here (own_files.h).
// Of a row it is known here alone, until JavaScript makes an object of it; of the others it is written down for JavaScript.
// Knows no JavaScript and no layers. JavaScript thread only.

#ifndef STRATAFS_OPENINGS_H_
#define STRATAFS_OPENINGS_H_

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "answers.h"
#include "change_log.h"
#include "fuse_abi.h"
#include "mirrors.h"
#include "own_files.h"
#include "row_nodes.h"
#include "standing.h"
#include "unique_fd.h"

namespace stratafs {

class Openings {
 public:
  // Which rows are read in passthrough.
  enum Share : uint32_t { kNone, kCode, kAll };

  // How files are opened in this mount.
  struct Rules {
    Share rows;
    // Files that were made here are read in passthrough.
    bool own;
    // Reading those leaves their access times.
    bool quiet;
    // Flags of an OPEN that make no difference; with any other it is JavaScript's.
    uint32_t indifferent;
  };

  // What is the caller's to keep open from now on, and the answer that further opens get.
  struct Opened {
    Standing::Answer answer;
    UniqueFd file;
  };

  // A row that is open: flags of the OPEN, and its backing or 0.
  struct OpenRow {
    uint64_t nodeid;
    uint32_t flags;
    int32_t backing;
  };

  Openings(int device, Answers* answers, Counters* counters, const Mirrors* mirrors, OwnFiles* own, const RowNodes* rows,
           ChangeLog* log)
      : device_(device), answers_(answers), counters_(counters), mirrors_(mirrors), own_(own), rows_(rows), log_(log) {}
  Openings(const Openings&) = delete;
  Openings& operator=(const Openings&) = delete;

  void Begin(const Rules& rules) { rules_ = rules; }

  // The handle by which a row is open, and the row that is open by a handle; 0: none.
  uint64_t HandleOf(uint64_t nodeid) const;
  uint64_t NodeOf(uint64_t fh) const;
  // What is known here of the handle is the caller's from now on.
  std::optional<OpenRow> Take(uint64_t fh);
  std::vector<uint64_t> open_rows() const;
  size_t open_count() const { return open_.size(); }

  // True when the request was answered. `settled`: JavaScript knows of every handle that has ended.
  bool Serve(const fuse::InHeader& header, const fuse::OpenIn& in, bool settled, std::optional<Opened>* opened);

 private:
  bool OpenPlain(uint64_t nodeid, UniqueFd* file) const;
  bool OpenOwn(uint64_t nodeid, UniqueFd* file) const;
  bool IsShared(bool is_row, int fd) const;
  void WriteDown(uint64_t nodeid, int fd, uint32_t flags, int backing);

  // Handles that are given here lie above those of creations.h.
  static constexpr uint64_t kFirst = uint64_t{1} << 41;

  const int device_;
  Answers* const answers_;
  Counters* const counters_;
  const Mirrors* const mirrors_;
  OwnFiles* const own_;
  const RowNodes* const rows_;
  ChangeLog* const log_;
  std::optional<Rules> rules_;
  uint64_t next_ = kFirst;
  std::unordered_map<uint64_t, OpenRow> open_;     // by fh
  std::unordered_map<uint64_t, uint64_t> handles_;  // by nodeid
};

}  // namespace stratafs

#endif  // STRATAFS_OPENINGS_H_
