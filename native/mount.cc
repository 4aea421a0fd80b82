// Mounts: clone one privately, mount, unmount, and fusermount3 for those who may not mount.
// The only file that starts a program. Refuses to know what is mounted and why.

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "modules.h"
#include "node_api_util.h"
#include "unique_fd.h"

// <sys/mount.h> and <linux/mount.h> do not agree in every libc; these two are all we need of the first.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
extern "C" int umount2(const char*, int) noexcept;
extern "C" char** environ;

namespace stratafs {
namespace {

constexpr uint64_t kMsPrivate = 1u << 18;

napi_value CloneMount(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString path;
  args.Text(0, &path);
  struct mount_attr attr = {};
  attr.attr_set = args.U32(1);
  attr.attr_clr = args.U32(2);
  attr.propagation = kMsPrivate;
  if (!args.ok()) return args.Refuse();
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  UniqueFd tree(static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags)));
  if (!tree.ok()) return args.Answer(-1);
  if (syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) return args.Answer(-1);
  return Number(env, tree.Release());
}

napi_value Mount(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString source, target, type, data;
  args.Text(0, &source);
  args.Text(1, &target);
  args.Text(2, &type);
  int64_t flags = args.I64(3);
  args.Text(4, &data);
  if (!args.ok()) return args.Refuse();
  return args.Answer(mount(source.c_str(), target.c_str(), type.c_str(), static_cast<unsigned long>(flags),
                           data.empty() ? nullptr : data.c_str()));
}

napi_value Umount(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString target;
  args.Text(0, &target);
  int flags = args.Int(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(umount2(target.c_str(), flags));
}

// The two ends we keep of a running fusermount3.
struct Helper {
  UniqueFd channel;
  UniqueFd complaints;
  pid_t pid = -1;
};

// Copies the environment with _FUSE_COMMFD naming the child's end.
std::vector<char*> ChildEnvironment(char* assignment) {
  std::vector<char*> out;
  for (char** at = environ; *at != nullptr; at++) {
    if (strncmp(*at, "_FUSE_COMMFD=", 13) != 0) out.push_back(*at);
  }
  out.push_back(assignment);
  out.push_back(nullptr);
  return out;
}

// 0, or the errno of the failed start.
int StartHelper(const char* target, const char* options, Helper* helper) {
  int pair[2], pipe_ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return errno;
  UniqueFd theirs(pair[1]);
  helper->channel.Reset(pair[0]);
  if (pipe2(pipe_ends, O_CLOEXEC) < 0) return errno;
  UniqueFd their_stderr(pipe_ends[1]);
  helper->complaints.Reset(pipe_ends[0]);

  char assignment[40];
  snprintf(assignment, sizeof assignment, "_FUSE_COMMFD=%d", theirs.get());
  std::vector<char*> environment = ChildEnvironment(assignment);
  const char* argv[] = {"fusermount3", "-o", options, "--", target, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // A dup2 onto itself clears close-on-exec in the child.
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), theirs.get());
  posix_spawn_file_actions_adddup2(&actions, their_stderr.get(), STDERR_FILENO);
  int code = posix_spawnp(&helper->pid, "fusermount3", &actions, nullptr, const_cast<char**>(argv),
                          environment.data());
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

int ReceiveDescriptor(int channel) {
  char byte;
  struct iovec iov = {&byte, 1};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got <= 0) return -1;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

size_t ReadComplaints(int fd, char* text, size_t room) {
  size_t length = 0;
  while (length < room) {
    ssize_t got = read(fd, text + length, room - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += static_cast<size_t>(got);
  }
  while (length > 0 && text[length - 1] == '\n') length--;
  return length;
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

napi_value Fusermount(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString target, options;
  args.Text(0, &target);
  args.Text(1, &options);
  if (!args.ok()) return args.Refuse();
  Helper helper;
  int code = StartHelper(target.c_str(), options.c_str(), &helper);
  if (code != 0) return ErrnoResult(env, code);
  UniqueFd device(ReceiveDescriptor(helper.channel.get()));
  if (device.ok() && strstr(options.c_str(), "auto_unmount") != nullptr) {
    // This fusermount3 lives on until its end of the socket sees ours close: at our exit.
    helper.channel.Release();
    return Number(env, device.Release());
  }
  char text[2048];
  size_t length = device.ok() ? 0 : ReadComplaints(helper.complaints.get(), text, sizeof text);
  Reap(helper.pid);
  if (device.ok()) return Number(env, device.Release());
  if (length == 0) return Latin1(env, "fusermount3 sent no descriptor", NAPI_AUTO_LENGTH);
  return Latin1(env, text, length);
}

}  // namespace

void RegisterMount(napi_env env, napi_value target) {
  const Method methods[] = {
      {"cloneMount", CloneMount}, {"mount", Mount}, {"umount", Umount}, {"fusermount", Fusermount}};
  Expose(env, target, methods);
}

}  // namespace stratafs
