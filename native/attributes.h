// What the host says of a file, as the wire has it.

#ifndef STRATAFS_ATTRIBUTES_H_
#define STRATAFS_ATTRIBUTES_H_

#include <sys/stat.h>

#include <cstdint>

#include "fuse_abi.h"

namespace stratafs {

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

}  // namespace stratafs

#endif  // STRATAFS_ATTRIBUTES_H_
