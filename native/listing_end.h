// Answers the READDIR that asks for what comes behind the last name of a listing, if it is the very next request: there is
// nothing more. Each listing ends with one. Knows no names. JavaScript thread only.

#ifndef STRATAFS_LISTING_END_H_
#define STRATAFS_LISTING_END_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "answers.h"
#include "fuse_abi.h"

namespace stratafs {

class ListingEnd {
 public:
  ListingEnd(Answers* answers, Counters* counters) : answers_(answers), counters_(counters) {}
  ListingEnd(const ListingEnd&) = delete;
  ListingEnd& operator=(const ListingEnd&) = delete;

  // Behind `cookie` directory `nodeid` has no names, until anything else happens.
  void Tell(uint64_t nodeid, uint64_t cookie) { nodeid_ = nodeid, cookie_ = cookie; }

  // True when the request was answered. After any request nothing is known any more.
  bool Serve(const fuse::InHeader& header, const uint8_t* body, size_t size) {
    const uint64_t nodeid = nodeid_;
    nodeid_ = 0;
    if (nodeid == 0 || header.nodeid != nodeid || size < sizeof(fuse::ReadIn)) return false;
    if (header.opcode != fuse::kReaddir && header.opcode != fuse::kReaddirplus) return false;
    fuse::ReadIn in;
    memcpy(&in, body, sizeof in);
    if (in.offset != cookie_) return false;
    counters_->listed++;
    answers_->ReplyError(header.unique, 0);
    return true;
  }

 private:
  Answers* const answers_;
  Counters* const counters_;
  uint64_t nodeid_ = 0;
  uint64_t cookie_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_LISTING_END_H_
