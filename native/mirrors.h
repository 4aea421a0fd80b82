// Answers GETATTR and SETATTR for nodes that look to users as they are on the host, but for their number and how many names
// they have.
// Knows no JavaScript, no names and no layers: which nodes are so was said, and is taken back the same way.

#ifndef STRATAFS_MIRRORS_H_
#define STRATAFS_MIRRORS_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "answers.h"
#include "fuse_abi.h"
#include "unique_fd.h"

namespace stratafs {

class Mirrors {
 public:
  struct Image {
    // A file; null: a directory, whose descriptor is the caller's.
    SharedFd file;
    int directory;
    // Owner, mode and times may be set: nothing protects the node.
    bool open_to_change;
    // What users see for the host's number and, unless 0, for its link count.
    uint64_t ino;
    uint32_t nlink;
    // Seconds that attributes are valid.
    double valid;

    int fd() const { return file != nullptr ? file->get() : directory; }
  };

  Mirrors(Answers* answers, Counters* counters) : answers_(answers), counters_(counters) {}
  Mirrors(const Mirrors&) = delete;
  Mirrors& operator=(const Mirrors&) = delete;

  void Show(uint64_t nodeid, Image image) { images_[nodeid] = std::move(image); }
  // What is seen of the node is JavaScript's to say again.
  void Forget(uint64_t nodeid) { images_.erase(nodeid); }
  void Clear() { images_.clear(); }
  size_t size() const { return images_.size(); }
  // Where the extended attributes of a file are; -1: it is none of these.
  int FileOf(uint64_t nodeid) const;

  // The descriptor of a directory that nothing protects; -1: it is none of these.
  int DirectoryToChange(uint64_t nodeid) const;

  // True when the request was answered. After one that was not, and that may make the node look otherwise than on the host,
  // it is no mirror any more.
  bool Serve(const fuse::InHeader& header, const uint8_t* body, size_t size);
  // SETATTR of a node that `image` shows. True when it was answered.
  bool Set(uint64_t unique, const Image& image, const fuse::SetattrIn& in);
  // Attributes as the host has them in `st`; `ino`, `nlink` and `valid` as in an image.
  void Reply(uint64_t unique, const struct stat& st, uint64_t ino, uint32_t nlink, double valid);

 private:
  bool ReplyAttributes(uint64_t unique, const Image& image);

  Answers* const answers_;
  Counters* const counters_;
  std::unordered_map<uint64_t, Image> images_;  // by nodeid
};

}  // namespace stratafs

#endif  // STRATAFS_MIRRORS_H_
