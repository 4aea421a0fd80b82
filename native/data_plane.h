// Answers READ, WRITE and FSYNC of granted handles from their descriptors (transfers.h, fsyncs.h); OPEN where a handle stands
// for it (standing.h), and the first one of plain files (openings.h); RELEASE; attributes where they are the host's (mirrors.h,
// own_files.h), and that a file has no capabilities; LOOKUP of what is not there (negatives.h) and of what is plain
// (row_nodes.h), and FORGET of that; LOOKUP and listings in plain directories (row_directories.h); the end of a listing
// (listing_end.h); CREATE, MKDIR and SYMLINK (creations.h) and UNLINK (removals.h); IOCTL that nobody knows. Of what it has
// released, made and removed JavaScript is told later, and of what it has opened, but for rows.
// Owns the granted descriptors.
// Knows no JavaScript, no names and no policy: a grant is (fh, descriptor), nothing more.

#ifndef STRATAFS_DATA_PLANE_H_
#define STRATAFS_DATA_PLANE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "answers.h"
#include "change_log.h"
#include "creations.h"
#include "fsyncs.h"
#include "fuse_abi.h"
#include "listing_end.h"
#include "listing_habit.h"
#include "mirrors.h"
#include "negatives.h"
#include "openings.h"
#include "own_files.h"
#include "privileges.h"
#include "removals.h"
#include "row_directories.h"
#include "row_nodes.h"
#include "standing.h"
#include "transfers.h"
#include "unique_fd.h"

namespace stratafs {

// `fsyncs`: FSYNC with this handle is an fsync of this descriptor and nothing else.
struct Grant {
  SharedFd file;
  bool fsyncs;
  uint64_t mirror;  // the node that shows what is open; 0: none
};

class DataPlane {
 public:
  DataPlane(int device, Counters* counters);
  ~DataPlane();
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  // The table; JavaScript thread only. 0 or -errno; on an error the descriptor stays the caller's.
  int Attach(uint64_t fh, int fd, bool fsyncs);
  int Swap(uint64_t fh, int fd);
  int Detach(uint64_t fh);
  // The handle that nobody has open and that was closed first is JavaScript's to end; 0: there is none.
  uint64_t Reclaim();
  // What is known here alone of the handle by which a row is open is the caller's from now on, but for the grant; fd: -1: there is none.
  struct TakenRow {
    uint64_t fh;
    int fd;
    uint32_t flags;
    int32_t backing;
  };
  TakenRow TakeOpen(uint64_t nodeid);
  // What users see of `nodeid` is what the host has of the handle's file, as long as the handle has it. 0 or -errno.
  int Mirror(uint64_t fh, uint64_t nodeid, uint64_t ino, double valid);
  // No node is a mirror any more, nor what was made here.
  void Unmirror() { mirrors_.Clear(), own_.Clear(); }
  // From now on RELEASE is answered at once: `told` has how many handles ended, and their numbers. Whoever reads it sets it back.
  void Tell(double* told, size_t length) { told_ = told, told_length_ = length; }
  bool untold() const { return (told_ != nullptr && told_[0] > 0) || log_.count() > 0; }
  // From now on only these ioctl commands are JavaScript's.
  void Know(const uint32_t* commands, size_t count) { commands_.emplace(commands, commands + count); }
  size_t attached() const { return table_.size(); }
  Standing& standing() { return standing_; }
  Mirrors& mirrors() { return mirrors_; }
  Negatives& negatives() { return negatives_; }
  RowNodes& row_nodes() { return row_nodes_; }
  RowDirectories& row_directories() { return row_directories_; }
  ListingHabit& habit() { return habit_; }
  ListingEnd& listing_end() { return listing_end_; }
  ChangeLog& log() { return log_; }
  Creations& creations() { return creations_; }
  Removals& removals() { return removals_; }
  Openings& openings() { return openings_; }

  // True when the request was taken and is or will be answered; what is left of it is JavaScript's, and may be shorter.
  // JavaScript thread only.
  bool Serve(uint8_t* request, size_t* length);

  // Answers what is queued, joins the workers, closes every granted descriptor.
  void Stop();

  // Writes one error reply. Any thread.
  void ReplyError(uint64_t unique, int code) { answers_.ReplyError(unique, code); }

 private:
  bool ServeAny(const fuse::InHeader& header, uint8_t* request, size_t* length);
  bool ServeLookup(const fuse::InHeader& header, const uint8_t* body, size_t size);
  bool ServeForget(const fuse::InHeader& header, const uint8_t* body);
  bool ServeCreation(const fuse::InHeader& header, const uint8_t* body, size_t size);
  bool ServeOpen(const fuse::InHeader& header, const uint8_t* body);
  bool ServeFirstOpen(const fuse::InHeader& header, const fuse::OpenIn& in);
  bool ServeRelease(const fuse::InHeader& header, uint8_t* body);
  bool EndUntold(uint64_t fh);
  bool EndRow(uint64_t fh);
  bool ForgetOne(uint64_t nodeid, uint64_t count);
  bool ForgetMany(uint8_t* request, size_t* length);
  bool ServeGetxattr(const fuse::InHeader& header, const uint8_t* body, size_t size);
  bool ServeIoctl(const fuse::InHeader& header, const uint8_t* body);
  bool ServeRead(const fuse::InHeader& header, const uint8_t* body);
  bool ServeWrite(const fuse::InHeader& header, const uint8_t* body);
  bool ServeFsync(const fuse::InHeader& header, const uint8_t* body);
  bool ServeInterrupt(const uint8_t* body);

  const int device_;
  Counters* const counters_;
  Answers answers_;
  Transfers transfers_;
  std::unordered_map<uint64_t, Grant> table_;
  Standing standing_;
  Mirrors mirrors_;
  Negatives negatives_;
  ListingHabit habit_;
  RowNodes row_nodes_;
  RowDirectories row_directories_;
  ListingEnd listing_end_;
  ChangeLog log_;
  OwnFiles own_;
  Removals removals_;
  Creations creations_;
  Openings openings_;
  double* told_ = nullptr;
  size_t told_length_ = 0;
  std::optional<std::vector<uint32_t>> commands_;
  Fsyncs fsyncs_;
};

}  // namespace stratafs

#endif  // STRATAFS_DATA_PLANE_H_
