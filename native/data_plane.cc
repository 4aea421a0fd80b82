// The data plane's body: the grant table, and who answers what.
// Every request it takes is answered exactly once, also while stopping.
// Refuses to know layers, names and JavaScript; offsets and sizes are the kernel's.

#include "data_plane.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <algorithm>

#include "backing.h"

namespace stratafs {
namespace {

// Of the descriptors that a process may have, this share may be kept for opens that may never come.
constexpr rlim_t kIdleShare = 2;
constexpr rlim_t kIdleMax = 16384;

// The same of directories that JavaScript does not know.
constexpr rlim_t kDirectoriesShare = 8;
constexpr rlim_t kDirectoriesMax = 1024;

size_t Most(rlim_t share, rlim_t most) {
  struct rlimit files = {0, 0};
  getrlimit(RLIMIT_NOFILE, &files);
  return static_cast<size_t>(std::min(files.rlim_cur / share, most));
}

}  // namespace

DataPlane::DataPlane(int device, Counters* counters)
    : device_(device), counters_(counters), answers_(device, counters), transfers_(device, &answers_, counters),
      standing_(Most(kIdleShare, kIdleMax)), mirrors_(&answers_, counters), negatives_(&answers_),
      row_nodes_(&answers_, counters, &habit_),
      row_directories_(&answers_, counters, &row_nodes_, &habit_, Most(kDirectoriesShare, kDirectoriesMax)),
      listing_end_(&answers_, counters), own_(&mirrors_),
      removals_(&answers_, counters, &mirrors_, &own_, &row_nodes_, &log_),
      creations_(device, &answers_, counters, &mirrors_, &negatives_, &own_, &log_),
      openings_(device, &answers_, counters, &mirrors_, &own_, &row_nodes_, &log_), fsyncs_(&answers_) {}

DataPlane::~DataPlane() { Stop(); }

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
  // The handle of who made a file has the file's number.
  own_.Made(fh);
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
  if (ServeAny(header, request, length)) return true;
  own_.Met(header, request + sizeof header, *length - sizeof header);
  return false;
}

bool DataPlane::ServeAny(const fuse::InHeader& header, uint8_t* request, size_t* length) {
  uint8_t* body = request + sizeof header;
  const size_t size = *length - sizeof header;
  if (listing_end_.Serve(header, body, size)) return true;
  if (header.opcode == fuse::kLookup) return ServeLookup(header, body, size);
  if (header.opcode == fuse::kReaddir || header.opcode == fuse::kReaddirplus) return row_directories_.List(header, body, size);
  if (header.opcode == fuse::kForget) return size >= sizeof(fuse::ForgetIn) && ServeForget(header, body);
  if (header.opcode == fuse::kBatchForget) return ForgetMany(request, length);
  if (header.opcode == fuse::kRead) return size >= sizeof(fuse::ReadIn) && ServeRead(header, body);
  if (header.opcode == fuse::kWrite) return size >= sizeof(fuse::WriteIn) && ServeWrite(header, body);
  if (header.opcode == fuse::kOpen) return size >= sizeof(fuse::OpenIn) && ServeOpen(header, body);
  if (header.opcode == fuse::kRelease) return size >= sizeof(fuse::ReleaseIn) && ServeRelease(header, body);
  if (header.opcode == fuse::kCreate || header.opcode == fuse::kMkdir || header.opcode == fuse::kSymlink) {
    return ServeCreation(header, body, size);
  }
  if (header.opcode == fuse::kUnlink) return removals_.Serve(header, body, size);
  if (header.opcode == fuse::kGetxattr) return ServeGetxattr(header, body, size);
  if (header.opcode == fuse::kIoctl && size >= sizeof(fuse::IoctlIn) && ServeIoctl(header, body)) return true;
  if (header.opcode == fuse::kFsync) return size >= sizeof(fuse::FsyncIn) && ServeFsync(header, body);
  if (header.opcode == fuse::kInterrupt) return size >= sizeof(fuse::InterruptIn) && ServeInterrupt(body);
  if (header.opcode == fuse::kStatx) return row_nodes_.Attributes(header);
  if (header.opcode == fuse::kGetattr && row_nodes_.Attributes(header)) return true;
  return mirrors_.Serve(header, body, size) || own_.Serve(header, body, size);
}

// Whether a name is too long is JavaScript's to say.
bool DataPlane::ServeLookup(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  if (header.total_extlen != 0 || size < 2 || size - 1 > kNameMax || body[size - 1] != 0) return false;
  const HashedName name(reinterpret_cast<const char*>(body), size - 1);
  return negatives_.Serve(header, name) || row_nodes_.Lookup(header, name) || row_directories_.Lookup(header, name);
}

bool DataPlane::ServeForget(const fuse::InHeader& header, const uint8_t* body) {
  fuse::ForgetIn in;
  memcpy(&in, body, sizeof in);
  return ForgetOne(header.nodeid, in.nlookup) || removals_.Forget(header.nodeid, in.nlookup);
}

// A row that nobody knows any more has no handle either.
bool DataPlane::ForgetOne(uint64_t nodeid, uint64_t count) {
  const uint64_t fh = openings_.HandleOf(nodeid);
  const bool forgotten = row_directories_.Forget(nodeid, count);
  if (fh != 0 && row_nodes_.ToldOf(nodeid) == 0) EndRow(fh);
  return forgotten;
}

// Takes out what nobody else has to hear of; true when nothing is left.
bool DataPlane::ForgetMany(uint8_t* request, size_t* length) {
  constexpr size_t kFixed = sizeof(fuse::InHeader) + sizeof(fuse::BatchForgetIn);
  fuse::InHeader header;
  fuse::BatchForgetIn in;
  if (*length < kFixed) return false;
  memcpy(&header, request, sizeof header);
  memcpy(&in, request + sizeof header, sizeof in);
  if (in.count > (*length - kFixed) / sizeof(fuse::ForgetOne)) return false;
  uint8_t* to = request + kFixed;
  for (uint32_t i = 0; i < in.count; i++) {
    fuse::ForgetOne one;
    memcpy(&one, request + kFixed + i * sizeof one, sizeof one);
    if (ForgetOne(one.nodeid, one.nlookup)) continue;
    memcpy(to, &one, sizeof one);
    to += sizeof one;
  }
  *length = static_cast<size_t>(to - request);
  in.count = static_cast<uint32_t>((*length - kFixed) / sizeof(fuse::ForgetOne));
  header.len = static_cast<uint32_t>(*length);
  memcpy(request, &header, sizeof header);
  memcpy(request + sizeof header, &in, sizeof in);
  return in.count == 0;
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

bool DataPlane::ServeCreation(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  std::optional<Creations::Opened> opened;
  if (!creations_.Serve(header, body, size, &opened)) return false;
  if (!opened) return true;
  Attach(opened->fh, opened->fd, opened->fsyncs);
  if (opened->writable) Mirror(opened->fh, opened->nodeid, opened->ino, opened->valid);
  return true;
}

bool DataPlane::ServeOpen(const fuse::InHeader& header, const uint8_t* body) {
  fuse::OpenIn in;
  memcpy(&in, body, sizeof in);
  const Standing::Answer* answer = standing_.Find(header.nodeid, in);
  if (answer == nullptr) return ServeFirstOpen(header, in);
  counters_->stood++;
  fuse::OpenOut out = {answer->fh, answer->flags, answer->backing_id};
  // Nobody closes what nobody was told of.
  if (answers_.Reply(header.unique, &out, sizeof out)) standing_.Opened(answer->fh);
  return true;
}

bool DataPlane::ServeFirstOpen(const fuse::InHeader& header, const fuse::OpenIn& in) {
  std::optional<Openings::Opened> opened;
  const bool settled = told_ == nullptr || told_[0] == 0;
  if (!openings_.Serve(header, in, settled, &opened)) return false;
  if (!opened) return true;
  Attach(opened->answer.fh, opened->file.Release(), false);
  standing_.Stand(opened->answer);
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
  if (creations_.Released(fh)) return Detach(fh) == 0;
  if (EndRow(fh)) return true;
  const size_t before = told_ == nullptr ? 0 : static_cast<size_t>(told_[0]);
  if (before + 1 >= told_length_ || Detach(fh) < 0) return false;
  told_[before + 1] = static_cast<double>(fh);
  told_[0] = static_cast<double>(before + 1);
  return true;
}

bool DataPlane::EndRow(uint64_t fh) {
  const auto row = openings_.Take(fh);
  if (!row) return false;
  Detach(fh);
  if (row->backing > 0) BackingClose(device_, static_cast<uint32_t>(row->backing), counters_);
  return true;
}

uint64_t DataPlane::Reclaim() {
  uint64_t fh = standing_.Reclaim();
  while (fh != 0 && EndRow(fh)) fh = standing_.Reclaim();
  return fh;
}

DataPlane::TakenRow DataPlane::TakeOpen(uint64_t nodeid) {
  const uint64_t fh = openings_.HandleOf(nodeid);
  const auto row = openings_.Take(fh);
  auto grant = table_.find(fh);
  if (!row || grant == table_.end()) return {0, -1, 0, 0};
  return {fh, grant->second.file->get(), row->flags, row->backing};
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
  transfers_.Read({header.unique, found->second.file, header.nodeid, static_cast<int64_t>(in.offset), in.size, false, false, {}, {}});
  return true;
}

bool DataPlane::ServeWrite(const fuse::InHeader& header, const uint8_t* body) {
  fuse::WriteIn in;
  memcpy(&in, body, sizeof in);
  auto found = table_.find(in.fh);
  if (found == table_.end() || header.len - sizeof header - sizeof in < in.size) return false;
  counters_->writes++;
  const bool strip = (in.write_flags & fuse::kWriteKillSuidgid) != 0;
  const Changer writer = {header.uid, header.gid, header.pid};
  transfers_.Write({header.unique, found->second.file, header.nodeid, static_cast<int64_t>(in.offset), in.size, true, strip, writer, {}},
                   body + sizeof in);
  return true;
}

void DataPlane::Stop() {
  transfers_.Stop();
  fsyncs_.Stop();
  mirrors_.Clear();
  row_directories_.Stop();
  table_.clear();
}

}  // namespace stratafs
