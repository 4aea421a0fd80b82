// Attributes: statx repacked into the 32-bit words lib/sys/stat.ts reads, one or many at a time,
// and the numbers of a whole filesystem. Never follows, never triggers an automount.
// Refuses to know what the attributes decide.

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "attributes.h"
#include "calls.h"
#include "modules.h"
#include "node_api_util.h"

namespace stratafs {
namespace {

constexpr int kStatFlags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif
constexpr unsigned kStatMask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;

void Put64(uint32_t* words, Word at, uint64_t value) {
  words[at] = static_cast<uint32_t>(value);
  words[at + 1] = static_cast<uint32_t>(value >> 32);
}

void PutTime(uint32_t* words, Word seconds, Word nanoseconds, const struct statx_timestamp& time) {
  Put64(words, seconds, static_cast<uint64_t>(time.tv_sec));
  words[nanoseconds] = time.tv_nsec;
}

void Repack(const struct statx& stx, uint32_t* words) {
  memset(words, 0, kWords * sizeof *words);
  Put64(words, kIno, stx.stx_ino);
  Put64(words, kSize, stx.stx_size);
  Put64(words, kBlocks, stx.stx_blocks);
  PutTime(words, kAtime, kAtimeNsec, stx.stx_atime);
  PutTime(words, kMtime, kMtimeNsec, stx.stx_mtime);
  PutTime(words, kCtime, kCtimeNsec, stx.stx_ctime);
  if (stx.stx_mask & STATX_BTIME) PutTime(words, kBtime, kBtimeNsec, stx.stx_btime);
  words[kMode] = stx.stx_mode;
  words[kNlink] = stx.stx_nlink;
  words[kUid] = stx.stx_uid;
  words[kGid] = stx.stx_gid;
  words[kRdev] = EncodeDev(stx.stx_rdev_major, stx.stx_rdev_minor);
  words[kBlksize] = stx.stx_blksize;
  words[kDev] = EncodeDev(stx.stx_dev_major, stx.stx_dev_minor);
  if (stx.stx_mask & STATX_MNT_ID) Put64(words, kMntId, stx.stx_mnt_id);
  Put64(words, kAttributes, stx.stx_attributes);
}

napi_value StatAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t* words = WordsOf(&args, 2, kWords, "a Stat");
  if (!args.ok()) return args.Refuse();
  return Number(env, StatInto(dirfd, name.c_str(), words));
}

napi_value StatMany(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int dirfd = args.Int(0);
  uint32_t count = 0;
  if (napi_get_array_length(env, args.raw(1), &count) != napi_ok) args.Wrong(1, "an array");
  Bytes out = args.Typed(2, napi_uint32_array, "a Uint32Array");
  Bytes results = args.Typed(3, napi_int32_array, "an Int32Array");
  if (args.ok() && out.length < size_t{count} * kWords) args.Wrong(2, "a record for each name");
  if (args.ok() && results.length < count) args.Wrong(3, "a result for each name");
  if (!args.ok()) return args.Refuse();
  uint32_t* words = reinterpret_cast<uint32_t*>(out.data);
  int32_t* codes = reinterpret_cast<int32_t*>(results.data);
  for (uint32_t i = 0; i < count; i++) {
    napi_handle_scope scope;
    napi_value element = nullptr;
    ByteString name;
    napi_open_handle_scope(env, &scope);
    napi_get_element(env, args.raw(1), i, &element);
    args.TextOf(element, 1, &name);
    napi_close_handle_scope(env, scope);
    if (!args.ok()) return args.Refuse();
    codes[i] = StatInto(dirfd, name.c_str(), words + size_t{i} * kWords);
  }
  return Number(env, 0);
}

napi_value StatFs(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  struct statfs st;
  if (fstatfs(fd, &st) < 0) return args.Answer(-1);
  napi_value out = nullptr;
  napi_create_object(env, &out);
  // f_type is a signed long in glibc, the magic numbers are 32 bits.
  SetNamed(env, out, "type", Number(env, static_cast<uint32_t>(st.f_type)));
  SetNamed(env, out, "bsize", Number(env, static_cast<double>(st.f_bsize)));
  SetNamed(env, out, "frsize", Number(env, static_cast<double>(st.f_frsize ? st.f_frsize : st.f_bsize)));
  SetNamed(env, out, "blocks", Number(env, static_cast<double>(st.f_blocks)));
  SetNamed(env, out, "bfree", Number(env, static_cast<double>(st.f_bfree)));
  SetNamed(env, out, "bavail", Number(env, static_cast<double>(st.f_bavail)));
  SetNamed(env, out, "files", Number(env, static_cast<double>(st.f_files)));
  SetNamed(env, out, "ffree", Number(env, static_cast<double>(st.f_ffree)));
  SetNamed(env, out, "namelen", Number(env, static_cast<double>(st.f_namelen)));
  SetNamed(env, out, "flags", Number(env, static_cast<double>(st.f_flags)));
  return out;
}

// FS_IOC_GETFSUUID (6.9); not in the headers of this host's libc.
struct FsUuid {
  uint8_t length;
  uint8_t bytes[16];
};
static_assert(sizeof(FsUuid) == 17, "fsuuid2");

napi_value FsUuidOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  FsUuid uuid = {};
  if (ioctl(fd, _IOR(0x15, 0, FsUuid), &uuid) < 0) return args.Answer(-1);
  return CopyToUint8Array(env, uuid.bytes, sizeof uuid.bytes);
}

}  // namespace

int StatInto(int dirfd, const char* name, uint32_t* words) {
  struct statx stx;
  if (statx(dirfd, name, kStatFlags, kStatMask, &stx) < 0) return -errno;
  Repack(stx, words);
  return 0;
}

void RegisterStat(napi_env env, napi_value target) {
  const Method methods[] = {
      {"statAt", StatAt}, {"statMany", StatMany}, {"statFs", StatFs}, {"fsUuid", FsUuidOf}};
  Expose(env, target, methods);
}

}  // namespace stratafs
