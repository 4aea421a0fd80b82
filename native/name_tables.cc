// The names of several directories as one table in one buffer, which lib/union/packed-names.ts reads too; and rows copied into a
// listing. Names that are no rows are given apart, as strings.

#include <vector>

#include "modules.h"
#include "name_merge.h"
#include "name_table_args.h"

namespace stratafs {
namespace {

// The rows that are not apart.
napi_value TableOf(napi_env env, const NameMerge& merge, std::vector<uint32_t>* more) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, merge.table_bytes(), &data, &buffer) != napi_ok) return nullptr;
  merge.Write(data, more);
  return buffer;
}

// The rows that are apart, as they came.
napi_value ApartOf(napi_env env, const NameMerge& merge) {
  napi_value names = nullptr, out = nullptr;
  std::vector<uint8_t> types;
  std::vector<uint32_t> inos, sources;
  napi_create_array(env, &names);
  for (const NameMerge::Name& name : merge.names()) {
    if (!name.apart) continue;
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_set_element(env, names, static_cast<uint32_t>(types.size()), Latin1(env, name.name, name.length));
    napi_close_handle_scope(env, scope);
    types.push_back(name.type);
    inos.push_back(static_cast<uint32_t>(name.ino));
    inos.push_back(static_cast<uint32_t>(name.ino >> 32));
    sources.push_back(name.source);
  }
  napi_create_object(env, &out);
  SetNamed(env, out, "names", names);
  SetNamed(env, out, "types", CopyToUint8Array(env, types.data(), types.size()));
  SetNamed(env, out, "inos", CopyToTypedArray(env, napi_uint32_array, 4, inos.data(), inos.size()));
  SetNamed(env, out, "sources", CopyToTypedArray(env, napi_uint32_array, 4, sources.data(), sources.size()));
  return out;
}

// mergeNames(records, ranges, prefix); ranges: from, to and types of each directory
napi_value MergeNames(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString prefix;
  Bytes records = args.U8(0);
  Bytes given = args.Typed(1, napi_uint32_array, "a Uint32Array");
  args.Text(2, &prefix);
  const size_t sources = given.length / 3;
  const uint32_t* ranges = reinterpret_cast<const uint32_t*>(given.data);
  if (args.ok() && sources > UINT16_MAX) args.Wrong(1, "ranges of fewer directories");
  for (size_t i = 0; args.ok() && i < sources; i++) {
    if (ranges[3 * i] > ranges[3 * i + 1] || ranges[3 * i + 1] > records.length) args.Wrong(1, "ranges of the records");
  }
  if (!args.ok()) return args.Refuse();
  NameMerge merge;
  for (size_t i = 0; i < sources; i++) {
    const uint32_t* range = ranges + 3 * i;
    const NameMerge::Apart apart = {range[2], prefix.c_str(), prefix.length};
    merge.Add(records.data + range[0], range[1] - range[0], static_cast<uint16_t>(i), apart);
  }
  merge.Settle();
  napi_value out = nullptr, none = nullptr;
  std::vector<uint32_t> more;
  napi_create_object(env, &out);
  napi_get_null(env, &none);
  SetNamed(env, out, "count", Number(env, static_cast<double>(merge.count())));
  SetNamed(env, out, "table", merge.count() == 0 ? none : TableOf(env, merge, &more));
  SetNamed(env, out, "more", CopyToTypedArray(env, napi_uint32_array, 4, more.data(), more.size()));
  SetNamed(env, out, "apart", merge.apart() == 0 ? none : ApartOf(env, merge));
  return out;
}

// putNames(into, table, count, cells)
napi_value PutNames(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Bytes into = args.U8(0);
  void* data = nullptr;
  size_t bytes = 0;
  if (napi_get_arraybuffer_info(env, args.raw(1), &data, &bytes) != napi_ok) args.Wrong(1, "an ArrayBuffer");
  size_t count = args.U32(2);
  PutCells* cells = PutCellsOf(&args, 3, into);
  if (args.ok() && bytes < count * NameTable::kRowBytes) args.Wrong(1, "a table of so many rows");
  if (args.ok() && cells->to > count) args.Wrong(3, "in range");
  if (!args.ok()) return args.Refuse();
  const NameTable table(data, count);
  uint32_t listed = 0;
  for (; cells->from < cells->to; cells->from++) {
    const uint8_t kind = table.kinds[cells->from];
    if (kind == 0) continue;
    if (kind >= kTaken || (cells->stops >> (kind & 31) & 1) != 0) break;
    const size_t size = table.SizeOf(cells->from, cells->before);
    if (size > cells->room) break;
    uint8_t* record = into.data + cells->at;
    memset(record, 0, cells->before);
    table.Put(cells->from, record, cells->before);
    cells->Passed(size);
    listed++;
  }
  return Number(env, listed);
}

}  // namespace

void RegisterNameTables(napi_env env, napi_value target) {
  const Method methods[] = {{"mergeNames", MergeNames}, {"putNames", PutNames}};
  Expose(env, target, methods);
}

}  // namespace stratafs
