// Reads a directory by getdents64: names, types, inode numbers, in host order. From its start, or on from where the
// descriptor stands; to the end, or a block further than the most names that are wanted.
// Refuses to know which names matter.

#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "calls.h"
#include "dirent64.h"
#include "modules.h"
#include "node_api_util.h"

namespace stratafs {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

// What has been collected so far; each block of entries has its own handle scope.
struct Scan {
  napi_env env;
  napi_value names;
  uint32_t count = 0;
  std::vector<uint8_t> types;
  std::vector<uint32_t> inos;
};

void Add(Scan* scan, const Dirent64* entry) {
  napi_value name = Latin1(scan->env, entry->name, strlen(entry->name));
  napi_set_element(scan->env, scan->names, scan->count++, name);
  scan->types.push_back(entry->type);
  scan->inos.push_back(static_cast<uint32_t>(entry->ino));
  scan->inos.push_back(static_cast<uint32_t>(entry->ino >> 32));
}

void AddBlock(Scan* scan, const uint8_t* block, size_t bytes) {
  napi_handle_scope scope;
  napi_open_handle_scope(scan->env, &scope);
  for (size_t at = 0; at < bytes;) {
    const Dirent64* entry = reinterpret_cast<const Dirent64*>(block + at);
    if (!IsDots(entry->name)) Add(scan, entry);
    at += entry->length;
  }
  napi_close_handle_scope(scan->env, scope);
}

// No second argument: all.
uint32_t MostOf(napi_env env, Args* args) {
  napi_valuetype type = napi_undefined;
  if (args->raw(1) != nullptr) napi_typeof(env, args->raw(1), &type);
  return type == napi_undefined ? UINT32_MAX : args->U32(1);
}

napi_value ScanFrom(napi_env env, napi_callback_info info, bool start) {
  Args args(env, info);
  int fd = args.Int(0);
  uint32_t most = MostOf(env, &args);
  if (!args.ok()) return args.Refuse();
  alignas(8) static thread_local uint8_t block[kBufferBytes];
  if (start && lseek(fd, 0, SEEK_SET) < 0) return args.Answer(-1);
  Scan scan{env, nullptr, 0, {}, {}};
  napi_create_array(env, &scan.names);
  long bytes = 1;
  while (scan.count < most && (bytes = syscall(SYS_getdents64, fd, block, sizeof block)) > 0) {
    AddBlock(&scan, block, static_cast<size_t>(bytes));
  }
  if (bytes < 0) return args.Answer(-1);
  napi_value out = nullptr;
  napi_create_object(env, &out);
  SetNamed(env, out, "names", scan.names);
  SetNamed(env, out, "types", CopyToUint8Array(env, scan.types.data(), scan.types.size()));
  SetNamed(env, out, "inos",
           CopyToTypedArray(env, napi_uint32_array, 4, scan.inos.data(), scan.inos.size()));
  return out;
}

// readNames(fd, into, at, mark, told): bytes of records, whole ones; told: how many names, whether one is the mark.
napi_value ReadNames(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString mark;
  int fd = args.Int(0);
  Bytes into = args.U8(1);
  size_t start = args.U32(2);
  args.Text(3, &mark);
  Bytes told = args.Typed(4, napi_uint32_array, "a Uint32Array");
  if (args.ok() && (start > into.length || start % 8 != 0)) args.Wrong(2, "a place in the buffer");
  if (args.ok() && told.length < 2) args.Wrong(4, "two cells");
  if (!args.ok()) return args.Refuse();
  if (lseek(fd, 0, SEEK_SET) < 0) return args.Answer(-1);
  return args.Answer(ReadRecords(fd, into, start, mark.c_str(), reinterpret_cast<uint32_t*>(told.data)));
}

napi_value ScanDir(napi_env env, napi_callback_info info) { return ScanFrom(env, info, true); }

napi_value ScanOn(napi_env env, napi_callback_info info) { return ScanFrom(env, info, false); }

}  // namespace

int64_t ReadRecords(int fd, const Bytes& into, size_t start, const char* mark, uint32_t* told) {
  told[0] = told[1] = 0;
  size_t end = start;
  for (;;) {
    long bytes = syscall(SYS_getdents64, fd, into.data + end, into.length - end);
    if (bytes < 0 && errno == EINVAL) errno = E2BIG;
    if (bytes < 0) return -1;
    if (bytes == 0) break;
    for (size_t at = end; at < end + static_cast<size_t>(bytes);) {
      const Dirent64* entry = reinterpret_cast<const Dirent64*>(into.data + at);
      if (!IsDots(entry->name)) told[0]++;
      told[1] |= strcmp(entry->name, mark) == 0;
      at += entry->length;
    }
    end += static_cast<size_t>(bytes);
  }
  return static_cast<int64_t>(end - start);
}

void RegisterDirents(napi_env env, napi_value target) {
  const Method methods[] = {{"scanDir", ScanDir}, {"scanOn", ScanOn}, {"readNames", ReadNames}};
  Expose(env, target, methods);
}

}  // namespace stratafs
