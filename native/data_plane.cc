// The data plane's body: the grant table, cached reads inline, everything slow on workers.
// Every request it takes is answered exactly once, also while stopping.
// Refuses to know layers, names and JavaScript; offsets and sizes are the kernel's.

#include "data_plane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

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
// Of the descriptors that a process may have, this share may be kept for opens that may never come.
constexpr rlim_t kIdleShare = 2;
constexpr rlim_t kIdleMax = 16384;

size_t IdleMax() {
  struct rlimit files = {0, 0};
  getrlimit(RLIMIT_NOFILE, &files);
  return static_cast<size_t>(std::min(files.rlim_cur / kIdleShare, kIdleMax));
}

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

DataPlane::DataPlane(int device, Counters* counters)
    : device_(device), counters_(counters), answers_(device, counters), splicer_(device, &answers_),
      standing_(IdleMax()), mirrors_(&answers_, counters), negatives_(&answers_, counters),
      row_nodes_(&answers_, counters), fsyncs_(&answers_) {}

DataPlane::~DataPlane() {
  Stop();
  free(inline_block_.bytes);
  for (Block& block : spare_) free(block.bytes);
}

int DataPlane::Attach(uint64_t fh, int fd, bool fsyncs) {
  if (fd < 0) return -EBADF;
  Grant& slot = table_[fh];
  if (slot.file) return -EEXIST;
  slot = {std::make_shared<UniqueFd>(fd), fsyncs, 0};
  return 0;
}

int DataPlane::Swap(uint64_t fh, int fd) {
  auto found = table_.find(fh);
  if (fd < 0) return -EBADF;
  if (found == table_.end()) return -ENOENT;
  found->second.file = std::make_shared<UniqueFd>(fd);
  mirrors_.Forget(found->second.mirror);
  return 0;
}

int DataPlane::Detach(uint64_t fh) {
  standing_.Forget(fh);
  auto found = table_.find(fh);
  if (found == table_.end()) return -ENOENT;
  mirrors_.Forget(found->second.mirror);
  table_.erase(found);
  return 0;
}

int DataPlane::Mirror(uint64_t fh, uint64_t nodeid, uint64_t ino, double valid) {
  auto found = table_.find(fh);
  if (found == table_.end()) return -ENOENT;
  found->second.mirror = nodeid;
  mirrors_.Show(nodeid, {found->second.file, -1, true, ino, 0, valid});
  return 0;
}

bool DataPlane::Serve(uint8_t* request, size_t* length) {
  fuse::InHeader header;
  if (*length < sizeof header) return false;
  memcpy(&header, request, sizeof header);
  if (header.len != *length) return false;
  uint8_t* body = request + sizeof header;
  const size_t size = *length - sizeof header;
  if (header.opcode == fuse::kLookup) return ServeLookup(header, body, size);
  if (header.opcode == fuse::kForget) return size >= sizeof(fuse::ForgetIn) && ServeForget(header, body);
  if (header.opcode == fuse::kBatchForget) return row_nodes_.ForgetMany(request, length);
  if (header.opcode == fuse::kRead) return size >= sizeof(fuse::ReadIn) && ServeRead(header, body);
  if (header.opcode == fuse::kWrite) return size >= sizeof(fuse::WriteIn) && ServeWrite(header, body);
  if (header.opcode == fuse::kOpen) return size >= sizeof(fuse::OpenIn) && ServeOpen(header, body);
  if (header.opcode == fuse::kRelease) return size >= sizeof(fuse::ReleaseIn) && ServeRelease(header, body);
  if (header.opcode == fuse::kGetxattr) return ServeGetxattr(header, body, size);
  if (header.opcode == fuse::kIoctl && size >= sizeof(fuse::IoctlIn) && ServeIoctl(header, body)) return true;
  if (header.opcode == fuse::kFsync) return size >= sizeof(fuse::FsyncIn) && ServeFsync(header, body);
  if (header.opcode == fuse::kInterrupt) return size >= sizeof(fuse::InterruptIn) && ServeInterrupt(body);
  return mirrors_.Serve(header, body, size);
}

// Whether a name is too long is JavaScript's to say.
bool DataPlane::ServeLookup(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  if (header.total_extlen != 0 || size < 2 || size - 1 > kNameMax || body[size - 1] != 0) return false;
  const HashedName name(reinterpret_cast<const char*>(body), size - 1);
  return negatives_.Serve(header, name) || row_nodes_.Lookup(header, name);
}

bool DataPlane::ServeForget(const fuse::InHeader& header, const uint8_t* body) {
  fuse::ForgetIn in;
  memcpy(&in, body, sizeof in);
  return row_nodes_.Forget(header.nodeid, in.nlookup);
}

// The kernel asks for capabilities at each execution, before the first write and before each change of owner or contents.
bool DataPlane::ServeGetxattr(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  constexpr size_t kFixed = sizeof(fuse::GetxattrIn);
  if (size < kFixed || !IsCapability(body + kFixed, size - kFixed)) return false;
  int fd = mirrors_.FileOf(header.nodeid);
  if (fd < 0) {
    auto found = table_.find(standing_.Whole(header.nodeid));
    if (found != table_.end()) fd = found->second.file->get();
  }
  if (fd < 0 || MayHaveCapability(fd)) return false;
  counters_->mirrored++;
  answers_.ReplyError(header.unique, ENODATA);
  return true;
}

// Many programs ask each file that they open whether it is a terminal.
bool DataPlane::ServeIoctl(const fuse::InHeader& header, const uint8_t* body) {
  fuse::IoctlIn in;
  memcpy(&in, body, sizeof in);
  if (!commands_ || std::find(commands_->begin(), commands_->end(), in.cmd) != commands_->end()) return false;
  answers_.ReplyError(header.unique, ENOTTY);
  return true;
}

bool DataPlane::ServeOpen(const fuse::InHeader& header, const uint8_t* body) {
  fuse::OpenIn in;
  memcpy(&in, body, sizeof in);
  const Standing::Answer* answer = standing_.Find(header.nodeid, in);
  if (answer == nullptr) return false;
  counters_->stood++;
  fuse::OpenOut out = {answer->fh, answer->flags, answer->backing_id};
  // Nobody closes what nobody was told of.
  if (answers_.Reply(header.unique, &out, sizeof out)) standing_.Opened(answer->fh);
  return true;
}

// What the caller closed may stay, and another handle go in its place: that is the one JavaScript is asked to release.
bool DataPlane::ServeRelease(const fuse::InHeader& header, uint8_t* body) {
  fuse::ReleaseIn in;
  memcpy(&in, body, sizeof in);
  in.fh = standing_.Release(in.fh);
  memcpy(body, &in, sizeof in);
  if (in.fh != 0 && !EndUntold(in.fh)) return false;
  answers_.ReplyError(header.unique, 0);
  return true;
}

// Nobody waits for a RELEASE: that the handle has ended can be told along with the next request.
bool DataPlane::EndUntold(uint64_t fh) {
  const size_t before = told_ == nullptr ? 0 : static_cast<size_t>(told_[0]);
  if (before + 1 >= told_length_ || Detach(fh) < 0) return false;
  told_[before + 1] = static_cast<double>(fh);
  told_[0] = static_cast<double>(before + 1);
  return true;
}

bool DataPlane::ServeFsync(const fuse::InHeader& header, const uint8_t* body) {
  fuse::FsyncIn in;
  memcpy(&in, body, sizeof in);
  auto found = table_.find(in.fh);
  if (found == table_.end() || !found->second.fsyncs) return false;
  if (!fsyncs_.Take(header.unique, found->second.file, (in.fsync_flags & fuse::kFsyncDataOnly) != 0)) return false;
  counters_->fsyncs++;
  return true;
}

bool DataPlane::ServeInterrupt(const uint8_t* body) {
  fuse::InterruptIn in;
  memcpy(&in, body, sizeof in);
  return fsyncs_.Interrupt(in.unique);
}

bool DataPlane::ServeRead(const fuse::InHeader& header, const uint8_t* body) {
  fuse::ReadIn in;
  memcpy(&in, body, sizeof in);
  auto found = table_.find(in.fh);
  if (found == table_.end()) return false;
  counters_->reads++;
  Task task = {header.unique, found->second.file, header.nodeid, static_cast<int64_t>(in.offset), in.size, false, false, {}, {}};
  if (ReadSpliced(task) || ReadCached(task) || Offload(&task)) return true;
  Run(&task);
  return true;
}

bool DataPlane::ReadSpliced(const Task& task) {
  const int64_t got = splicer_.Answer(task.unique, task.file->get(), task.offset, task.size);
  if (got < 0) return false;
  counters_->spliced++;
  counters_->bytes_read += static_cast<uint64_t>(got);
  return true;
}

// True when the page cache had the answer. A short read is one only where the file ends.
bool DataPlane::ReadCached(const Task& task) {
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
  answers_.Reply(task.unique, inline_block_.bytes, static_cast<size_t>(got));
  return true;
}

bool DataPlane::ServeWrite(const fuse::InHeader& header, const uint8_t* body) {
  fuse::WriteIn in;
  memcpy(&in, body, sizeof in);
  auto found = table_.find(in.fh);
  if (found == table_.end() || header.len - sizeof header - sizeof in < in.size) return false;
  counters_->writes++;
  const uint8_t* data = body + sizeof in;
  bool strip = (in.write_flags & fuse::kWriteKillSuidgid) != 0;
  Changer writer = {header.uid, header.gid, header.pid};
  Task task = {header.unique, found->second.file, header.nodeid, static_cast<int64_t>(in.offset), in.size, true, strip, writer, {}};
  if (in.size > kInlineWrite && TakeBlock(in.size, &task.block)) {
    memcpy(task.block.bytes, data, in.size);
    if (Offload(&task)) return true;
  }
  RunWrite(task, data);
  GiveBlock(task.block);
  return true;
}

// False when the queue is full or no worker could be started: the caller does the work itself,
// which is also what slows the readers of the device down.
bool DataPlane::Offload(Task* task) {
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

bool DataPlane::StartWorkers() {
  for (size_t i = 0; i < kWorkers; i++) {
    pthread_t thread;
    if (StartQuietThread(&thread, WorkerMain, this)) workers_.push_back(thread);
  }
  return !workers_.empty();
}

void* DataPlane::WorkerMain(void* self) {
  pthread_setname_np(pthread_self(), "stratafs-data");
  static_cast<DataPlane*>(self)->Work();
  return nullptr;
}

void DataPlane::Work() {
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

void DataPlane::Run(Task* task) {
  bool memory = task->is_write || TakeBlock(task->size, &task->block);
  if (!memory) ReplyError(task->unique, ENOMEM);
  else if (task->is_write) RunWrite(*task, task->block.bytes);
  else RunRead(*task);
  GiveBlock(task->block);
  task->block = {};
}

void DataPlane::RunRead(const Task& task) {
  ssize_t got = ReadFully(task.file->get(), task.block.bytes, task.size, task.offset);
  if (got < 0) return ReplyError(task.unique, static_cast<int>(-got));
  counters_->bytes_read += static_cast<uint64_t>(got);
  answers_.Reply(task.unique, task.block.bytes, static_cast<size_t>(got));
}

void DataPlane::RunWrite(const Task& task, const uint8_t* bytes) {
  int fd = task.file->get();
  int stripped = task.strip ? StripPrivileges(fd, task.writer) : 0;
  if (stripped < 0) return ReplyError(task.unique, -stripped);
  if (stripped > 0) TellNewMode(task.nodeid);
  ssize_t put = WriteFully(fd, bytes, task.size, task.offset);
  if (put < 0) return ReplyError(task.unique, static_cast<int>(-put));
  counters_->bytes_written += static_cast<uint64_t>(put);
  fuse::WriteOut out = {static_cast<uint32_t>(put), 0};
  answers_.Reply(task.unique, &out, sizeof out);
}

// The kernel does not know that the mode it remembers is older than this write: it would execute the
// new contents with the privileges of the old. Told before the contents change.
void DataPlane::TellNewMode(uint64_t nodeid) {
  struct {
    fuse::OutHeader header;
    fuse::NotifyInvalInode body;
  } message = {{sizeof message, fuse::kNotifyInvalInode, 0}, {nodeid, -1, 0}};
  ssize_t told = write(device_, &message, sizeof message);
  (void)told;  // ENOENT: the kernel has forgotten the inode.
}

bool DataPlane::TakeBlock(size_t size, Block* out) {
  pthread_mutex_lock(&mutex_);
  if (!spare_.empty()) {
    *out = spare_.back();
    spare_.pop_back();
  }
  pthread_mutex_unlock(&mutex_);
  return Grow(out, size);
}

void DataPlane::GiveBlock(Block block) {
  if (block.bytes == nullptr) return;
  pthread_mutex_lock(&mutex_);
  bool keep = spare_.size() < kSpareMax;
  if (keep) spare_.push_back(block);
  pthread_mutex_unlock(&mutex_);
  if (!keep) free(block.bytes);
}

void DataPlane::Stop() {
  pthread_mutex_lock(&mutex_);
  stopping_ = true;
  pthread_mutex_unlock(&mutex_);
  pthread_cond_broadcast(&wake_);
  for (pthread_t worker : workers_) pthread_join(worker, nullptr);
  workers_.clear();
  fsyncs_.Stop();
  splicer_.Close();
  mirrors_.Clear();
  table_.clear();
}

}  // namespace stratafs
