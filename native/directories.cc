// The directories of one name below several parents, opened and read in one call. Where they are many, a second thread reads
// from the last one on while the caller reads from the first: most of the time goes into the host's inodes, not into us.
// Refuses to know what they are for; in single calls: lib/sys/compound.ts.

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "calls.h"
#include "directories.h"
#include "modules.h"
#include "node_api_util.h"
#include "threads.h"

namespace stratafs {
namespace {

// Fewer are read before the second thread is awake.
constexpr uint32_t kWorthASecond = 4;
// Of the second thread; directories that need more are not read together.
constexpr size_t kRoomBytes = 1 << 20;

// Both threads write to `out`, each to the words of directories that it took.
struct Batch {
  const int32_t* parents;
  const char* name;
  const char* mark;
  const char* part;
  int32_t* out;
  uint32_t front;  // before it: the caller's
  uint32_t back;   // from it on: the second thread's
  uint32_t plain;  // before it, none is known not to be plain
};

// Puts the records of directory `at` behind `end`, which it moves; false where it is not plain.
bool ReadOne(const Batch& batch, uint32_t at, const Bytes& room, size_t* end) {
  int32_t* out = batch.out + at * kReadWords;
  out[kReadTo] = static_cast<int32_t>(*end);
  const int fd = out[kReadFd] = OpenQuietly(batch.parents[at], batch.name);
  if (fd < 0) return false;
  uint32_t told[2];
  const int64_t bytes = ReadRecords(fd, room, *end, batch.mark, told);
  if (bytes < 0 || told[1] != 0 || HasXattrWith(fd, batch.part) != 0) return false;
  *end += static_cast<size_t>(bytes);
  out[kReadTo] = static_cast<int32_t>(*end);
  out[kReadCount] = static_cast<int32_t>(told[0]);
  return true;
}

// Works for one JavaScript thread, a batch at a time, and lasts as long as the process.
class SecondReader {
 public:
  // The next one for the caller; false when none is left that is worth reading.
  bool TakeFront(Batch* batch, uint32_t* at) {
    pthread_mutex_lock(&mutex_);
    const bool took = batch->front < std::min(batch->back, batch->plain);
    if (took) *at = batch->front++;
    pthread_mutex_unlock(&mutex_);
    return took;
  }

  void NotPlain(Batch* batch, uint32_t at) {
    pthread_mutex_lock(&mutex_);
    batch->plain = std::min(batch->plain, at);
    pthread_mutex_unlock(&mutex_);
  }

  // Asks for help, which may come late or not at all.
  void Offer(Batch* batch) {
    if (!started_) started_ = StartQuietThread(&thread_, ThreadMain, this);
    if (!started_ || !KeepAway()) return;
    pthread_mutex_lock(&mutex_);
    offered_ = batch;
    pthread_mutex_unlock(&mutex_);
    pthread_cond_signal(&wake_);
  }

  // After it the batch is the caller's alone.
  void Withdraw() {
    pthread_mutex_lock(&mutex_);
    offered_ = nullptr;
    while (busy_) pthread_cond_wait(&idle_, &mutex_);
    pthread_mutex_unlock(&mutex_);
  }

  const uint8_t* room() const { return room_.get(); }

 private:
  // The scheduler may wake it on the caller's processor, where it waits for whom it is to help, though others are idle (on small
  // busy machines it does not look for those). False: there are no others.
  bool KeepAway() {
    const int here = sched_getcpu();
    if (here == away_from_) return true;
    cpu_set_t others;
    if (here < 0 || sched_getaffinity(0, sizeof others, &others) < 0) return true;
    CPU_CLR(here, &others);
    if (CPU_COUNT(&others) == 0) return false;
    if (pthread_setaffinity_np(thread_, sizeof others, &others) == 0) away_from_ = here;
    return true;
  }

  static void* ThreadMain(void* self) {
    pthread_setname_np(pthread_self(), "stratafs-names");
    static_cast<SecondReader*>(self)->Work();
    return nullptr;
  }

  void Work() {
    pthread_mutex_lock(&mutex_);
    for (;;) {
      while (offered_ == nullptr) pthread_cond_wait(&wake_, &mutex_);
      Batch* batch = offered_;
      offered_ = nullptr;
      busy_ = true;
      ReadFromBack(batch);
      busy_ = false;
      pthread_cond_signal(&idle_);
    }
  }

  // The mutex is held, but for the reading.
  void ReadFromBack(Batch* batch) {
    size_t end = 0;
    // Without a gap, as PutBehind wants it; what is read behind one that is not plain is for nothing.
    while (batch->front < std::min(batch->back, batch->plain)) {
      const uint32_t at = --batch->back;
      pthread_mutex_unlock(&mutex_);
      const bool plain = ReadOne(*batch, at, {room_.get(), kRoomBytes}, &end);
      pthread_mutex_lock(&mutex_);
      if (!plain) batch->plain = std::min(batch->plain, at);
    }
  }

  pthread_t thread_;
  bool started_ = false;
  int away_from_ = -1;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
  pthread_cond_t idle_ = PTHREAD_COND_INITIALIZER;
  Batch* offered_ = nullptr;
  bool busy_ = false;
  // Not filled: pages that no record reaches take no memory.
  const std::unique_ptr<uint8_t[]> room_{new uint8_t[kRoomBytes]};
};

// Never destroyed: its thread may wait in it when the process ends.
SecondReader* Second() {
  static thread_local SecondReader* const second = new SecondReader;
  return second;
}

// What the second thread read comes behind what the caller did, in the order of the parents.
void PutBehind(Batch* batch, uint32_t count, const Bytes& into, size_t end) {
  for (uint32_t at = batch->back; at < batch->plain; at++) {
    int32_t* out = batch->out + at * kReadWords;
    const size_t from = at + 1 < count ? static_cast<size_t>(out[kReadWords + kReadTo]) : 0;
    const size_t bytes = static_cast<size_t>(out[kReadTo]) - from;
    if (bytes > into.length - end) {
      batch->plain = at;
      return;
    }
    memcpy(into.data + end, Second()->room() + from, bytes);
    end += bytes;
    out[kReadTo] = static_cast<int32_t>(end);
  }
}

// readDirectories(parents, name, into, at, mark, part, out)
napi_value ReadDirectories(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name, mark, part;
  Bytes parents = args.Typed(0, napi_int32_array, "an Int32Array");
  args.Text(1, &name);
  Bytes into = args.U8(2);
  size_t end = args.U32(3);
  args.Text(4, &mark);
  args.Text(5, &part);
  Bytes given = args.Typed(6, napi_int32_array, "an Int32Array");
  if (args.ok() && (end > into.length || end % 8 != 0)) args.Wrong(3, "a place in the buffer");
  if (args.ok() && given.length < parents.length * kReadWords) args.Wrong(6, "three words for each");
  if (!args.ok()) return args.Refuse();
  const uint32_t count = static_cast<uint32_t>(parents.length);
  const int32_t* fds = reinterpret_cast<const int32_t*>(parents.data);
  int32_t* out = reinterpret_cast<int32_t*>(given.data);
  return Number(env, ReadPlain(fds, count, name.c_str(), {mark.c_str(), part.c_str()}, into, end, out));
}

}  // namespace

int OpenQuietly(int parent, const char* name) {
  constexpr uint32_t kFlags = O_RDONLY | O_DIRECTORY;
  const int fd = OpenBeneath(parent, name, kFlags | O_NOATIME, 0);
  return fd < 0 && errno == EPERM ? OpenBeneath(parent, name, kFlags, 0) : fd;
}

uint32_t ReadPlain(const int32_t* parents, uint32_t count, const char* name, const Marks& marks, const Bytes& into, size_t end,
                   int32_t* out) {
  for (uint32_t at = 0; at < count; at++) out[at * kReadWords + kReadFd] = -EBADF;
  Batch batch = {parents, name, marks.file, marks.part, out, 0, count, count};
  SecondReader* second = Second();
  uint32_t at = 0;
  // Help is asked for when the first one is taken: what the caller reads into `into` is where the records begin.
  for (bool first = true; second->TakeFront(&batch, &at); first = false) {
    if (first && count >= kWorthASecond) second->Offer(&batch);
    if (!ReadOne(batch, at, into, &end)) second->NotPlain(&batch, at);
  }
  second->Withdraw();
  PutBehind(&batch, count, into, end);
  for (uint32_t behind = batch.plain + 1; behind < count; behind++) {
    const int fd = out[behind * kReadWords + kReadFd];
    if (fd >= 0) close(fd);
    out[behind * kReadWords + kReadFd] = -EBADF;
  }
  return batch.plain;
}

void RegisterDirectories(napi_env env, napi_value target) {
  const Method methods[] = {{"readDirectories", ReadDirectories}};
  Expose(env, target, methods);
}

}  // namespace stratafs
