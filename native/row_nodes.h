// Nodes that the kernel knows and JavaScript has no object of: files of names in a table, found by LOOKUP or listed with
// their attributes. All there is of such a node is how often the kernel was told of it, in memory that JavaScript writes too
// (lib/union/row-nodes.ts): it takes a node over by making an object and setting that count to 0.
// Knows no JavaScript and no layers. JavaScript thread only.

#ifndef STRATAFS_ROW_NODES_H_
#define STRATAFS_ROW_NODES_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "answers.h"
#include "fuse_abi.h"
#include "name_table.h"

namespace stratafs {

class RowNodes {
 public:
  // The table of directory `nodeid` and the counts of its rows; behind those, how many are not 0. The memory is the caller's
  // until Drop.
  struct Rows {
    NameTable table;
    size_t count;
    uint32_t* told;
    uint64_t nodeid;
  };

  RowNodes(Answers* answers, Counters* counters) : answers_(answers), counters_(counters) {}
  RowNodes(const RowNodes&) = delete;
  RowNodes& operator=(const RowNodes&) = delete;

  // The nodeids of `rows` are `number` and the row, as IdOf has them.
  void Know(uint64_t number, const Rows& rows) { rows_.insert_or_assign(number, rows); }
  void Drop(uint64_t number);

  // Names of the directory of table `number`, which is known, are answered. By a name's source: where it is found; -1: nowhere
  // by us. `valid`: seconds that entries and attributes are.
  void Serve(uint64_t number, std::vector<int> directories, double valid);
  void End(uint64_t nodeid) { served_.erase(nodeid); }

  // Lists rows with their attributes until one is left to JavaScript, or does not fit; how many.
  uint32_t Put(uint64_t nodeid, uint8_t* into, PutCells* cells);

  // True when the request was answered.
  bool Lookup(const fuse::InHeader& header, const HashedName& name);
  // The kind of the row of directory `nodeid` that has this name and that the kernel knows as that; null: there is none. With
  // kTaken it is JavaScript's.
  uint8_t* KindOf(uint64_t nodeid, const HashedName& name) const;
  // The directory of a plain file, whose name, a 0 behind it, goes to `name` (kNameMax and 1 bytes); -1: none of that
  // nodeid, or it is JavaScript's.
  int Find(uint64_t nodeid, char* name, uint64_t* ino) const;
  // True when nobody else has to hear of it. The last row of a table that is forgotten is told.
  bool Forget(uint64_t nodeid, uint64_t count);
  // Takes out what nobody else has to hear of; true when nothing is left.
  bool ForgetMany(uint8_t* request, size_t* length);

 private:
  struct Directory {
    uint64_t number;
    std::vector<int> directories;
    double valid;
  };

  static constexpr unsigned kRowBits = 21;

  static uint64_t IdOf(uint64_t number, size_t row) { return number << kRowBits | row; }
  static size_t RowOf(uint64_t nodeid) { return nodeid & ((uint64_t{1} << kRowBits) - 1); }
  static int NameIn(const Directory& directory, const NameTable& table, size_t row, char* name);
  bool Fill(const Directory& directory, const Rows& rows, size_t row, fuse::EntryOut* out) const;

  Answers* const answers_;
  Counters* const counters_;
  std::unordered_map<uint64_t, Rows> rows_;         // by number
  std::unordered_map<uint64_t, Directory> served_;  // by nodeid
};

}  // namespace stratafs

#endif  // STRATAFS_ROW_NODES_H_
