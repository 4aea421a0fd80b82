// Directories that are rows (row_nodes.h) and plain in each of their parts are entered without JavaScript: their names are read
// into a table of their own, whose rows are nodes like others, and LOOKUP and listings in them are answered. Such a directory is
// known here alone, until JavaScript meets it and takes it over with all that it has (lib/union/row-nodes.ts).
// Knows no JavaScript and no layers. JavaScript thread only.

#ifndef STRATAFS_ROW_DIRECTORIES_H_
#define STRATAFS_ROW_DIRECTORIES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "answers.h"
#include "fuse_abi.h"
#include "listing_habit.h"
#include "name_table.h"
#include "row_nodes.h"
#include "unique_fd.h"

namespace stratafs {

class RowDirectories {
 public:
  // Which directories are JavaScript's: those with a name that begins with `prefix`, is of one of these d_types (as bits) or is
  // `mark`; with `part` in the name of an xattr; and with more than `most` names.
  struct Rules {
    std::string prefix, mark, part;
    uint32_t types;
    size_t most;
  };

  // What there is of a directory that was entered: its table and the counts of the rows, see RowNodes::Rows. `parts`: its
  // descriptors, or none, when they were closed to make room.
  struct Entered {
    uint64_t number;
    uint64_t ino_above;
    std::unique_ptr<uint8_t[]> table;
    size_t bytes;
    std::vector<uint32_t> told, more;
    std::vector<UniqueFd> parts;
    std::list<uint64_t>::iterator place;  // in open_, while it has parts
  };

  // `most_open`: so many descriptors are kept.
  RowDirectories(Answers* answers, Counters* counters, RowNodes* rows, ListingHabit* habit, size_t most_open)
      : answers_(answers), counters_(counters), rows_(rows), habit_(habit), most_open_(most_open) {}
  RowDirectories(const RowDirectories&) = delete;
  RowDirectories& operator=(const RowDirectories&) = delete;

  void Begin(Rules rules) { rules_ = std::move(rules); }
  // While it is false none is entered.
  void Allow(bool allowed) { allowed_ = allowed; }

  // True when the request was answered. RowNodes::Lookup could not.
  bool Lookup(const fuse::InHeader& header, const HashedName& name);
  // READDIR and READDIRPLUS.
  bool List(const fuse::InHeader& header, const uint8_t* body, size_t size);
  // True when nobody else has to hear of it; see RowNodes::Forget.
  bool Forget(uint64_t nodeid, uint64_t count);

  // The directory whose rows have this number in their nodeids; 0: none is known here.
  uint64_t DirectoryOf(uint64_t number) const;
  // All that is known here of `nodeid` is the caller's from now on.
  std::optional<Entered> Take(uint64_t nodeid);
  // Closes what it has open; nothing is answered any more.
  void Stop();
  // Rows that the kernel knows.
  size_t live() const;

 private:
  using Known = std::unordered_map<uint64_t, Entered>;

  bool Enter(uint64_t nodeid);
  bool Read(const RowNodes::Place& place, Entered* entered);
  void Open(uint64_t nodeid, Entered* entered);
  void Uncount(const Entered& entered);
  bool Reach(uint64_t nodeid);
  bool Reopen(uint64_t nodeid, Entered* entered);
  void GiveBack();
  bool Miss(const fuse::InHeader& header, const HashedName& name);
  size_t Put(const fuse::InHeader& header, const fuse::ReadIn& in, std::vector<uint32_t>* told);

  // So many are worth it.
  static constexpr size_t kWave = 256;
  // Numbers of tables that are made here lie above those of JavaScript.
  static constexpr uint64_t kFirst = uint64_t{1} << 31;

  Answers* const answers_;
  Counters* const counters_;
  RowNodes* const rows_;
  ListingHabit* const habit_;
  const size_t most_open_;
  std::optional<Rules> rules_;
  bool allowed_ = true;
  uint64_t next_ = kFirst;
  Known known_;                // by nodeid
  std::list<uint64_t> open_;   // nodeids of those that have descriptors, the one entered first in front
  size_t open_count_ = 0;      // of descriptors
  size_t dropped_ = 0;         // since memory was given back
  std::unique_ptr<uint8_t[]> room_;
  std::vector<uint8_t> reply_;
};

}  // namespace stratafs

#endif  // STRATAFS_ROW_DIRECTORIES_H_
