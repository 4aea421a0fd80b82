// What fails here is JavaScript's to try again, and to say why.

#include "openings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <utility>

#include "backing.h"

namespace stratafs {
namespace {

constexpr int kReading = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
// In the name of the attribute that a file has whose data is another's.
constexpr char kElsewhere[] = "overlay.metacopy";

// `quiet`: reading is to leave the access time, where the file's owner lets us.
UniqueFd OpenToRead(int directory, const char* name, bool quiet) {
  UniqueFd file(openat(directory, name, kReading | (quiet ? O_NOATIME : 0)));
  if (!file.ok() && quiet && errno == EPERM) file.Reset(openat(directory, name, kReading));
  return file;
}

// False, too, where that cannot be seen.
bool HasItsData(int fd) {
  char names[1024];
  const ssize_t size = flistxattr(fd, names, sizeof names);
  if (size < 0) return errno == EOPNOTSUPP;
  return size == 0 || memmem(names, static_cast<size_t>(size), kElsewhere, sizeof kElsewhere - 1) == nullptr;
}

bool IsCode(int fd) {
  char head[4];
  return pread(fd, head, sizeof head, 0) == sizeof head && memcmp(head, "\x7f" "ELF", sizeof head) == 0;
}

}  // namespace

// One that was opened and has no place to stand is JavaScript's: all that have a file open in passthrough share one backing.
bool Openings::OpenPlain(uint64_t nodeid, UniqueFd* file) const {
  char name[kNameMax + 1];
  uint64_t ino = 0;
  const int directory = rows_->Find(nodeid, name, &ino);
  struct stat st;
  if (directory < 0 || handles_.count(nodeid) > 0) return false;
  *file = OpenToRead(directory, name, true);
  if (!file->ok() || fstat(file->get(), &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != ino) return false;
  return HasItsData(file->get());
}

bool Openings::OpenOwn(uint64_t nodeid, UniqueFd* file) const {
  const OwnFiles::File* own = own_->Unopened(nodeid);
  const int directory = own == nullptr ? -1 : mirrors_->DirectoryToChange(own->dir);
  struct stat st;
  if (directory < 0) return false;
  *file = OpenToRead(directory, own->name.c_str(), rules_->quiet);
  return file->ok() && fstat(file->get(), &st) == 0 && S_ISREG(st.st_mode) && OwnFiles::Is(*own, st);
}

bool Openings::IsShared(bool is_row, int fd) const {
  if (!is_row) return rules_->own;
  return rules_->rows == kAll || (rules_->rows == kCode && IsCode(fd));
}

void Openings::WriteDown(uint64_t nodeid, int fd, uint32_t flags, int backing) {
  double* record = log_->Write(ChangeLog::kOpened, 0, nodeid, "", 0);
  record[ChangeLog::kFh] = static_cast<double>(next_);
  record[ChangeLog::kFd] = fd;
  record[ChangeLog::kFlags] = flags;
  record[ChangeLog::kBacking] = backing;
  own_->Opened(nodeid);
}

uint64_t Openings::HandleOf(uint64_t nodeid) const {
  auto found = handles_.find(nodeid);
  return found == handles_.end() ? 0 : found->second;
}

uint64_t Openings::NodeOf(uint64_t fh) const {
  auto found = open_.find(fh);
  return found == open_.end() ? 0 : found->second.nodeid;
}

std::optional<Openings::OpenRow> Openings::Take(uint64_t fh) {
  auto found = open_.find(fh);
  if (found == open_.end()) return std::nullopt;
  const OpenRow row = found->second;
  open_.erase(found);
  handles_.erase(row.nodeid);
  return row;
}

std::vector<uint64_t> Openings::open_rows() const {
  std::vector<uint64_t> nodeids;
  for (const auto& [fh, row] : open_) nodeids.push_back(row.nodeid);
  return nodeids;
}

bool Openings::Serve(const fuse::InHeader& header, const fuse::OpenIn& in, bool settled, std::optional<Opened>* opened) {
  if (!rules_ || in.open_flags != 0 || (in.flags & ~rules_->indifferent) != 0) return false;
  UniqueFd file;
  const bool is_row = OpenPlain(header.nodeid, &file);
  // A backing that has ended may be the node's to JavaScript as yet.
  if (!is_row && (!settled || !log_->HasRoom(0) || !OpenOwn(header.nodeid, &file))) return false;
  const int backing = IsShared(is_row, file.get()) ? BackingOpen(device_, file.get(), counters_) : 0;
  if (backing < 0) return false;
  const uint32_t flags = fuse::kOpenNoFlush | (backing > 0 ? fuse::kOpenPassthrough : fuse::kOpenKeepCache);
  const fuse::OpenOut out = {next_, flags, backing};
  counters_->opened++;
  if (!answers_->Reply(header.unique, &out, sizeof out)) {
    if (backing > 0) BackingClose(device_, static_cast<uint32_t>(backing), counters_);
    return true;
  }
  if (is_row) {
    open_[next_] = {header.nodeid, in.flags, backing};
    handles_[header.nodeid] = next_;
  } else {
    WriteDown(header.nodeid, file.get(), in.flags, backing);
  }
  *opened = {{header.nodeid, next_++, flags, backing, rules_->indifferent, true}, std::move(file)};
  return true;
}

}  // namespace stratafs
