// Calls on open files, and directory streams that the agent keeps open by number.
#include "agent.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#define MAX_STREAMS 64
#define MAX_DATA (1 << 22)

static DIR *streams[MAX_STREAMS];
static char data[MAX_DATA];

static size_t bounded(long long wanted) {
  return wanted < 0 || wanted > MAX_DATA ? MAX_DATA : (size_t)wanted;
}

static long long give(ssize_t got) {
  if (got < 0) return -errno;
  put_bytes(data, (size_t)got);
  return got;
}

static long long do_close(void) { return RESULT(close((int)num(1))); }
static long long do_dup(void) { return RESULT(fcntl((int)num(1), F_DUPFD_CLOEXEC, 0)); }
static long long do_read(void) { return give(read((int)num(1), data, bounded(num(2)))); }
static long long do_pread(void) { return give(pread((int)num(1), data, bounded(num(2)), num(3))); }
static long long do_write(void) { return RESULT(write((int)num(1), str(2), len(2))); }
static long long do_pwrite(void) { return RESULT(pwrite((int)num(1), str(2), len(2), num(3))); }

// fill FD BYTE OFFSET LENGTH: writes LENGTH equal bytes.
static long long do_fill(void) {
  long long done = 0;
  memset(data, (int)num(2), MAX_DATA);
  while (done < num(4)) {
    ssize_t wrote = pwrite((int)num(1), data, bounded(num(4) - done), num(3) + done);
    if (wrote < 0) return -errno;
    done += wrote;
  }
  return done;
}

// direct FD OFFSET LENGTH: an aligned read, as O_DIRECT wants it.
static long long do_direct(void) {
  static char aligned[1 << 16] __attribute__((aligned(4096)));
  ssize_t got = pread((int)num(1), aligned, (size_t)num(3) > sizeof aligned ? sizeof aligned : (size_t)num(3), num(2));
  if (got < 0) return -errno;
  put_bytes(aligned, (size_t)got);
  return got;
}

// directwrite FD OFFSET LENGTH BYTE
static long long do_directwrite(void) {
  static char aligned[1 << 16] __attribute__((aligned(4096)));
  memset(aligned, (int)num(4), sizeof aligned);
  return RESULT(pwrite((int)num(1), aligned, (size_t)num(3), num(2)));
}

static long long do_lseek(void) { return RESULT(lseek((int)num(1), num(2), (int)num(3))); }
static long long do_ftruncate(void) { return RESULT(ftruncate((int)num(1), num(2))); }
static long long do_fallocate(void) {
  return RESULT(fallocate((int)num(1), (int)num(2), num(3), num(4)));
}
static long long do_fsync(void) { return RESULT(num(2) ? fdatasync((int)num(1)) : fsync((int)num(1))); }
static long long do_fchmod(void) { return RESULT(fchmod((int)num(1), (mode_t)num(2))); }
static long long do_fchown(void) { return RESULT(fchown((int)num(1), (uid_t)num(2), (gid_t)num(3))); }
static long long do_futimens(void) {
  struct timespec times[2] = {{num(2), num(3)}, {num(4), num(5)}};
  return RESULT(futimens((int)num(1), times));
}

static long long do_copyrange(void) {
  off_t from = num(2), to = num(4);
  return RESULT(copy_file_range((int)num(1), &from, (int)num(3), &to, (size_t)num(5), 0));
}

static long long do_sendfile(void) {
  off_t from = num(2);
  return RESULT(sendfile((int)num(3), (int)num(1), &from, (size_t)num(4)));
}

static long long do_flock(void) { return RESULT(flock((int)num(1), (int)num(2))); }

// lock FD CMD TYPE START LENGTH; F_GETLK gives back type and pid.
static long long do_lock(void) {
  struct flock lock = {.l_type = (short)num(3), .l_whence = SEEK_SET, .l_start = num(4), .l_len = num(5)};
  if (fcntl((int)num(1), (int)num(2), &lock) < 0) return -errno;
  put_num(lock.l_type);
  put_num(lock.l_pid);
  return 0;
}

static long long do_getfl(void) { return RESULT(fcntl((int)num(1), F_GETFL)); }
static long long do_setfl(void) { return RESULT(fcntl((int)num(1), F_SETFL, (int)num(2))); }

static long long do_getflags(void) {
  int flags = 0;
  if (ioctl((int)num(1), FS_IOC_GETFLAGS, &flags) < 0) return -errno;
  return (unsigned)flags;
}

static long long do_setflags(void) {
  int flags = (int)num(2);
  return RESULT(ioctl((int)num(1), FS_IOC_SETFLAGS, &flags));
}

static long long do_fsetxattr(void) {
  return RESULT(fsetxattr((int)num(1), str(2), str(3), len(3), (int)num(4)));
}
static long long do_fgetxattr(void) { return give(fgetxattr((int)num(1), str(2), data, 65536)); }
static long long do_fremovexattr(void) { return RESULT(fremovexattr((int)num(1), str(2))); }

static long long do_flistxattr(void) {
  ssize_t length = flistxattr((int)num(1), data, 65536);
  if (length < 0) return -errno;
  for (char *name = data; name < data + length; name += strlen(name) + 1) put_bytes(name, strlen(name));
  return length;
}

static long long keep(DIR *stream) {
  if (!stream) return -errno;
  for (int i = 0; i < MAX_STREAMS; i++) {
    if (streams[i]) continue;
    streams[i] = stream;
    return i;
  }
  closedir(stream);
  return -EMFILE;
}

static long long do_opendir(void) { return keep(opendir(str(1))); }

// readdir STREAM MAX: name, d_type, d_ino and d_off of each entry; the count.
static long long do_readdir(void) {
  long long count = 0;
  struct dirent *entry;
  errno = 0;
  while (count < num(2) && (entry = readdir(streams[num(1)]))) {
    put_bytes(entry->d_name, strlen(entry->d_name));
    put_num(entry->d_type);
    put_unsigned(entry->d_ino);
    put_num(entry->d_off);
    count++;
  }
  return count == 0 && errno ? -errno : count;
}

static long long do_telldir(void) {
  put_num(telldir(streams[num(1)]));
  return 0;
}
static long long do_seekdir(void) {
  seekdir(streams[num(1)], num(2));
  return 0;
}
static long long do_rewinddir(void) {
  rewinddir(streams[num(1)]);
  return 0;
}
static long long do_dirfd(void) { return dirfd(streams[num(1)]); }
static long long do_closedir(void) {
  DIR *stream = streams[num(1)];
  streams[num(1)] = NULL;
  return RESULT(closedir(stream));
}

const struct call fd_calls[] = {
    {"close", do_close},         {"dup", do_dup},               {"read", do_read},
    {"pread", do_pread},         {"write", do_write},           {"pwrite", do_pwrite},
    {"fill", do_fill},           {"direct", do_direct},         {"directwrite", do_directwrite},
    {"lseek", do_lseek},         {"ftruncate", do_ftruncate},   {"fallocate", do_fallocate},
    {"fsync", do_fsync},         {"fchmod", do_fchmod},         {"fchown", do_fchown},
    {"futimens", do_futimens},   {"copyrange", do_copyrange},   {"sendfile", do_sendfile},
    {"flock", do_flock},         {"lock", do_lock},             {"getfl", do_getfl},
    {"setfl", do_setfl},         {"getflags", do_getflags},     {"setflags", do_setflags},
    {"fsetxattr", do_fsetxattr}, {"fgetxattr", do_fgetxattr},   {"fremovexattr", do_fremovexattr},
    {"flistxattr", do_flistxattr}, {"opendir", do_opendir},     {"readdir", do_readdir},
    {"telldir", do_telldir},     {"seekdir", do_seekdir},       {"rewinddir", do_rewinddir},
    {"dirfd", do_dirfd},         {"closedir", do_closedir},     {NULL, NULL}};
