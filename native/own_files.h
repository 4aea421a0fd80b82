// Files and symlinks that were made here (creations.h) and that nothing has happened to since that JavaScript decides:
// each has one name, which is known, and looks to users as it does on the host. Answers GETATTR and SETATTR for them.
// Knows no JavaScript. JavaScript thread only.

#ifndef STRATAFS_OWN_FILES_H_
#define STRATAFS_OWN_FILES_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "fuse_abi.h"
#include "mirrors.h"
#include "name_hash.h"

namespace stratafs {

class OwnFiles {
 public:
  struct File {
    uint64_t nodeid;
    uint64_t dir;
    uint64_t ino;
    std::string name;
    // Seconds that its attributes are.
    double valid;
    // Who made it has it open.
    bool making;
    // It was opened after it was made.
    bool opened = false;
  };

  explicit OwnFiles(Mirrors* mirrors) : mirrors_(mirrors) {}
  OwnFiles(const OwnFiles&) = delete;
  OwnFiles& operator=(const OwnFiles&) = delete;

  void Add(File file);
  void Clear() { files_.clear(), names_.clear(), order_.clear(); }
  // The one of this name; null: there is none.
  const File* Find(uint64_t dir, const HashedName& name) const;
  void Remove(uint64_t nodeid);
  // The one that nobody has open, nor had but to make it; null: it is none of these.
  const File* Unopened(uint64_t nodeid) const;
  void Opened(uint64_t nodeid);
  // Who made it has closed it.
  void Made(uint64_t nodeid);

  // JavaScript has the request: what it is about may not be what it was.
  void Met(const fuse::InHeader& header, const uint8_t* body, size_t size);
  // True when the request was answered.
  bool Serve(const fuse::InHeader& header, const uint8_t* body, size_t size);

  // Whether what is at `st` is the file, and has no other name.
  static bool Is(const File& file, const struct stat& st) { return st.st_ino == file.ino && st.st_nlink == 1; }

 private:
  static uint64_t KeyOf(uint64_t dir, const HashedName& name) { return name.hash ^ dir * 0x9e3779b97f4a7c15u; }
  void Rename(const fuse::InHeader& header, const uint8_t* body, size_t size, size_t fixed);
  void RemoveName(uint64_t dir, const char* text, size_t size);

  // So many are known at most, and those that came last.
  static constexpr size_t kMost = 1 << 14;

  Mirrors* const mirrors_;
  std::unordered_map<uint64_t, File> files_;      // by nodeid
  std::unordered_map<uint64_t, uint64_t> names_;  // nodeids, by key of directory and name
  std::deque<uint64_t> order_;                    // nodeids as they came, some of which are gone
};

}  // namespace stratafs

#endif  // STRATAFS_OWN_FILES_H_
