// What the host says of a file, as the wire has it.

#ifndef STRATAFS_ATTRIBUTES_H_
#define STRATAFS_ATTRIBUTES_H_

#include <sys/stat.h>

#include <cstdint>

#include "fuse_abi.h"

namespace stratafs {

// The kernel's new_encode_dev, which is also what FUSE puts in rdev.
inline uint32_t EncodeDev(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

inline fuse::Attr AttrOf(const struct stat& st) {
  fuse::Attr attr = {};
  attr.ino = st.st_ino;
  attr.size = static_cast<uint64_t>(st.st_size);
  attr.blocks = static_cast<uint64_t>(st.st_blocks);
  attr.atime = static_cast<uint64_t>(st.st_atim.tv_sec);
  attr.mtime = static_cast<uint64_t>(st.st_mtim.tv_sec);
  attr.ctime = static_cast<uint64_t>(st.st_ctim.tv_sec);
  attr.atimensec = static_cast<uint32_t>(st.st_atim.tv_nsec);
  attr.mtimensec = static_cast<uint32_t>(st.st_mtim.tv_nsec);
  attr.ctimensec = static_cast<uint32_t>(st.st_ctim.tv_nsec);
  attr.mode = st.st_mode;
  attr.nlink = static_cast<uint32_t>(st.st_nlink);
  attr.uid = st.st_uid;
  attr.gid = st.st_gid;
  attr.blksize = static_cast<uint32_t>(st.st_blksize);
  return attr;
}

inline fuse::Attr AttrOf(const struct statx& stx) {
  fuse::Attr attr = {};
  attr.ino = stx.stx_ino;
  attr.size = stx.stx_size;
  attr.blocks = stx.stx_blocks;
  attr.atime = static_cast<uint64_t>(stx.stx_atime.tv_sec);
  attr.mtime = static_cast<uint64_t>(stx.stx_mtime.tv_sec);
  attr.ctime = static_cast<uint64_t>(stx.stx_ctime.tv_sec);
  attr.atimensec = stx.stx_atime.tv_nsec;
  attr.mtimensec = stx.stx_mtime.tv_nsec;
  attr.ctimensec = stx.stx_ctime.tv_nsec;
  attr.mode = stx.stx_mode;
  attr.nlink = stx.stx_nlink;
  attr.uid = stx.stx_uid;
  attr.gid = stx.stx_gid;
  attr.blksize = stx.stx_blksize;
  return attr;
}

// Basic attributes, the birth time and the attributes that are set.
inline struct statx StatxOf(const struct statx& stx) {
  struct statx out = {};
  out.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  out.stx_blksize = stx.stx_blksize;
  out.stx_attributes = out.stx_attributes_mask = stx.stx_attributes;
  out.stx_nlink = stx.stx_nlink;
  out.stx_uid = stx.stx_uid;
  out.stx_gid = stx.stx_gid;
  out.stx_mode = stx.stx_mode;
  out.stx_ino = stx.stx_ino;
  out.stx_size = stx.stx_size;
  out.stx_blocks = stx.stx_blocks;
  out.stx_atime = stx.stx_atime;
  out.stx_btime = stx.stx_btime;
  out.stx_ctime = stx.stx_ctime;
  out.stx_mtime = stx.stx_mtime;
  return out;
}

}  // namespace stratafs

#endif  // STRATAFS_ATTRIBUTES_H_
