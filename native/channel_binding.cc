// NativeChannel (lib/sys/binding.ts) over class Channel: arguments in, numbers out.
// Owns the wrapping: the object's finalizer ends the channel. Refuses to know what the calls do.

#include <errno.h>
#include <unistd.h>

#include "channel.h"
#include "modules.h"
#include "node_api_util.h"

namespace stratafs {
namespace {

// What a channel's methods know it by: they may outlive it, and may be called on any object. Never freed; there is one for
// each mount of the process.
struct Cell {
  Channel* channel;
};

Channel* ChannelOf(const Args& args) {
  Channel* channel = static_cast<Cell*>(args.data())->channel;
  if (channel == nullptr) napi_throw_type_error(args.env(), nullptr, "the channel is gone");
  return channel;
}

napi_value Start(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  napi_value on_request = args.Function(0), on_end = args.Function(1);
  if (!args.ok()) return args.Refuse();
  int rc = channel->Start(args.self(), on_request, on_end);
  if (rc == 0) return Undefined(env);
  char message[64];
  snprintf(message, sizeof message, "channel cannot start (errno %d)", -rc);
  napi_throw_error(env, nullptr, message);
  return nullptr;
}

napi_value Reply(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int64_t length = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(env, channel->Reply(length < 0 ? 0 : static_cast<size_t>(length)));
}

napi_value Write(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  Bytes message = args.U8(0);
  if (!args.ok()) return args.Refuse();
  return Number(env, channel->Write(message.data, message.length));
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int64_t fh = args.I64(0);
  int fd = args.Int(1);
  bool fsyncs = args.Bool(2);
  if (!args.ok()) return args.Refuse();
  return Number(env, channel->plane().Attach(static_cast<uint64_t>(fh), fd, fsyncs));
}

napi_value Swap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int64_t fh = args.I64(0);
  int fd = args.Int(1);
  if (!args.ok()) return args.Refuse();
  return Number(env, channel->plane().Swap(static_cast<uint64_t>(fh), fd));
}

napi_value Detach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int64_t fh = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(env, channel->plane().Detach(static_cast<uint64_t>(fh)));
}

napi_value Stand(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int64_t nodeid = args.I64(0), fh = args.I64(1);
  uint32_t flags = args.U32(2), indifferent = args.U32(4);
  int backing_id = args.Int(3);
  if (!args.ok()) return args.Refuse();
  Standing::Answer answer = {static_cast<uint64_t>(nodeid), static_cast<uint64_t>(fh), flags, backing_id, indifferent};
  channel->plane().standing().Stand(answer);
  return Undefined(env);
}

napi_value Withdraw(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int64_t fh = args.I64(0);
  if (!args.ok()) return args.Refuse();
  napi_value idle = nullptr;
  napi_get_boolean(env, channel->plane().standing().Withdraw(static_cast<uint64_t>(fh)), &idle);
  return idle;
}

napi_value Reclaim(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  return Number(env, static_cast<double>(channel->plane().standing().Reclaim()));
}

napi_value Ioctls(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  Bytes commands = args.Typed(0, napi_uint32_array, "a Uint32Array");
  if (!args.ok()) return args.Refuse();
  channel->plane().Know(reinterpret_cast<const uint32_t*>(commands.data), commands.length);
  return Undefined(env);
}

napi_value OpenBacking(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return Number(env, BackingOpen(channel->device(), fd));
}

napi_value CloseBacking(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  uint32_t id = args.U32(0);
  if (!args.ok()) return args.Refuse();
  return Number(env, BackingClose(channel->device(), id));
}

napi_value Stop(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  channel->Stop();
  return Undefined(env);
}

napi_value CountersOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = ChannelOf(args);
  if (channel == nullptr) return nullptr;
  const Counters& counters = channel->counters();
  napi_value out = nullptr;
  napi_create_object(env, &out);
  SetNamed(env, out, "requests", Number(env, static_cast<double>(counters.requests.load())));
  SetNamed(env, out, "reads", Number(env, static_cast<double>(counters.reads.load())));
  SetNamed(env, out, "spliced", Number(env, static_cast<double>(counters.spliced.load())));
  SetNamed(env, out, "writes", Number(env, static_cast<double>(counters.writes.load())));
  SetNamed(env, out, "fsyncs", Number(env, static_cast<double>(counters.fsyncs.load())));
  SetNamed(env, out, "offloaded", Number(env, static_cast<double>(counters.offloaded.load())));
  SetNamed(env, out, "bytesRead", Number(env, static_cast<double>(counters.bytes_read.load())));
  SetNamed(env, out, "bytesWritten", Number(env, static_cast<double>(counters.bytes_written.load())));
  SetNamed(env, out, "interrupted", Number(env, static_cast<double>(counters.interrupted.load())));
  SetNamed(env, out, "replyErrors", Number(env, static_cast<double>(counters.reply_errors.load())));
  SetNamed(env, out, "stood", Number(env, static_cast<double>(counters.stood.load())));
  SetNamed(env, out, "idle", Number(env, static_cast<double>(channel->plane().standing().idle())));
  SetNamed(env, out, "attached", Number(env, static_cast<double>(channel->plane().attached())));
  SetNamed(env, out, "wishes", Number(env, static_cast<double>(channel->wishes())));
  return out;
}

void Finalize(napi_env, void* data, void*) {
  Cell* cell = static_cast<Cell*>(data);
  delete cell->channel;
  cell->channel = nullptr;
}

}  // namespace

napi_value OpenChannel(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  int64_t max_write = args.I64(1);
  bool wakeful = args.Bool(2);
  if (args.ok() && (max_write < 4096 || max_write > (256 << 20))) args.Wrong(1, "4096 bytes to 256 MiB");
  if (!args.ok()) return args.Refuse();
  napi_value object = nullptr;
  napi_create_object(env, &object);
  Cell* cell = new Cell{new Channel(env, fd, static_cast<size_t>(max_write), wakeful)};
  napi_wrap(env, object, cell, Finalize, nullptr, nullptr);
  if (!cell->channel->CreateBuffers(object)) return nullptr;
  const Method methods[] = {{"start", Start},           {"reply", Reply},
                            {"write", Write},           {"attach", Attach},
                            {"swap", Swap},             {"detach", Detach},
                            {"stand", Stand},           {"withdraw", Withdraw},
                            {"reclaim", Reclaim},       {"ioctls", Ioctls},
                            {"backingOpen", OpenBacking}, {"backingClose", CloseBacking},
                            {"stop", Stop},             {"counters", CountersOf}};
  Expose(env, object, methods, cell);
  return object;
}

}  // namespace stratafs
