// The names of several directories as one table: rows in the order of their names' hashes, in flat arrays of one buffer that
// lib/union/packed-names.ts reads too; and rows copied into a listing. Refuses to know what a name means: which rows are
// given apart, as strings, the caller says.

#include <dirent.h>

#include <algorithm>
#include <vector>

#include "dirent64.h"
#include "modules.h"
#include "name_table.h"
#include "name_table_args.h"

namespace stratafs {
namespace {

struct Row {
  uint64_t hash;
  uint64_t ino;
  const char* name;
  uint32_t length;
  uint16_t source;
  uint8_t type;
  bool apart;
  // Another directory's of this name counts.
  bool hidden;
};

void AddRows(std::vector<Row>* rows, const uint8_t* records, size_t bytes, uint16_t source, uint32_t types,
             const ByteString& prefix) {
  for (size_t at = 0; at < bytes;) {
    const Dirent64* entry = reinterpret_cast<const Dirent64*>(records + at);
    at += entry->length;
    if (IsDots(entry->name)) continue;
    size_t length = strlen(entry->name);
    bool apart = (types >> (entry->type & 31) & 1) != 0 || length > kNameMax ||
                 strncmp(entry->name, prefix.c_str(), prefix.length) == 0;
    rows->push_back({HashOf(entry->name, length), entry->ino, entry->name, static_cast<uint32_t>(length), source,
                     entry->type, apart, false});
  }
}

bool SameName(const Row& a, const Row& b) { return a.hash == b.hash && strcmp(a.name, b.name) == 0; }

// Positions in the order of hash and name, those of one name in the order of their directories.
std::vector<uint32_t> Sorted(const std::vector<Row>& rows) {
  std::vector<uint32_t> order(rows.size());
  for (size_t at = 0; at < order.size(); at++) order[at] = static_cast<uint32_t>(at);
  const Row* row = rows.data();
  std::sort(order.begin(), order.end(), [row](uint32_t a, uint32_t b) {
    if (row[a].hash != row[b].hash) return row[a].hash < row[b].hash;
    int names = strcmp(row[a].name, row[b].name);
    return names != 0 ? names < 0 : a < b;
  });
  return order;
}

// Of the rows `from`..`to` in `order`, which have one name, the first counts; all are apart where one of them is.
void Settle(std::vector<Row>* rows, const std::vector<uint32_t>& order, size_t from, size_t to) {
  bool apart = false;
  for (size_t at = from; at < to; at++) apart |= (*rows)[order[at]].apart;
  for (size_t at = from; at < to; at++) {
    Row& row = (*rows)[order[at]];
    row.apart = apart;
    row.hidden = !apart && at > from;
  }
}

void SettleAll(std::vector<Row>* rows, const std::vector<uint32_t>& order) {
  size_t from = 0;
  for (size_t at = 1; at <= order.size(); at++) {
    if (at < order.size() && SameName((*rows)[order[from]], (*rows)[order[at]])) continue;
    Settle(rows, order, from, at);
    from = at;
  }
}

// The rows that are not apart. `more`: of directories, rows and the further sources that have them.
napi_value TableOf(napi_env env, const std::vector<Row>& rows, const std::vector<uint32_t>& order, size_t count,
                   std::vector<uint32_t>* more) {
  size_t bytes = 0;
  for (const Row& row : rows) bytes += row.apart || row.hidden ? 0 : row.length;
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, count * NameTable::kRowBytes + bytes, &data, &buffer) != napi_ok) return nullptr;
  NameTable table(data, count);
  size_t at = 0;
  uint32_t end = 0;
  uint64_t last = 0;
  bool merges = false;
  for (uint32_t position : order) {
    const Row& row = rows[position];
    if (row.apart) continue;
    // What is no directory hides those deeper.
    merges = row.type == DT_DIR && (merges || !row.hidden);
    if (row.hidden && merges) more->insert(more->end(), {static_cast<uint32_t>(at - 1), row.source});
    if (row.hidden) continue;
    // Two names of one hash: the second takes the next free number.
    last = std::max(row.hash, last + 1);
    table.keys[at] = static_cast<double>(last);
    table.inos[2 * at] = static_cast<uint32_t>(row.ino);
    table.inos[2 * at + 1] = static_cast<uint32_t>(row.ino >> 32);
    memcpy(table.bytes + end, row.name, row.length);
    end += row.length;
    table.ends[at] = end;
    table.sources[at] = row.source;
    table.kinds[at] = row.type;
    at++;
  }
  return buffer;
}

// The rows that are apart, as they came.
napi_value ApartOf(napi_env env, const std::vector<Row>& rows) {
  napi_value names = nullptr, out = nullptr;
  std::vector<uint8_t> types;
  std::vector<uint32_t> inos, sources;
  napi_create_array(env, &names);
  for (const Row& row : rows) {
    if (!row.apart) continue;
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_set_element(env, names, static_cast<uint32_t>(types.size()), Latin1(env, row.name, row.length));
    napi_close_handle_scope(env, scope);
    types.push_back(row.type);
    inos.push_back(static_cast<uint32_t>(row.ino));
    inos.push_back(static_cast<uint32_t>(row.ino >> 32));
    sources.push_back(row.source);
  }
  napi_create_object(env, &out);
  SetNamed(env, out, "names", names);
  SetNamed(env, out, "types", CopyToUint8Array(env, types.data(), types.size()));
  SetNamed(env, out, "inos", CopyToTypedArray(env, napi_uint32_array, 4, inos.data(), inos.size()));
  SetNamed(env, out, "sources", CopyToTypedArray(env, napi_uint32_array, 4, sources.data(), sources.size()));
  return out;
}

// mergeNames(records, ranges, prefix, least); ranges: from, to and types of each directory
napi_value MergeNames(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString prefix;
  Bytes records = args.U8(0);
  Bytes given = args.Typed(1, napi_uint32_array, "a Uint32Array");
  args.Text(2, &prefix);
  uint32_t least = args.U32(3);
  const size_t sources = given.length / 3;
  const uint32_t* ranges = reinterpret_cast<const uint32_t*>(given.data);
  if (args.ok() && sources > UINT16_MAX) args.Wrong(1, "ranges of fewer directories");
  for (size_t i = 0; args.ok() && i < sources; i++) {
    if (ranges[3 * i] > ranges[3 * i + 1] || ranges[3 * i + 1] > records.length) args.Wrong(1, "ranges of the records");
  }
  if (!args.ok()) return args.Refuse();
  std::vector<Row> rows;
  for (size_t i = 0; i < sources; i++) {
    const uint32_t* range = ranges + 3 * i;
    AddRows(&rows, records.data + range[0], range[1] - range[0], static_cast<uint16_t>(i), range[2], prefix);
  }
  std::vector<uint32_t> order = Sorted(rows);
  SettleAll(&rows, order);
  size_t apart = 0, count = 0;
  for (const Row& row : rows) apart += row.apart, count += !row.apart && !row.hidden;
  if (count < least) {
    for (Row& row : rows) row.apart = true;
    apart = rows.size(), count = 0;
  }
  napi_value out = nullptr, none = nullptr;
  std::vector<uint32_t> more;
  napi_create_object(env, &out);
  napi_get_null(env, &none);
  SetNamed(env, out, "count", Number(env, static_cast<double>(count)));
  SetNamed(env, out, "table", count == 0 ? none : TableOf(env, rows, order, count, &more));
  SetNamed(env, out, "more", CopyToTypedArray(env, napi_uint32_array, 4, more.data(), more.size()));
  SetNamed(env, out, "apart", apart == 0 ? none : ApartOf(env, rows));
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
