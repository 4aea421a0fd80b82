// NativeChannel (lib/sys/binding.ts) over what a data plane knows of rows: arguments in, numbers out.
// Refuses to know what the calls do.

#include "rows_binding.h"

#include <utility>
#include <vector>

#include "name_table_args.h"

namespace stratafs {

napi_value ServeRows(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0), number = args.I64(1);
  void* table = nullptr;
  size_t bytes = 0;
  if (napi_get_arraybuffer_info(args.env(), args.raw(2), &table, &bytes) != napi_ok) args.Wrong(2, "an ArrayBuffer");
  Bytes told = args.Typed(3, napi_uint32_array, "a Uint32Array");
  Bytes more = args.Typed(4, napi_uint32_array, "a Uint32Array");
  Bytes directories = args.Typed(5, napi_int32_array, "an Int32Array");
  double valid = args.F64(6);
  uint32_t nlink = args.U32(7);
  uint64_t low = args.U32(8), high = args.U32(9);
  if (args.ok() && more.length % 2 != 0) args.Wrong(4, "pairs");
  if (args.ok() && (told.length == 0 || bytes < (told.length - 1) * NameTable::kRowBytes)) args.Wrong(3, "one more than rows");
  if (!args.ok()) return args.Refuse();
  const size_t count = told.length - 1;
  const int32_t* fds = reinterpret_cast<int32_t*>(directories.data);
  const uint64_t key = static_cast<uint64_t>(number);
  channel.KnowRows(key, args.raw(2), args.raw(3), args.raw(4),
                   {NameTable(table, count), count, reinterpret_cast<uint32_t*>(told.data), reinterpret_cast<uint32_t*>(more.data),
                    more.length, static_cast<uint64_t>(nodeid), false});
  channel.plane().row_nodes().Serve({key, std::vector<int>(fds, fds + directories.length), valid, nlink, high << 32 | low});
  return Undefined(args.env());
}

napi_value EndRows(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  channel.plane().row_nodes().End(static_cast<uint64_t>(nodeid));
  return Undefined(args.env());
}

napi_value DropRows(Args& args, Channel& channel) {
  int64_t number = args.I64(0);
  if (!args.ok()) return args.Refuse();
  channel.DropRows(static_cast<uint64_t>(number));
  return Undefined(args.env());
}

napi_value PutRows(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  Bytes into = args.U8(1);
  PutCells* cells = PutCellsOf(&args, 2, into);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), channel.plane().row_nodes().Put(static_cast<uint64_t>(nodeid), into.data, cells));
}

napi_value EnterRows(Args& args, Channel& channel) {
  ByteString prefix, mark, part;
  args.Text(0, &prefix);
  args.Text(1, &mark);
  args.Text(2, &part);
  const uint32_t types = args.U32(3), most = args.U32(4);
  if (!args.ok()) return args.Refuse();
  channel.plane().row_directories().Begin({prefix.c_str(), mark.c_str(), part.c_str(), types, most});
  return Undefined(args.env());
}

napi_value AllowRows(Args& args, Channel& channel) {
  const bool allowed = args.Bool(0);
  if (!args.ok()) return args.Refuse();
  channel.plane().row_directories().Allow(allowed);
  return Undefined(args.env());
}

napi_value RowsIn(Args& args, Channel& channel) {
  int64_t number = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), static_cast<double>(channel.plane().row_directories().DirectoryOf(static_cast<uint64_t>(number))));
}

// { number, table, told, more, parts, linked }, or null
napi_value TakeRows(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  napi_value out = nullptr, table = nullptr;
  void* bytes = nullptr;
  auto entered = channel.plane().row_directories().Take(static_cast<uint64_t>(nodeid));
  napi_get_null(args.env(), &out);
  if (!entered) return out;
  if (napi_create_arraybuffer(args.env(), entered->bytes, &bytes, &table) != napi_ok) return nullptr;
  if (entered->bytes > 0) memcpy(bytes, entered->table.get(), entered->bytes);
  std::vector<int32_t> parts;
  for (UniqueFd& part : entered->parts) parts.push_back(part.Release());
  napi_create_object(args.env(), &out);
  SetNamed(args.env(), out, "number", Number(args.env(), static_cast<double>(entered->number)));
  SetNamed(args.env(), out, "table", table);
  SetNamed(args.env(), out, "told",
           CopyToTypedArray(args.env(), napi_uint32_array, 4, entered->told.data(), entered->told.size()));
  SetNamed(args.env(), out, "more",
           CopyToTypedArray(args.env(), napi_uint32_array, 4, entered->more.data(), entered->more.size()));
  SetNamed(args.env(), out, "parts", CopyToTypedArray(args.env(), napi_int32_array, 4, parts.data(), parts.size()));
  SetNamed(args.env(), out, "linked", NumbersOf(args.env(), channel.plane().row_nodes().LinkedIn(entered->number)));
  return out;
}

napi_value AllowLinks(Args& args, Channel& channel) {
  const bool allowed = args.Bool(0);
  if (!args.ok()) return args.Refuse();
  channel.plane().row_nodes().links().Allow(allowed);
  return Undefined(args.env());
}

napi_value OwnLinks(Args& args, Channel& channel) {
  ByteString identity;
  args.Text(0, &identity);
  const bool owned = args.Bool(1);
  if (!args.ok()) return args.Refuse();
  channel.plane().row_nodes().links().Own(identity.c_str(), owned);
  return Undefined(args.env());
}

napi_value LinkedNode(Args& args, Channel& channel) {
  ByteString identity;
  args.Text(0, &identity);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), static_cast<double>(channel.plane().row_nodes().links().NodeOf(identity.c_str())));
}

napi_value LedTo(Args& args, Channel& channel) {
  int64_t row = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Number(args.env(), static_cast<double>(channel.plane().row_nodes().links().LedTo(static_cast<uint64_t>(row))));
}

// { identity, names }, or null
napi_value TakeLinks(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  napi_value out = nullptr, identity = nullptr;
  const auto file = channel.plane().row_nodes().links().Take(static_cast<uint64_t>(nodeid));
  napi_get_null(args.env(), &out);
  if (!file) return out;
  napi_create_string_latin1(args.env(), file->identity.data(), file->identity.size(), &identity);
  napi_create_object(args.env(), &out);
  SetNamed(args.env(), out, "identity", identity);
  SetNamed(args.env(), out, "names", NumbersOf(args.env(), file->names));
  return out;
}

napi_value LiveRows(Args& args, Channel& channel) {
  return Number(args.env(), static_cast<double>(channel.plane().row_directories().live()));
}

napi_value BeginListing(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0), names = args.I64(1);
  if (!args.ok()) return args.Refuse();
  return Boolean(args.env(), channel.plane().habit().Begins(static_cast<uint64_t>(nodeid), static_cast<size_t>(names)));
}

napi_value FillsListing(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  return Boolean(args.env(), channel.plane().habit().Fills(static_cast<uint64_t>(nodeid)));
}

napi_value AskedIn(Args& args, Channel& channel) {
  int64_t nodeid = args.I64(0);
  if (!args.ok()) return args.Refuse();
  channel.plane().habit().Asked(static_cast<uint64_t>(nodeid));
  return Undefined(args.env());
}

}  // namespace stratafs
