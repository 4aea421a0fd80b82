// NativeChannel (lib/sys/binding.ts) over class Channel: arguments in, numbers out.
// Owns the wrapping: the object's finalizer ends the channel. Refuses to know what the calls do.

#include <errno.h>
#include <unistd.h>

#include "backing.h"
#include "channel.h"
#include "modules.h"
#include "node_api_util.h"
#include "rows_binding.h"

namespace stratafs {
namespace {

// What a channel's methods know it by: they may outlive it, and may be called on any object. Never freed; there is one for
// each mount of the process.
struct Cell {
  Channel* channel;
};

// A method as Node calls it; `body` has the channel, which is there.
template <napi_value (*body)(Args&, Channel&)>
napi_value Of(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Channel* channel = static_cast<Cell*>(args.data())->channel;
  if (channel != nullptr) return body(args, *channel);
  napi_throw_type_error(env, nullptr, "the channel is gone");
  return nullptr;
}

napi_value Start(Args& args, Channel& channel) {
  // While it runs it keeps this object, and by that the channel: no other will do.
  void* wrapped = nullptr;
  if (napi_unwrap(args.env(), args.self(), &wrapped) != napi_ok || wrapped != args.data()) {
    napi_throw_type_error(args.env(), nullptr, "not this channel's object");
    return nullptr;
  }
  napi_value on_request = args.Function(0), on_end = args.Function(1);
  if (!args.ok()) return args.Refuse();
  int rc = channel.Start(args.self(), on_request, on_end);
  if (rc == 0) return Undefined(args.env());
  char message[64];
  snprintf(message, sizeof message, "channel cannot start (errno %d)", -rc);
  napi_throw_error(args.env(), nullptr, message);
  return nullptr;
}

napi_value Reply(Args& args, Channel& channel) {
  int64_t length = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), channel.Reply(length < 0 ? 0 : static_cast<size_t>(length)));
}

napi_value Write(Args& args, Channel& channel) {
  Bytes message = args.U8(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), channel.Write(message.data, message.length));
}

napi_value Attach(Args& args, Channel& channel) {
  int64_t fh = args.I64(0);
  int fd = args.Int(1);
  bool fsyncs = args.Bool(2);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), channel.plane().Attach(static_cast<uint64_t>(fh), fd, fsyncs));
}

napi_value Swap(Args& args, Channel& channel) {
  int64_t fh = args.I64(0);
  int fd = args.Int(1);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), channel.plane().Swap(static_cast<uint64_t>(fh), fd));
}

napi_value Detach(Args& args, Channel& channel) {
  int64_t fh = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), channel.plane().Detach(static_cast<uint64_t>(fh)));
}

napi_value Stand(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0), fh = args.I64(1);
  uint32_t flags = args.U32(2), indifferent = args.U32(4);
  int backing_id = args.Int(3);
  bool whole = args.Bool(5);
  if (!args.ok()) return args.Refuse();
  Standing::Answer answer = {static_cast<uint64_t>(nodeid), static_cast<uint64_t>(fh), flags, backing_id, indifferent, whole};
  channel.plane().standing().Stand(answer);
  return Undefined(args.env());
}

napi_value Withdraw(Args& args, Channel& channel) {
  int64_t fh = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Boolean(args.env(), channel.plane().standing().Withdraw(static_cast<uint64_t>(fh)));
}

napi_value Reclaim(Args& args, Channel& channel) {
  return Number(args.env(), static_cast<double>(channel.plane().Reclaim()));
}

napi_value Tell(Args& args, Channel& channel) {
  Bytes told = args.Typed(0, napi_float64_array, "a Float64Array");
  if (args.ok() && told.length < 2) args.Wrong(0, "room for one handle");
  if (!args.ok()) return args.Refuse();
  channel.Tell(args.raw(0), reinterpret_cast<double*>(told.data), told.length);
  return Undefined(args.env());
}

unsigned LogOf(size_t power) {
  unsigned log = 0;
  while (log < 32 && (size_t{1} << log) < power) log++;
  return log;
}

napi_value HeedNegatives(Args& args, Channel& channel) {
  Bytes directories = args.Typed(0, napi_float64_array, "a Float64Array");
  Bytes filter = args.Typed(1, napi_uint32_array, "a Uint32Array");
  Bytes vacant = args.Typed(2, napi_float64_array, "a Float64Array");
  double valid = args.F64(3);
  if (args.ok() && vacant.length < 2) args.Wrong(2, "a nodeid and a hash");
  const unsigned log = LogOf(filter.length * 32);
  if (args.ok() && (log > 31 || filter.length * 32 != size_t{1} << log)) args.Wrong(1, "a power of two");
  if (!args.ok()) return args.Refuse();
  Negatives::Known known = {reinterpret_cast<double*>(directories.data), directories.length / 2,
                            reinterpret_cast<uint32_t*>(filter.data), log, reinterpret_cast<double*>(vacant.data)};
  channel.HeedNegatives(args.raw(0), args.raw(1), args.raw(2), known, valid);
  return Undefined(args.env());
}

napi_value Log(Args& args, Channel& channel) {
  Bytes records = args.Typed(0, napi_float64_array, "a Float64Array");
  Bytes names = args.U8(1);
  if (args.ok() && records.length == 0) args.Wrong(0, "room for a count");
  if (!args.ok()) return args.Refuse();
  channel.Log(args.raw(0), args.raw(1), reinterpret_cast<double*>(records.data), records.length, names.data, names.length);
  return Undefined(args.env());
}

napi_value Change(Args& args, Channel& channel) {
  const Creations::Rules rules = {args.U32(0), args.U32(1), args.U32(2), args.Bool(3), args.Bool(4), args.U32(5), args.F64(6)};
  if (!args.ok()) return args.Refuse();
  channel.plane().creations().Begin(rules);
  return Undefined(args.env());
}

napi_value Open(Args& args, Channel& channel) {
  const uint32_t share = args.U32(0);
  const bool own = args.Bool(1), quiet = args.Bool(2);
  const uint32_t indifferent = args.U32(3);
  if (args.ok() && share > Openings::kAll) args.Wrong(0, "none, code or all");
  if (!args.ok()) return args.Refuse();
  channel.plane().openings().Begin({static_cast<Openings::Share>(share), own, quiet, indifferent});
  return Undefined(args.env());
}

// { fh, fd, flags, backing }, or null
napi_value TakeOpen(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  napi_value out = nullptr;
  const DataPlane::TakenRow taken = channel.plane().TakeOpen(static_cast<uint64_t>(nodeid));
  napi_get_null(args.env(), &out);
  if (taken.fd < 0) return out;
  napi_create_object(args.env(), &out);
  SetNamed(args.env(), out, "fh", Number(args.env(), static_cast<double>(taken.fh)));
  SetNamed(args.env(), out, "fd", Number(args.env(), taken.fd));
  SetNamed(args.env(), out, "flags", Number(args.env(), taken.flags));
  SetNamed(args.env(), out, "backing", Number(args.env(), taken.backing));
  return out;
}

napi_value NodeOfOpen(Args& args, Channel& channel) {
  int64_t fh = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), static_cast<double>(channel.plane().openings().NodeOf(static_cast<uint64_t>(fh))));
}

napi_value OpenRows(Args& args, Channel& channel) {
  return NumbersOf(args.env(), channel.plane().openings().open_rows());
}

napi_value Hide(Args& args, Channel& channel) {
  int fd = args.Int(0);
  ByteString name;
  args.Text(1, &name);
  if (!args.ok()) return args.Refuse();
  channel.plane().removals().Hide(fd, name.c_str());
  return Undefined(args.env());
}

napi_value Mirror(Args& args, Channel& channel) {
  int64_t fh = args.I64(0), nodeid = args.I64(1);
  uint64_t low = args.U32(2), high = args.U32(3);
  double valid = args.F64(4);
  if (!args.ok()) return args.Refuse();
  int rc = channel.plane().Mirror(static_cast<uint64_t>(fh), static_cast<uint64_t>(nodeid), high << 32 | low, valid);
  return Number(args.env(), rc);
}

napi_value MirrorDirectory(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  int fd = args.Int(1);
  uint64_t low = args.U32(2), high = args.U32(3);
  uint32_t nlink = args.U32(4);
  double valid = args.F64(5);
  bool open_to_change = args.Bool(6);
  if (!args.ok()) return args.Refuse();
  Mirrors::Image image = {nullptr, fd, open_to_change, high << 32 | low, nlink, valid};
  channel.plane().mirrors().Show(static_cast<uint64_t>(nodeid), std::move(image));
  return Undefined(args.env());
}

napi_value Unmirror(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  if (nodeid == 0) channel.plane().Unmirror();
  else channel.plane().mirrors().Forget(static_cast<uint64_t>(nodeid));
  return Undefined(args.env());
}

napi_value Listed(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0), cookie = args.I64(1);
  if (!args.ok()) return args.Refuse();
  channel.plane().listing_end().Tell(static_cast<uint64_t>(nodeid), static_cast<uint64_t>(cookie));
  return Undefined(args.env());
}

napi_value Ioctls(Args& args, Channel& channel) {
  Bytes commands = args.Typed(0, napi_uint32_array, "a Uint32Array");
  if (!args.ok()) return args.Refuse();
  channel.plane().Know(reinterpret_cast<const uint32_t*>(commands.data), commands.length);
  return Undefined(args.env());
}

napi_value OpenBacking(Args& args, Channel& channel) {
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), BackingOpen(channel.device(), fd, channel.counters()));
}

napi_value CloseBacking(Args& args, Channel& channel) {
  uint32_t id = args.U32(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), BackingClose(channel.device(), id, channel.counters()));
}

napi_value Stop(Args& args, Channel& channel) {
  channel.Stop();
  return Undefined(args.env());
}

napi_value CountersOf(Args& args, Channel& channel) {
  const Counters& counters = *channel.counters();
  napi_value out = nullptr;
  napi_create_object(args.env(), &out);
  SetNamed(args.env(), out, "requests", Number(args.env(), static_cast<double>(counters.requests.load())));
  SetNamed(args.env(), out, "reads", Number(args.env(), static_cast<double>(counters.reads.load())));
  SetNamed(args.env(), out, "spliced", Number(args.env(), static_cast<double>(counters.spliced.load())));
  SetNamed(args.env(), out, "writes", Number(args.env(), static_cast<double>(counters.writes.load())));
  SetNamed(args.env(), out, "fsyncs", Number(args.env(), static_cast<double>(counters.fsyncs.load())));
  SetNamed(args.env(), out, "offloaded", Number(args.env(), static_cast<double>(counters.offloaded.load())));
  SetNamed(args.env(), out, "bytesRead", Number(args.env(), static_cast<double>(counters.bytes_read.load())));
  SetNamed(args.env(), out, "bytesWritten", Number(args.env(), static_cast<double>(counters.bytes_written.load())));
  SetNamed(args.env(), out, "interrupted", Number(args.env(), static_cast<double>(counters.interrupted.load())));
  SetNamed(args.env(), out, "replyErrors", Number(args.env(), static_cast<double>(counters.reply_errors.load())));
  SetNamed(args.env(), out, "stood", Number(args.env(), static_cast<double>(counters.stood.load())));
  SetNamed(args.env(), out, "opened", Number(args.env(), static_cast<double>(counters.opened.load())));
  SetNamed(args.env(), out, "mirrored", Number(args.env(), static_cast<double>(counters.mirrored.load())));
  SetNamed(args.env(), out, "missed", Number(args.env(), static_cast<double>(counters.missed.load())));
  SetNamed(args.env(), out, "found", Number(args.env(), static_cast<double>(counters.found.load())));
  SetNamed(args.env(), out, "listed", Number(args.env(), static_cast<double>(counters.listed.load())));
  SetNamed(args.env(), out, "entered", Number(args.env(), static_cast<double>(counters.entered.load())));
  SetNamed(args.env(), out, "created", Number(args.env(), static_cast<double>(counters.created.load())));
  SetNamed(args.env(), out, "removed", Number(args.env(), static_cast<double>(counters.removed.load())));
  SetNamed(args.env(), out, "backings", Number(args.env(), static_cast<double>(counters.backings.load())));
  SetNamed(args.env(), out, "mirrors", Number(args.env(), static_cast<double>(channel.plane().mirrors().size())));
  SetNamed(args.env(), out, "openRows", Number(args.env(), static_cast<double>(channel.plane().openings().open_count())));
  SetNamed(args.env(), out, "idle", Number(args.env(), static_cast<double>(channel.plane().standing().idle())));
  SetNamed(args.env(), out, "attached", Number(args.env(), static_cast<double>(channel.plane().attached())));
  SetNamed(args.env(), out, "wishes", Number(args.env(), static_cast<double>(channel.wishes())));
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
  const Method methods[] = {{"start", Of<Start>},           {"reply", Of<Reply>},
                            {"write", Of<Write>},           {"attach", Of<Attach>},
                            {"swap", Of<Swap>},             {"detach", Of<Detach>},
                            {"stand", Of<Stand>},           {"withdraw", Of<Withdraw>},
                            {"reclaim", Of<Reclaim>},       {"ioctls", Of<Ioctls>},
                            {"tell", Of<Tell>},             {"negatives", Of<HeedNegatives>},
                            {"serveRows", Of<ServeRows>},   {"endRows", Of<EndRows>},
                            {"dropRows", Of<DropRows>},     {"putRows", Of<PutRows>},
                            {"enterRows", Of<EnterRows>},   {"allowRows", Of<AllowRows>},
                            {"rowsIn", Of<RowsIn>},         {"takeRows", Of<TakeRows>},
                            {"liveRows", Of<LiveRows>},     {"beginListing", Of<BeginListing>},
                            {"allowLinks", Of<AllowLinks>}, {"ownLinks", Of<OwnLinks>},
                            {"linkedNode", Of<LinkedNode>}, {"ledTo", Of<LedTo>},
                            {"takeLinks", Of<TakeLinks>},
                            {"fillsListing", Of<FillsListing>}, {"askedIn", Of<AskedIn>},
                            {"log", Of<Log>},               {"open", Of<Open>},
                            {"takeOpen", Of<TakeOpen>},     {"nodeOfOpen", Of<NodeOfOpen>},
                            {"openRows", Of<OpenRows>},
                            {"listed", Of<Listed>},
                            {"change", Of<Change>},         {"hide", Of<Hide>},
                            {"mirror", Of<Mirror>},
                            {"mirrorDirectory", Of<MirrorDirectory>}, {"unmirror", Of<Unmirror>},
                            {"backingOpen", Of<OpenBacking>}, {"backingClose", Of<CloseBacking>},
                            {"stop", Of<Stop>},             {"counters", Of<CountersOf>}};
  Expose(env, object, methods, cell);
  return object;
}

}  // namespace stratafs
