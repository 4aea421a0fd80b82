// A request that fails here is JavaScript's to try again, and to say why. What was made is known to JavaScript before it
// handles another request, and before anything else of it runs.

#include "creations.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "attributes.h"
#include "backing.h"
#include "unique_fd.h"
#include "validity.h"

namespace stratafs {
namespace {

// Names that begin so are no user's.
constexpr char kReserved[] = ".wh.";
constexpr uint32_t kPrivileged = S_ISUID | S_ISGID;
// Seconds that the attributes of a file just created are trusted while it is open in passthrough.
constexpr double kJustMade = 1;

// All of it is texts that end with a 0.
bool IsText(const char* text, size_t size) { return size > 0 && text[size - 1] == 0; }

// A user may give it to something new.
bool MayBeNew(const char* name, size_t length, size_t most) {
  if (length == 0 || length > most || memchr(name, '/', length) != nullptr) return false;
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  return strncmp(name, kReserved, sizeof kReserved - 1) != 0;
}

}  // namespace

// The descriptor of a new file, 0 for anything else that was made, or -1 and errno.
int Creations::Make(int directory, const Wish& wish) {
  if (wish.format == S_IFDIR) return mkdirat(directory, wish.name, wish.mode & 07777);
  if (wish.format == S_IFLNK) return symlinkat(wish.target, directory, wish.name);
  const int flags = static_cast<int>(wish.flags & (O_ACCMODE | O_SYNC));
  return openat(directory, wish.name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, wish.mode & 07777);
}

bool Creations::Understand(const fuse::InHeader& header, const uint8_t* body, size_t size, Wish* wish) const {
  size_t fixed = 0;
  if (header.opcode == fuse::kCreate && size > sizeof(fuse::CreateIn)) {
    fuse::CreateIn in;
    memcpy(&in, body, fixed = sizeof in);
    *wish = {S_IFREG, in.mode, in.umask, in.flags, nullptr, 0, nullptr};
  } else if (header.opcode == fuse::kMkdir && size > sizeof(fuse::MkdirIn)) {
    fuse::MkdirIn in;
    memcpy(&in, body, fixed = sizeof in);
    *wish = {S_IFDIR, in.mode, in.umask, 0, nullptr, 0, nullptr};
  } else if (header.opcode == fuse::kSymlink) {
    *wish = {S_IFLNK, 0, 0, 0, nullptr, 0, nullptr};
  } else {
    return false;
  }
  wish->name = reinterpret_cast<const char*>(body + fixed);
  const size_t rest = size - fixed;
  if (!IsText(wish->name, rest)) return false;
  wish->name_length = strlen(wish->name);
  wish->target = wish->name + wish->name_length + 1;
  const bool targeted = wish->target < wish->name + rest;
  if (targeted != (wish->format == S_IFLNK)) return false;
  // A file with setuid or setgid is opened in a way of its own.
  if (wish->format == S_IFREG && (wish->mode & kPrivileged) != 0) return false;
  return MayBeNew(wish->name, wish->name_length, rules_->name_max);
}

bool Creations::Serve(const fuse::InHeader& header, const uint8_t* body, size_t size, std::optional<Opened>* opened) {
  Wish wish;
  if (!rules_ || header.uid != rules_->uid || header.gid != rules_->gid || header.total_extlen != 0) return false;
  const int directory = mirrors_->DirectoryToChange(header.nodeid);
  if (directory < 0 || !Understand(header, body, size, &wish) || !log_->HasRoom(wish.name_length)) return false;
  const HashedName name(wish.name, wish.name_length);
  if (!negatives_->IsVacant(header.nodeid, name)) return false;
  // The mask is the process's, and JavaScript remembers what it has set.
  const mode_t before = umask(wish.umask);
  const int made = Make(directory, wish);
  umask(before);
  if (made < 0) return false;
  const bool is_file = wish.format == S_IFREG;
  UniqueFd file(is_file ? made : -1);
  struct stat st;
  const bool told = is_file ? fstat(made, &st) == 0 : fstatat(directory, wish.name, &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!told) {
    // Nobody has seen it.
    unlinkat(directory, wish.name, wish.format == S_IFDIR ? AT_REMOVEDIR : 0);
    return false;
  }
  counters_->created++;
  negatives_->Note(header.nodeid, name);
  if (is_file) AnswerFile(header, wish, st, &file, opened);
  else AnswerOther(header, wish, st);
  return true;
}

void Creations::AnswerFile(const fuse::InHeader& header, const Wish& wish, const struct stat& st, UniqueFd* file,
                           std::optional<Opened>* opened) {
  struct {
    fuse::EntryOut entry;
    fuse::OpenOut open;
  } out;
  const uint64_t id = next_++;
  const int backing = rules_->passthrough ? std::max(BackingOpen(device_, file->get(), counters_), 0) : 0;
  out.entry = EntryOf(id, st, backing > 0 ? std::min(rules_->valid, kJustMade) : rules_->valid);
  out.open = {id, fuse::kOpenNoFlush | (backing > 0 ? fuse::kOpenPassthrough : fuse::kOpenKeepCache), backing};
  if (!answers_->Reply(header.unique, &out, sizeof out)) {
    if (backing > 0) BackingClose(device_, static_cast<uint32_t>(backing), counters_);
    WriteDown(header, wish, 0, st);
    return;
  }
  double* record = WriteDown(header, wish, id, st);
  record[ChangeLog::kFh] = static_cast<double>(id);
  record[ChangeLog::kFd] = file->get();
  record[ChangeLog::kFlags] = wish.flags;
  record[ChangeLog::kBacking] = backing;
  const bool writable = (wish.flags & O_ACCMODE) != O_RDONLY;
  // A mapping in passthrough changes times unseen: the kernel must ask.
  const double valid = writable && backing > 0 ? 0 : rules_->valid;
  *opened = {id, file->Release(), writable && rules_->fsyncs, writable, id, st.st_ino, valid};
}

void Creations::AnswerOther(const fuse::InHeader& header, const Wish& wish, const struct stat& st) {
  const uint64_t id = next_++;
  fuse::EntryOut out = EntryOf(id, st, rules_->valid);
  if (wish.format == S_IFDIR && rules_->directory_nlink != 0) out.attr.nlink = rules_->directory_nlink;
  WriteDown(header, wish, answers_->Reply(header.unique, &out, sizeof out) ? id : 0, st);
}

fuse::EntryOut Creations::EntryOf(uint64_t nodeid, const struct stat& st, double attributes_valid) const {
  const Validity entry(rules_->valid), attributes(attributes_valid);
  return {nodeid, 0, entry.seconds, attributes.seconds, entry.nanoseconds, attributes.nanoseconds, AttrOf(st)};
}

// `nodeid` 0: the kernel does not know it.
double* Creations::WriteDown(const fuse::InHeader& header, const Wish& wish, uint64_t nodeid, const struct stat& st) {
  double* record = log_->Write(ChangeLog::kMade, header.nodeid, nodeid, wish.name, wish.name_length);
  record[ChangeLog::kInoLow] = static_cast<uint32_t>(st.st_ino);
  record[ChangeLog::kInoHigh] = static_cast<uint32_t>(st.st_ino >> 32);
  record[ChangeLog::kFormat] = wish.format;
  if (nodeid != 0 && wish.format != S_IFDIR) {
    const std::string name(wish.name, wish.name_length);
    own_->Add({nodeid, header.nodeid, st.st_ino, name, rules_->valid, wish.format == S_IFREG});
  }
  return record;
}

// Most files are closed before JavaScript reads of them: it then has nothing to do with their handles.
bool Creations::Released(uint64_t fh) {
  double* record = fh < kFirst ? nullptr : log_->Find(ChangeLog::kMade, ChangeLog::kFh, fh);
  if (record == nullptr) return false;
  if (record[ChangeLog::kBacking] > 0) BackingClose(device_, static_cast<uint32_t>(record[ChangeLog::kBacking]), counters_);
  record[ChangeLog::kFh] = 0;
  return true;
}

}  // namespace stratafs
