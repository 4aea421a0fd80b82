// Answers OPEN and RELEASE of files that were opened for reading and may be opened so again: with the
// handle that is there, which stays a while after its last close. Counts the opens of each.
// Knows no JavaScript, no descriptors and no policy: what stands was said, and is taken back the same way.

#ifndef STRATAFS_STANDING_H_
#define STRATAFS_STANDING_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "fuse_abi.h"

namespace stratafs {

class Standing {
 public:
  // What an OPEN is answered with.
  struct Answer {
    uint64_t nodeid;
    uint64_t fh;
    uint32_t flags;
    int32_t backing_id;
    // Flags of an OPEN that make no difference; with any other it is JavaScript's.
    uint32_t indifferent;
    // What is open is where the file's attributes are, too.
    bool whole;
  };

  // `idle_max`: so many handles that nobody has open stay; with 0 none ever stands.
  explicit Standing(size_t idle_max) : idle_max_(idle_max) {}
  Standing(const Standing&) = delete;
  Standing& operator=(const Standing&) = delete;

  // The handle, which one open has now, answers further ones of its node. Nothing when the node has one already, or there is
  // no place.
  void Stand(const Answer& answer);
  // No further opens. True when nobody has the handle open: it is the caller's to end.
  bool Withdraw(uint64_t fh);
  // The same for the handle that was closed first; 0: there is none that nobody has open.
  uint64_t Reclaim();
  // The handle has ended.
  void Forget(uint64_t fh);

  // The answer to an OPEN of `nodeid`; null: JavaScript's to answer.
  const Answer* Find(uint64_t nodeid, const fuse::OpenIn& in) const;
  // The handle that has the attributes of `nodeid`, too; 0: none.
  uint64_t Whole(uint64_t nodeid) const;
  // It was given: one open more.
  void Opened(uint64_t fh);
  // One open less. 0: nothing ends. Otherwise the handle that does, which is the caller's now: this one, or one that
  // has stayed too long.
  uint64_t Release(uint64_t fh);

  size_t idle() const { return idle_.size(); }

 private:
  struct Handle {
    Answer answer;
    uint64_t opens;
    bool stands;
    std::list<uint64_t>::iterator place;  // in idle_, while opens is 0
  };

  const size_t idle_max_;
  uint64_t turned_away_ = 0;
  std::unordered_map<uint64_t, Handle> handles_;  // by fh
  std::unordered_map<uint64_t, Handle*> nodes_;   // those that stand, by nodeid
  std::list<uint64_t> idle_;                      // by fh, the one closed first in front
};

}  // namespace stratafs

#endif  // STRATAFS_STANDING_H_
