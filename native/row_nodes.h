// Nodes that the kernel knows and JavaScript has no object of: files and directories of names in a table, found by LOOKUP or
// listed with their attributes. All there is of such a node is how often the kernel was told of it, in memory that JavaScript
// writes too (lib/union/row-nodes.ts): it takes a node over by making an object and setting that count to 0.
// Knows no JavaScript and no layers. JavaScript thread only.

#ifndef STRATAFS_ROW_NODES_H_
#define STRATAFS_ROW_NODES_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "answers.h"
#include "fuse_abi.h"
#include "listing_habit.h"
#include "name_table.h"
#include "row_links.h"

namespace stratafs {

class RowNodes {
 public:
  // The table of directory `nodeid` and the counts of its rows; behind those, how many are not 0. `more`: rows and further sources
  // of directories that several sources have, in the order of both. The memory is the caller's until Drop.
  struct Rows {
    NameTable table;
    size_t count;
    uint32_t* told;
    const uint32_t* more;
    size_t more_length;
    uint64_t nodeid;
    // JavaScript does not know the table.
    bool own;

    // What `told` has of a row that leads to another's node (row_links.h).
    static constexpr uint32_t kLeads = uint32_t{1} << 31;

    size_t live() const { return told[count]; }
    uint64_t IdOf(uint64_t number, size_t row) const { return number << kRowBits | row; }
  };

  // Where names of a directory are found, by source; -1: nowhere by us. `valid`: seconds that entries and attributes are.
  // `nlink`: the link count that users see of directories, unless 0; of those that several sources have it is 1. `ino` is the
  // directory's own.
  struct Directory {
    uint64_t number;
    std::vector<int> parts;
    double valid;
    uint32_t nlink;
    uint64_t ino;
  };

  // A directory that is a row: the parents below which it is, by its name, and its inode number.
  struct Place {
    std::vector<int> parents;
    const Directory* above;
    uint64_t ino;
    char name[kNameMax + 1];
  };

  RowNodes(Answers* answers, Counters* counters, ListingHabit* habit)
      : answers_(answers), counters_(counters), habit_(habit) {}
  RowNodes(const RowNodes&) = delete;
  RowNodes& operator=(const RowNodes&) = delete;

  // The nodeids of `rows` are `number` and the row, as IdOf has them.
  void Know(uint64_t number, const Rows& rows) { rows_.insert_or_assign(number, rows); }
  void Drop(uint64_t number);

  // Names of the directory of its table, which is known, are answered.
  void Serve(Directory directory);
  void End(uint64_t nodeid) { served_.erase(nodeid); }
  // Null: none that is served, or known.
  Directory* ServedAt(uint64_t nodeid);
  const Rows* RowsOf(uint64_t number) const;

  // Lists rows until one is left to JavaScript, or does not fit; how many. They come with their attributes, but for kinds at which
  // the cells stop.
  uint32_t Put(uint64_t nodeid, uint8_t* into, PutCells* cells);
  // The same of one row; false where it is not, or may not be, plain, or has several links.
  static bool Fill(const Directory& directory, const Rows& rows, size_t row, fuse::EntryOut* out);
  // Kernel and JavaScript are told of a row so many times more, or less.
  static void Tell(const Rows& rows, size_t row, uint32_t count = 1);
  static void Untell(const Rows& rows, size_t row, uint64_t count);

  // True when the request was answered.
  bool Lookup(const fuse::InHeader& header, const HashedName& name);
  // The same of GETATTR and STATX.
  bool Attributes(const fuse::InHeader& header);
  // The kind of the row of directory `nodeid` that has this name and that the kernel knows as that; null: there is none. With
  // kTaken it is JavaScript's. None of a file with several links.
  uint8_t* KindOf(uint64_t nodeid, const HashedName& name) const;
  // The directory of a plain file, whose name, a 0 behind it, goes to `name` (kNameMax and 1 bytes); -1: none of that
  // nodeid, or it is JavaScript's.
  int Find(uint64_t nodeid, char* name, uint64_t* ino) const;
  // Where directory `nodeid` is that the kernel knows; false: no row, or JavaScript's, or it cannot be reached.
  bool FindDirectory(uint64_t nodeid, Place* place);
  // The directory whose row this is; 0: there is no such row.
  uint64_t AboveOf(uint64_t nodeid) const;
  // How often the kernel was told of a row; 0: of none of that nodeid.
  uint32_t ToldOf(uint64_t nodeid) const;
  // True when nobody else has to hear of it. The last row of a table that is forgotten is told.
  bool Forget(uint64_t nodeid, uint64_t count);

  // No name of this table's directory is known to the kernel: none leads to another's node any more.
  void Part(uint64_t number) { Unlead(links_.Part(number << kRowBits, (number + 1) << kRowBits)); }

  RowLinks& links() { return links_; }
  // Rows of a table that are files with several links.
  std::vector<uint64_t> LinkedIn(uint64_t number) const { return links_.Between(number << kRowBits, (number + 1) << kRowBits); }

 private:
  static constexpr unsigned kRowBits = 21;

  static size_t RowOf(uint64_t nodeid) { return nodeid & ((uint64_t{1} << kRowBits) - 1); }
  static bool Stat(const Directory& directory, const Rows& rows, size_t row, struct statx* out);
  static bool IsLinked(const struct statx& stx) { return !S_ISDIR(stx.stx_mode) && stx.stx_nlink > 1; }
  static void Show(const Directory& directory, uint64_t nodeid, const struct statx& stx, fuse::EntryOut* out);
  bool Found(const fuse::InHeader& header, const Directory& directory, const Rows& rows, size_t row);
  void Unlead(const std::vector<uint64_t>& names);
  static int NameIn(const Directory& directory, const NameTable& table, size_t row, char* name);

  Answers* const answers_;
  Counters* const counters_;
  ListingHabit* const habit_;
  std::unordered_map<uint64_t, Rows> rows_;         // by number
  std::unordered_map<uint64_t, Directory> served_;  // by nodeid
  RowLinks links_;
};

}  // namespace stratafs

#endif  // STRATAFS_ROW_NODES_H_
