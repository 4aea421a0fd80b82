// Answers LOOKUP of names that are not there. Knows no JavaScript and no names: which directories are told of, and a filter of
// the names that they have, lie in memory that JavaScript writes (lib/union/negatives.ts) between requests; names that are made here (creations.h) are added.

#ifndef STRATAFS_NEGATIVES_H_
#define STRATAFS_NEGATIVES_H_

#include <cstddef>
#include <cstdint>

#include "answers.h"
#include "fuse_abi.h"
#include "name_hash.h"

namespace stratafs {

class Negatives {
 public:
  // What JavaScript writes; the memory is its own.
  struct Known {
    const double* directories;  // nodeid and salt of each
    size_t slots;
    uint32_t* filter;
    unsigned filter_log;  // 2 to this power: its bits
    double* vacant;       // nodeid and hash of the name that was missed last, as long as no name came anywhere
  };

  explicit Negatives(Answers* answers) : answers_(answers) {}
  Negatives(const Negatives&) = delete;
  Negatives& operator=(const Negatives&) = delete;

  // `valid`: seconds that such an answer is.
  void Heed(const Known& known, double valid) { known_ = known, valid_ = valid; }

  // Directory `nodeid` surely has no such name.
  bool Lacks(uint64_t nodeid, const HashedName& name) const;
  // The same, or that was the name missed last.
  bool IsVacant(uint64_t nodeid, const HashedName& name) const;
  // It has one now.
  void Note(uint64_t nodeid, const HashedName& name);

  // True when the request was answered.
  bool Serve(const fuse::InHeader& header, const HashedName& name);

 private:
  const double* DirectoryOf(uint64_t nodeid) const;
  uint32_t BitOf(double salt, const HashedName& name) const;

  Answers* const answers_;
  Known known_ = {nullptr, 0, nullptr, 0, nullptr};
  double valid_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_NEGATIVES_H_
