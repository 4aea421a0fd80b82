// Whoever asks is answered exactly once, also while stopping. The device's reader never waits for a disk, but where the queue is full.

#include "transfers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <utility>

#include "fuse_abi.h"
#include "threads.h"

namespace stratafs {
namespace {

constexpr size_t kWorkers = 3;
constexpr size_t kQueueMax = 256;
constexpr size_t kSpareMax = 8;
constexpr size_t kInlineWrite = 32 * 1024;
constexpr size_t kInlineRead = 32 * 1024;
constexpr size_t kBlockMin = 1 << 20;
constexpr size_t kPage = 4096;

bool Grow(Block* block, size_t size) {
  if (block->capacity >= size) return true;
  size_t capacity = size < kBlockMin ? kBlockMin : (size + kPage - 1) & ~(kPage - 1);
  void* bytes = nullptr;
  if (posix_memalign(&bytes, kPage, capacity) != 0) return false;
  free(block->bytes);
  *block = {static_cast<uint8_t*>(bytes), capacity};
  return true;
}

// Bytes read up to `size` or the end of the file, or -errno. A short answer tells the kernel where
// the file ends, so a failure after some bytes is a failure of the whole.
ssize_t ReadFully(int fd, uint8_t* into, size_t size, int64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(fd, into + done, size - done, offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

// Bytes written (short when the disk filled on the way), or -errno when none were.
ssize_t WriteFully(int fd, const uint8_t* from, size_t size, int64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t put = pwrite(fd, from + done, size - done, offset + static_cast<int64_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return done > 0 ? static_cast<ssize_t>(done) : -errno;
    if (put == 0) break;
    done += static_cast<size_t>(put);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

Transfers::~Transfers() {
  Stop();
  free(inline_block_.bytes);
  for (Block& block : spare_) free(block.bytes);
}

void Transfers::Read(Task task) {
  if (ReadSpliced(task) || ReadCached(task) || Offload(&task)) return;
  Run(&task);
}

void Transfers::Write(Task task, const uint8_t* data) {
  if (task.size > kInlineWrite && TakeBlock(task.size, &task.block)) {
    memcpy(task.block.bytes, data, task.size);
    if (Offload(&task)) return;
  }
  RunWrite(task, data);
  GiveBlock(task.block);
}

bool Transfers::ReadSpliced(const Task& task) {
  const int64_t got = splicer_.Answer(task.unique, task.file->get(), task.offset, task.size);
  if (got < 0) return false;
  counters_->spliced++;
  counters_->bytes_read += static_cast<uint64_t>(got);
  return true;
}

// True when the page cache had the answer. A short read is one only where the file ends.
bool Transfers::ReadCached(const Task& task) {
  if (!Grow(&inline_block_, task.size)) return false;
  int fd = task.file->get();
  struct iovec iov = {inline_block_.bytes, task.size};
  ssize_t got = preadv2(fd, &iov, 1, task.offset, RWF_NOWAIT);
  if (got < 0 && errno == EOPNOTSUPP && task.size <= kInlineRead) {
    got = ReadFully(fd, inline_block_.bytes, task.size, task.offset);
  }
  if (got < 0) return false;
  struct stat st;
  bool whole = static_cast<size_t>(got) == task.size;
  if (!whole && (fstat(fd, &st) < 0 || task.offset + got < st.st_size)) return false;
  counters_->bytes_read += static_cast<uint64_t>(got);
  answers_->Reply(task.unique, inline_block_.bytes, static_cast<size_t>(got));
  return true;
}

// False when the queue is full or no worker could be started: the caller does the work itself,
// which is also what slows the readers of the device down.
bool Transfers::Offload(Task* task) {
  if (workers_.empty() && !StartWorkers()) return false;
  pthread_mutex_lock(&mutex_);
  bool room = queue_.size() < kQueueMax && !stopping_;
  if (room) queue_.push_back(*task);
  pthread_mutex_unlock(&mutex_);
  if (!room) return false;
  counters_->offloaded++;
  pthread_cond_signal(&wake_);
  return true;
}

bool Transfers::StartWorkers() {
  for (size_t i = 0; i < kWorkers; i++) {
    pthread_t thread;
    if (StartQuietThread(&thread, WorkerMain, this)) workers_.push_back(thread);
  }
  return !workers_.empty();
}

void* Transfers::WorkerMain(void* self) {
  pthread_setname_np(pthread_self(), "stratafs-data");
  static_cast<Transfers*>(self)->Work();
  return nullptr;
}

void Transfers::Work() {
  pthread_mutex_lock(&mutex_);
  for (;;) {
    while (queue_.empty() && !stopping_) pthread_cond_wait(&wake_, &mutex_);
    if (queue_.empty()) break;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    pthread_mutex_unlock(&mutex_);
    Run(&task);
    task.file.reset();
    pthread_mutex_lock(&mutex_);
  }
  pthread_mutex_unlock(&mutex_);
}

void Transfers::Run(Task* task) {
  bool memory = task->is_write || TakeBlock(task->size, &task->block);
  if (!memory) answers_->ReplyError(task->unique, ENOMEM);
  else if (task->is_write) RunWrite(*task, task->block.bytes);
  else RunRead(*task);
  GiveBlock(task->block);
  task->block = {};
}

void Transfers::RunRead(const Task& task) {
  ssize_t got = ReadFully(task.file->get(), task.block.bytes, task.size, task.offset);
  if (got < 0) return answers_->ReplyError(task.unique, static_cast<int>(-got));
  counters_->bytes_read += static_cast<uint64_t>(got);
  answers_->Reply(task.unique, task.block.bytes, static_cast<size_t>(got));
}

void Transfers::RunWrite(const Task& task, const uint8_t* bytes) {
  int fd = task.file->get();
  int stripped = task.strip ? StripPrivileges(fd, task.writer) : 0;
  if (stripped < 0) return answers_->ReplyError(task.unique, -stripped);
  if (stripped > 0) TellNewMode(task.nodeid);
  ssize_t put = WriteFully(fd, bytes, task.size, task.offset);
  if (put < 0) return answers_->ReplyError(task.unique, static_cast<int>(-put));
  counters_->bytes_written += static_cast<uint64_t>(put);
  fuse::WriteOut out = {static_cast<uint32_t>(put), 0};
  answers_->Reply(task.unique, &out, sizeof out);
}

// The kernel does not know that the mode it remembers is older than this write: it would execute the
// new contents with the privileges of the old. Told before the contents change.
void Transfers::TellNewMode(uint64_t nodeid) {
  struct {
    fuse::OutHeader header;
    fuse::NotifyInvalInode body;
  } message = {{sizeof message, fuse::kNotifyInvalInode, 0}, {nodeid, -1, 0}};
  ssize_t told = write(device_, &message, sizeof message);
  (void)told;  // ENOENT: the kernel has forgotten the inode.
}

bool Transfers::TakeBlock(size_t size, Block* out) {
  pthread_mutex_lock(&mutex_);
  if (!spare_.empty()) {
    *out = spare_.back();
    spare_.pop_back();
  }
  pthread_mutex_unlock(&mutex_);
  return Grow(out, size);
}

void Transfers::GiveBlock(Block block) {
  if (block.bytes == nullptr) return;
  pthread_mutex_lock(&mutex_);
  bool keep = spare_.size() < kSpareMax;
  if (keep) spare_.push_back(block);
  pthread_mutex_unlock(&mutex_);
  if (!keep) free(block.bytes);
}

void Transfers::Stop() {
  pthread_mutex_lock(&mutex_);
  stopping_ = true;
  pthread_mutex_unlock(&mutex_);
  pthread_cond_broadcast(&wake_);
  for (pthread_t worker : workers_) pthread_join(worker, nullptr);
  workers_.clear();
  splicer_.Close();
}

}  // namespace stratafs
