// READ and WRITE of descriptors: inline when that cannot block, on a few worker threads otherwise. Owns the workers.
// Knows no handles: whoever asks has a descriptor.

#ifndef STRATAFS_TRANSFERS_H_
#define STRATAFS_TRANSFERS_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "answers.h"
#include "privileges.h"
#include "splicer.h"
#include "unique_fd.h"

namespace stratafs {

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

class Transfers {
 public:
  Transfers(int device, Answers* answers, Counters* counters)
      : device_(device), answers_(answers), counters_(counters), splicer_(device, answers) {}
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // Each is answered, now or later. JavaScript thread only.
  void Read(Task task);
  // `data`: the bytes, which are the caller's.
  void Write(Task task, const uint8_t* data);

  // Answers what is queued and joins the workers.
  void Stop();

 private:
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
  Answers* const answers_;
  Counters* const counters_;
  Splicer splicer_;
  Block inline_block_;

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
  std::deque<Task> queue_;
  std::vector<Block> spare_;
  std::vector<pthread_t> workers_;
  bool stopping_ = false;
};

}  // namespace stratafs

#endif  // STRATAFS_TRANSFERS_H_
