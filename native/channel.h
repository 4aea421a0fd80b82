// One open /dev/fuse as JavaScript drives it: the poll handle, the two buffers, the data plane.
// Lives on the JavaScript thread. Never closes the device: that descriptor is the caller's.
// Knows few opcodes (fuse_abi.h) and no files.

#ifndef STRATAFS_CHANNEL_H_
#define STRATAFS_CHANNEL_H_

#include <node_api.h>
#include <uv.h>

#include <unordered_map>

#include "data_plane.h"
#include "patience.h"
#include "wakefulness.h"

namespace stratafs {

class Channel {
 public:
  // `wakeful`: while requests come closely, idle processors are kept awake.
  Channel(napi_env env, int device, size_t max_write, bool wakeful);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Makes the buffers and hangs them on `object`, which wraps this channel. False: out of memory.
  bool CreateBuffers(napi_value object);

  // 0 or -errno; EBUSY when already started, ESHUTDOWN after a stop.
  int Start(napi_value object, napi_value on_request, napi_value on_end);
  void Stop();
  int Reply(size_t length);
  int Write(const void* message, size_t length);
  // `told`, whose bytes are at `numbers`, is where DataPlane::Tell tells.
  void Tell(napi_value told, double* numbers, size_t length);
  // What Negatives::Heed says; the memory of `known` is that of `directories`, `filter` and `vacant`.
  void HeedNegatives(napi_value directories, napi_value filter, napi_value vacant, const Negatives::Known& known, double valid);
  // The memory of the data plane's log is that of `records` and `names`.
  void Log(napi_value records, napi_value names, double* numbers, size_t length, uint8_t* bytes, size_t size);
  // What RowNodes::Know says; the memory of `rows` is that of `table`, `told` and `more`.
  void KnowRows(uint64_t number, napi_value table, napi_value told, napi_value more, const RowNodes::Rows& rows);
  void DropRows(uint64_t number);

  int device() const { return device_; }
  DataPlane& plane() { return plane_; }
  Counters* counters() { return &counters_; }
  uint64_t wishes() const { return wakefulness_.wishes(); }

 private:
  // Outlives the channel when libuv has not closed its two handles yet.
  struct Poll {
    uv_poll_t handle;
    uv_timer_t tick;
    int open;
    Channel* channel;
    napi_async_cleanup_hook_handle hook;
  };

  struct RowsRefs {
    napi_ref table = nullptr, told = nullptr, more = nullptr;
  };

  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnTick(uv_timer_t* tick);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvExit(napi_async_cleanup_hook_handle hook, void* data);

  void Drain(int status);
  bool ReadOne(int* end);
  bool AwaitNext(int* end);
  void Dispatch(size_t length);
  void AnswerFailedCallback(const fuse::InHeader& header);
  void End(int code);
  void Call(napi_async_context context, napi_value fn, double argument);

  napi_env env_;
  const int device_;
  size_t max_write_;
  Counters counters_;
  DataPlane plane_;
  Patience patience_;
  Wakefulness wakefulness_;
  uint8_t* request_ = nullptr;
  size_t request_size_ = 0;
  uint8_t* reply_ = nullptr;
  size_t reply_size_ = 0;
  napi_ref request_ref_ = nullptr, reply_ref_ = nullptr, told_ref_ = nullptr;
  napi_ref directories_ref_ = nullptr, filter_ref_ = nullptr, vacant_ref_ = nullptr;
  napi_ref records_ref_ = nullptr, names_ref_ = nullptr;
  std::unordered_map<uint64_t, RowsRefs> rows_refs_;

  Poll* poll_ = nullptr;
  bool stopped_ = false;
  uint64_t current_ = 0;  // unique of the request JavaScript is handling
  bool answered_ = false;
  napi_ref self_ref_ = nullptr, on_request_ref_ = nullptr, on_end_ref_ = nullptr;
  napi_async_context context_ = nullptr;
};

}  // namespace stratafs

#endif  // STRATAFS_CHANNEL_H_
