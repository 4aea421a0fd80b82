// The conversation loop: polls the device on Node's own event loop, drains it, lets the data plane
// take what it was granted and calls JavaScript for the rest, one request at a time.
// Refuses to know what a request means, beyond who must not be answered.

#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node_api_util.h"

namespace stratafs {
namespace {

// Requests handled per turn of the event loop; timers and other handles get theirs in between.
constexpr int kBatch = 64;
constexpr size_t kPage = 4096;
constexpr size_t kReplyPayload = 1 << 20;

size_t PageUp(size_t bytes) { return (bytes + kPage - 1) & ~(kPage - 1); }

napi_value Deref(napi_env env, napi_ref ref) {
  napi_value out = nullptr;
  if (ref != nullptr) napi_get_reference_value(env, ref, &out);
  return out;
}

void Drop(napi_env env, napi_ref* ref) {
  if (*ref != nullptr) napi_delete_reference(env, *ref);
  *ref = nullptr;
}

void Keep(napi_env env, napi_value value, napi_ref* ref) {
  Drop(env, ref);
  napi_create_reference(env, value, 1, ref);
}

}  // namespace

Channel::Channel(napi_env env, int device, size_t max_write, bool wakeful)
    : env_(env), device_(device), max_write_(max_write), plane_(device, &counters_), wakefulness_(wakeful) {}

Channel::~Channel() {
  Stop();
  Drop(env_, &request_ref_);
  Drop(env_, &reply_ref_);
  Drop(env_, &told_ref_);
  Drop(env_, &directories_ref_);
  Drop(env_, &filter_ref_);
  Drop(env_, &vacant_ref_);
  Drop(env_, &records_ref_);
  Drop(env_, &names_ref_);
  for (auto& [number, refs] : rows_refs_) {
    Drop(env_, &refs.table);
    Drop(env_, &refs.told);
    Drop(env_, &refs.more);
  }
}

void Channel::Tell(napi_value told, double* numbers, size_t length) {
  Keep(env_, told, &told_ref_);
  plane_.Tell(numbers, length);
}

void Channel::HeedNegatives(napi_value directories, napi_value filter, napi_value vacant, const Negatives::Known& known,
                            double valid) {
  Keep(env_, vacant, &vacant_ref_);
  Keep(env_, directories, &directories_ref_);
  Keep(env_, filter, &filter_ref_);
  plane_.negatives().Heed(known, valid);
}

void Channel::Log(napi_value records, napi_value names, double* numbers, size_t length, uint8_t* bytes, size_t size) {
  Keep(env_, records, &records_ref_);
  Keep(env_, names, &names_ref_);
  plane_.log().Begin(numbers, length, bytes, size);
}

void Channel::KnowRows(uint64_t number, napi_value table, napi_value told, napi_value more, const RowNodes::Rows& rows) {
  RowsRefs& refs = rows_refs_[number];
  Keep(env_, table, &refs.table);
  Keep(env_, told, &refs.told);
  Keep(env_, more, &refs.more);
  plane_.row_nodes().Know(number, rows);
}

void Channel::DropRows(uint64_t number) {
  plane_.row_nodes().Drop(number);
  auto found = rows_refs_.find(number);
  if (found == rows_refs_.end()) return;
  Drop(env_, &found->second.table);
  Drop(env_, &found->second.told);
  Drop(env_, &found->second.more);
  rows_refs_.erase(found);
}

bool Channel::CreateBuffers(napi_value object) {
  void *request = nullptr, *reply = nullptr;
  napi_value request_buffer = nullptr, reply_buffer = nullptr;
  request_size_ = PageUp(max_write_ + kPage);
  reply_size_ = PageUp((max_write_ > kReplyPayload ? max_write_ : kReplyPayload) + kPage);
  if (napi_create_arraybuffer(env_, request_size_, &request, &request_buffer) != napi_ok ||
      napi_create_arraybuffer(env_, reply_size_, &reply, &reply_buffer) != napi_ok) {
    return false;
  }
  request_ = static_cast<uint8_t*>(request);
  reply_ = static_cast<uint8_t*>(reply);
  napi_create_reference(env_, request_buffer, 1, &request_ref_);
  napi_create_reference(env_, reply_buffer, 1, &reply_ref_);
  SetNamed(env_, object, "requestBuffer", request_buffer);
  SetNamed(env_, object, "replyBuffer", reply_buffer);
  return true;
}

int Channel::Start(napi_value object, napi_value on_request, napi_value on_end) {
  if (stopped_) return -ESHUTDOWN;
  if (poll_ != nullptr) return -EBUSY;
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return -EINVAL;
  Poll* poll = new Poll{};
  int rc = uv_poll_init(loop, &poll->handle, device_);  // sets O_NONBLOCK
  if (rc < 0) {
    delete poll;
    return rc;
  }
  poll_ = poll;
  poll->channel = this;
  poll->handle.data = poll;
  uv_timer_init(loop, &poll->tick);
  poll->tick.data = poll;
  poll->open = 2;
  // What is only housekeeping keeps no process alive.
  uv_unref(reinterpret_cast<uv_handle_t*>(&poll->tick));
  napi_create_reference(env_, object, 1, &self_ref_);
  napi_create_reference(env_, on_request, 1, &on_request_ref_);
  napi_create_reference(env_, on_end, 1, &on_end_ref_);
  napi_async_init(env_, object, Latin1(env_, "stratafs.channel", NAPI_AUTO_LENGTH), &context_);
  napi_add_async_cleanup_hook(env_, OnEnvExit, poll, &poll->hook);
  return uv_poll_start(&poll->handle, UV_READABLE, OnPoll);
}

// The handle's memory goes when libuv says so; until then it no longer knows the channel.
void Channel::Stop() {
  stopped_ = true;
  Poll* poll = poll_;
  poll_ = nullptr;
  if (poll != nullptr) {
    poll->channel = nullptr;
    uv_poll_stop(&poll->handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), OnClosed);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->tick), OnClosed);
  }
  wakefulness_.Release();
  plane_.Stop();
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  context_ = nullptr;
  Drop(env_, &on_request_ref_);
  Drop(env_, &on_end_ref_);
  Drop(env_, &self_ref_);
}

// The last of the two also lets the environment go: its exit waits for the hook to be removed.
void Channel::OnClosed(uv_handle_t* handle) {
  Poll* poll = static_cast<Poll*>(handle->data);
  if (--poll->open > 0) return;
  if (poll->hook != nullptr) napi_remove_async_cleanup_hook(poll->hook);
  delete poll;
}

void Channel::OnEnvExit(napi_async_cleanup_hook_handle, void* data) {
  Poll* poll = static_cast<Poll*>(data);
  if (poll->channel != nullptr) poll->channel->Stop();
}

void Channel::OnPoll(uv_poll_t* handle, int status, int) {
  Poll* poll = static_cast<Poll*>(handle->data);
  if (poll->channel != nullptr) poll->channel->Drain(status);
}

void Channel::OnTick(uv_timer_t* tick) {
  Poll* poll = static_cast<Poll*>(tick->data);
  if (poll->channel == nullptr || !poll->channel->wakefulness_.Tick(poll->channel->counters_.requests)) uv_timer_stop(tick);
}

void Channel::Drain(int status) {
  napi_handle_scope scope;
  napi_open_handle_scope(env_, &scope);
  // JavaScript may stop the channel from a callback; this handle keeps the object, and us, until we return.
  napi_value self = Deref(env_, self_ref_);
  int end = 0;
  patience_.Woken();
  for (int i = 0; i < kBatch && poll_ != nullptr; i++) {
    if (ReadOne(&end)) continue;
    if (end != 0 || poll_ == nullptr || !AwaitNext(&end)) break;
  }
  // No other request takes the news along: nothing else of JavaScript runs before it has them.
  if (end == 0 && poll_ != nullptr && plane_.untold()) Dispatch(0);
  const uint64_t now = uv_hrtime();
  patience_.Sleeps(now);
  if (poll_ != nullptr && wakefulness_.Counted(counters_.requests, now)) {
    uv_timer_start(&poll_->tick, OnTick, Wakefulness::kTickMs, Wakefulness::kTickMs);
  }
  // libuv has already stopped a handle it reports an error for; the device says EPOLLERR when it is dead.
  if (end == 0 && status < 0 && poll_ != nullptr) end = ENODEV;
  if (end != 0 && poll_ != nullptr) End(end);
  (void)self;
  napi_close_handle_scope(env_, scope);
}

// False when there is nothing more for now, or `end` was set.
bool Channel::ReadOne(int* end) {
  ssize_t length = read(device_, request_, request_size_);
  if (length > 0) {
    counters_.requests++;
    size_t left = static_cast<size_t>(length);
    if (!plane_.Serve(request_, &left)) Dispatch(left);
    return true;
  }
  int code = length < 0 ? errno : ENODEV;
  if (code == EAGAIN) return false;
  // ENOENT: the request was interrupted while it was being read.
  if (code == EINTR || code == ENOENT) return true;
  *end = code;
  return false;
}

// True when a request came and was handled while we looked on. A caller that works through many names
// asks again within microseconds; being woken for it from the other core costs tens of them.
bool Channel::AwaitNext(int* end) {
  const uint64_t until = uv_hrtime() + patience_.budget();
  while (uv_hrtime() < until) {
    sched_yield();
    if (ReadOne(end)) {
      patience_.Rewarded();
      return true;
    }
    if (*end != 0 || poll_ == nullptr) return false;
  }
  patience_.Disappointed();
  return false;
}

void Channel::Dispatch(size_t length) {
  napi_handle_scope scope;
  napi_open_handle_scope(env_, &scope);
  fuse::InHeader header = {};
  memcpy(&header, request_, length < sizeof header ? length : sizeof header);
  current_ = header.unique;
  answered_ = false;
  Call(context_, Deref(env_, on_request_ref_), static_cast<double>(length));
  bool failed = false;
  napi_is_exception_pending(env_, &failed);
  if (failed) AnswerFailedCallback(header);
  current_ = 0;
  napi_close_handle_scope(env_, scope);
}

// make_callback, not call_function: promise jobs and nextTick run before the next request.
void Channel::Call(napi_async_context context, napi_value fn, double argument) {
  napi_value global = nullptr, value = Number(env_, argument), result = nullptr;
  napi_get_global(env_, &global);
  napi_make_callback(env_, context, global, fn, 1, &value, &result);
}

// A handler that threw must not hang its caller. `header` was copied before the call: JavaScript owns
// the request buffer's bytes while it runs.
void Channel::AnswerFailedCallback(const fuse::InHeader& header) {
  napi_value error = nullptr, text = nullptr;
  char message[512] = "unknown error";
  size_t size = 0;
  napi_get_and_clear_last_exception(env_, &error);
  if (napi_coerce_to_string(env_, error, &text) == napi_ok) {
    napi_get_value_string_utf8(env_, text, message, sizeof message, &size);
  } else {
    napi_get_and_clear_last_exception(env_, &error);
  }
  fprintf(stderr, "stratafs: request handler threw (opcode %u): %s\n", header.opcode, message);
  bool no_reply = header.opcode == fuse::kForget || header.opcode == fuse::kBatchForget ||
                  header.opcode == fuse::kInterrupt;
  if (!no_reply && !answered_ && header.unique != 0) plane_.ReplyError(header.unique, EIO);
}

void Channel::End(int code) {
  napi_value on_end = Deref(env_, on_end_ref_), self = Deref(env_, self_ref_);
  napi_async_context context = nullptr;
  Stop();
  napi_async_init(env_, self, Latin1(env_, "stratafs.channel.end", NAPI_AUTO_LENGTH), &context);
  Call(context, on_end, code);
  bool failed = false;
  napi_is_exception_pending(env_, &failed);
  if (failed) {
    napi_value error = nullptr;
    napi_get_and_clear_last_exception(env_, &error);
    napi_fatal_exception(env_, error);
  }
  napi_async_destroy(env_, context);
}

int Channel::Reply(size_t length) {
  if (length < sizeof(fuse::OutHeader) || length > reply_size_) return -EINVAL;
  fuse::OutHeader header;
  memcpy(&header, reply_, sizeof header);
  if (header.unique == current_) answered_ = true;
  return Write(reply_, length);
}

int Channel::Write(const void* message, size_t length) {
  ssize_t rc;
  do rc = write(device_, message, length);
  while (rc < 0 && errno == EINTR);
  return rc < 0 ? -errno : 0;
}

}  // namespace stratafs
