// Answers READ, WRITE and FSYNC of granted handles from their descriptors, inline when that cannot block,
// on a few worker threads otherwise; OPEN where a handle stands for it (standing.h); RELEASE, of which JavaScript is told later;
// attributes where they are the host's (mirrors.h), and that a file has no capabilities; LOOKUP of what is not there (negatives.h) and of plain files
// (row_nodes.h), and their FORGET; IOCTL that nobody knows.
// Owns the granted descriptors and the workers.
// Knows no JavaScript, no names and no policy: a grant is (fh, descriptor), nothing more.

#ifndef STRATAFS_DATA_PLANE_H_
#define STRATAFS_DATA_PLANE_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "answers.h"
#include "fsyncs.h"
#include "fuse_abi.h"
#include "mirrors.h"
#include "negatives.h"
#include "privileges.h"
#include "row_nodes.h"
#include "splicer.h"
#include "standing.h"
#include "unique_fd.h"

namespace stratafs {

// `fsyncs`: FSYNC with this handle is an fsync of this descriptor and nothing else.
struct Grant {
  SharedFd file;
  bool fsyncs;
  uint64_t mirror;  // the node that shows what is open; 0: none
};

// Memory for one transfer, page-aligned.
struct Block {
  uint8_t* bytes = nullptr;
  size_t capacity = 0;
};

struct Task {
  uint64_t unique;
  SharedFd file;
  uint64_t nodeid;
  int64_t offset;
  size_t size;
  bool is_write;
  bool strip;   // set-id bits and capabilities go first
  Changer writer;
  Block block;  // the data of a write; empty for a read
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
  // What users see of `nodeid` is what the host has of the handle's file, as long as the handle has it. 0 or -errno.
  int Mirror(uint64_t fh, uint64_t nodeid, uint64_t ino, double valid);
  // From now on RELEASE is answered at once: `told` has how many handles ended, and their numbers. Whoever reads it sets it back.
  void Tell(double* told, size_t length) { told_ = told, told_length_ = length; }
  bool untold() const { return told_ != nullptr && told_[0] > 0; }
  // From now on only these ioctl commands are JavaScript's.
  void Know(const uint32_t* commands, size_t count) { commands_.emplace(commands, commands + count); }
  size_t attached() const { return table_.size(); }
  Standing& standing() { return standing_; }
  Mirrors& mirrors() { return mirrors_; }
  Negatives& negatives() { return negatives_; }
  RowNodes& row_nodes() { return row_nodes_; }

  // True when the request was taken and is or will be answered; what is left of it is JavaScript's, and may be shorter.
  // JavaScript thread only.
  bool Serve(uint8_t* request, size_t* length);

  // Answers what is queued, joins the workers, closes every granted descriptor.
  void Stop();

  // Writes one error reply. Any thread.
  void ReplyError(uint64_t unique, int code) { answers_.ReplyError(unique, code); }

 private:
  bool ServeLookup(const fuse::InHeader& header, const uint8_t* body, size_t size);
  bool ServeForget(const fuse::InHeader& header, const uint8_t* body);
  bool ServeOpen(const fuse::InHeader& header, const uint8_t* body);
  bool ServeRelease(const fuse::InHeader& header, uint8_t* body);
  bool EndUntold(uint64_t fh);
  bool ServeGetxattr(const fuse::InHeader& header, const uint8_t* body, size_t size);
  bool ServeIoctl(const fuse::InHeader& header, const uint8_t* body);
  bool ServeRead(const fuse::InHeader& header, const uint8_t* body);
  bool ServeWrite(const fuse::InHeader& header, const uint8_t* body);
  bool ServeFsync(const fuse::InHeader& header, const uint8_t* body);
  bool ServeInterrupt(const uint8_t* body);
  bool ReadCached(const Task& task);
  bool ReadSpliced(const Task& task);
  bool Offload(Task* task);
  bool StartWorkers();
  static void* WorkerMain(void* self);
  void Work();
  void Run(Task* task);
  void RunRead(const Task& task);
  void RunWrite(const Task& task, const uint8_t* bytes);
  void TellNewMode(uint64_t nodeid);
  bool TakeBlock(size_t size, Block* out);
  void GiveBlock(Block block);

  const int device_;
  Counters* const counters_;
  Answers answers_;
  Splicer splicer_;
  std::unordered_map<uint64_t, Grant> table_;
  Standing standing_;
  Mirrors mirrors_;
  Negatives negatives_;
  RowNodes row_nodes_;
  double* told_ = nullptr;
  size_t told_length_ = 0;
  std::optional<std::vector<uint32_t>> commands_;
  Fsyncs fsyncs_;
  Block inline_block_;

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
  std::deque<Task> queue_;
  std::vector<Block> spare_;
  std::vector<pthread_t> workers_;
  bool stopping_ = false;
};

}  // namespace stratafs

#endif  // STRATAFS_DATA_PLANE_H_
