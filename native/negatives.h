// Answers LOOKUP of names that are not there. Knows no JavaScript and no names: which directories are told of, and a filter of
// the names that they have, lie in memory that JavaScript writes (lib/union/negatives.ts) between requests.

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
    const uint32_t* filter;
    unsigned filter_log;  // 2 to this power: its bits
  };

  Negatives(Answers* answers, Counters* counters) : answers_(answers), counters_(counters) {}
  Negatives(const Negatives&) = delete;
  Negatives& operator=(const Negatives&) = delete;

  // `valid`: seconds that such an answer is.
  void Heed(const Known& known, double valid) { known_ = known, valid_ = valid; }

  // True when the request was answered.
  bool Serve(const fuse::InHeader& header, const HashedName& name);

 private:
  bool MayHave(double salt, const HashedName& name) const;

  Answers* const answers_;
  Counters* const counters_;
  Known known_ = {nullptr, 0, nullptr, 0};
  double valid_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_NEGATIVES_H_
