// What fails here is JavaScript's to try again, and to say why.

#include "removals.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unique_fd.h"

namespace stratafs {
namespace {

// Blocks of 512 bytes that are freed sooner than another thread is woken.
constexpr blkcnt_t kFewBlocks = 512;

}  // namespace

bool Removals::Serve(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  const int directory = mirrors_->DirectoryToChange(header.nodeid);
  if (directory < 0 || size < 2 || size - 1 > kNameMax || body[size - 1] != 0 || !log_->HasRoom(size - 1)) return false;
  const HashedName name(reinterpret_cast<const char*>(body), size - 1);
  if (!Take(header, directory, name) && !Cover(header, directory, name)) return false;
  counters_->removed++;
  answers_->ReplyError(header.unique, 0);
  return true;
}

bool Removals::Take(const fuse::InHeader& header, int directory, const HashedName& name) {
  const OwnFiles::File* file = own_->Find(header.nodeid, name);
  if (file == nullptr) return false;
  // Whoever has it open goes on to see it.
  UniqueFd kept(openat(directory, name.bytes, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st;
  if (!kept.ok() || fstat(kept.get(), &st) < 0 || !OwnFiles::Is(*file, st)) return false;
  if (st.st_blocks > kFewBlocks || unlinkat(directory, name.bytes, 0) < 0) return false;
  double* record = log_->Write(ChangeLog::kTaken, header.nodeid, file->nodeid, name.bytes, name.length);
  record[ChangeLog::kFd] = kept.Release();
  own_->Remove(file->nodeid);
  return true;
}

bool Removals::Cover(const fuse::InHeader& header, int directory, const HashedName& name) {
  uint8_t* kind = hider_fd_ < 0 ? nullptr : rows_->KindOf(header.nodeid, name);
  if (kind == nullptr) return false;
  if (linkat(hider_fd_, hider_.c_str(), directory, name.bytes, 0) < 0) return false;
  *kind |= kTaken;
  log_->Write(ChangeLog::kHidden, header.nodeid, 0, name.bytes, name.length);
  return true;
}

// The kernel counts all that it was told of an inode at once.
bool Removals::Forget(uint64_t nodeid, uint64_t count) {
  double* record = log_->Find(ChangeLog::kTaken, ChangeLog::kNodeid, nodeid);
  if (record == nullptr) return false;
  if (record[ChangeLog::kFd] >= 0) close(static_cast<int>(record[ChangeLog::kFd]));
  record[ChangeLog::kFd] = -1;
  record[ChangeLog::kForgotten] += static_cast<double>(count);
  return true;
}

}  // namespace stratafs
