// Whether a name still leads to its file is asked of the host each time: nobody else changes names there, and a file that the
// kernel knows keeps its number.

#include "own_files.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "unique_fd.h"

namespace stratafs {
namespace {

bool OnlyReads(const uint8_t* body) {
  fuse::OpenIn in;
  memcpy(&in, body, sizeof in);
  return (in.flags & (O_ACCMODE | O_TRUNC)) == O_RDONLY;
}

}  // namespace

void OwnFiles::Add(File file) {
  for (; order_.size() >= kMost; order_.pop_front()) Remove(order_.front());
  order_.push_back(file.nodeid);
  names_[KeyOf(file.dir, HashedName(file.name.data(), file.name.size()))] = file.nodeid;
  const uint64_t nodeid = file.nodeid;
  files_.insert_or_assign(nodeid, std::move(file));
}

const OwnFiles::File* OwnFiles::Find(uint64_t dir, const HashedName& name) const {
  auto found = names_.find(KeyOf(dir, name));
  auto file = found == names_.end() ? files_.end() : files_.find(found->second);
  if (file == files_.end() || file->second.dir != dir) return nullptr;
  return file->second.name.compare(0, std::string::npos, name.bytes, name.length) == 0 ? &file->second : nullptr;
}

void OwnFiles::Remove(uint64_t nodeid) {
  auto file = files_.find(nodeid);
  if (file == files_.end()) return;
  names_.erase(KeyOf(file->second.dir, HashedName(file->second.name.data(), file->second.name.size())));
  files_.erase(file);
}

const OwnFiles::File* OwnFiles::Unopened(uint64_t nodeid) const {
  auto file = files_.find(nodeid);
  return file == files_.end() || file->second.making || file->second.opened ? nullptr : &file->second;
}

void OwnFiles::Opened(uint64_t nodeid) {
  auto file = files_.find(nodeid);
  if (file != files_.end()) file->second.opened = true;
}

void OwnFiles::Made(uint64_t nodeid) {
  auto file = files_.find(nodeid);
  if (file != files_.end()) file->second.making = false;
}

void OwnFiles::RemoveName(uint64_t dir, const char* text, size_t size) {
  const File* file = Find(dir, HashedName(text, strnlen(text, size)));
  if (file != nullptr) Remove(file->nodeid);
}

void OwnFiles::Rename(const fuse::InHeader& header, const uint8_t* body, size_t size, size_t fixed) {
  if (size <= fixed) return;
  uint64_t to;
  memcpy(&to, body, sizeof to);
  const char* text = reinterpret_cast<const char*>(body + fixed);
  const size_t rest = size - fixed;
  const size_t next = strnlen(text, rest) + 1;
  RemoveName(header.nodeid, text, rest);
  if (next < rest) RemoveName(to, text + next, rest - next);
}

void OwnFiles::Met(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  if (files_.empty()) return;
  switch (header.opcode) {
    case fuse::kUnlink:
      return RemoveName(header.nodeid, reinterpret_cast<const char*>(body), size);
    case fuse::kRename:
      return Rename(header, body, size, sizeof(fuse::RenameIn));
    case fuse::kRename2:
      return Rename(header, body, size, sizeof(fuse::Rename2In));
    case fuse::kOpen:
      if (size >= sizeof(fuse::OpenIn) && OnlyReads(body)) return Opened(header.nodeid);
      return Remove(header.nodeid);
    case fuse::kSetattr:
    case fuse::kSetxattr:
    case fuse::kRemovexattr:
    case fuse::kIoctl:
    case fuse::kForget:
      return Remove(header.nodeid);
    default:
      return;
  }
}

bool OwnFiles::Serve(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  if (header.opcode != fuse::kGetattr && header.opcode != fuse::kSetattr) return false;
  auto found = files_.find(header.nodeid);
  if (found == files_.end()) return false;
  const File& file = found->second;
  const int directory = mirrors_->DirectoryToChange(file.dir);
  struct stat st;
  if (directory < 0) return false;
  if (header.opcode == fuse::kGetattr) {
    if (fstatat(directory, file.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0 || !Is(file, st)) return false;
    mirrors_->Reply(header.unique, st, file.ino, 0, file.valid);
    return true;
  }
  fuse::SetattrIn in;
  if (size < sizeof in) return false;
  memcpy(&in, body, sizeof in);
  auto open = std::make_shared<UniqueFd>(openat(directory, file.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!open->ok() || fstat(open->get(), &st) < 0 || !Is(file, st) || !S_ISREG(st.st_mode)) return false;
  return mirrors_->Set(header.unique, {std::move(open), -1, true, file.ino, 0, file.valid}, in);
}

}  // namespace stratafs
