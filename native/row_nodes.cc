// One statx for each file. What is not plain (several links, holes where another file's data may belong, flags that protect)
// is JavaScript's.

#include "row_nodes.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "attributes.h"
#include "validity.h"

namespace stratafs {
namespace {

constexpr int kStatFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
constexpr uint64_t kProtecting = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
constexpr uint64_t kBlock = 512;

bool IsPlain(const struct statx& stx, uint64_t ino, uint8_t kind) {
  if (stx.stx_ino != ino || stx.stx_nlink != 1 || (stx.stx_mode & S_IFMT) >> 12 != kind) return false;
  if ((stx.stx_attributes & kProtecting) != 0) return false;
  return kind != DT_REG || stx.stx_blocks * kBlock >= stx.stx_size;
}

void Tell(const RowNodes::Rows& rows, size_t row) {
  if (rows.told[row]++ == 0) rows.told[rows.count]++;
}

}  // namespace

void RowNodes::Drop(uint64_t number) {
  auto found = rows_.find(number);
  if (found == rows_.end()) return;
  served_.erase(found->second.nodeid);
  rows_.erase(found);
}

void RowNodes::Serve(uint64_t number, std::vector<int> directories, double valid) {
  served_.insert_or_assign(rows_.at(number).nodeid, Directory{number, std::move(directories), valid});
}

// The directory that the row is in, or -1.
int RowNodes::NameIn(const Directory& directory, const NameTable& table, size_t row, char* name) {
  const uint16_t source = table.sources[row];
  const uint32_t length = table.LengthOf(row);
  if (source >= directory.directories.size() || length > kNameMax) return -1;
  memcpy(name, table.NameOf(row), length);
  name[length] = 0;
  return directory.directories[source];
}

// False where the row is not, or may not be, a plain file.
bool RowNodes::Fill(const Directory& directory, const Rows& rows, size_t row, fuse::EntryOut* out) const {
  const NameTable& table = rows.table;
  const uint8_t kind = table.kinds[row];
  if (kind != DT_REG && kind != DT_LNK) return false;
  char name[kNameMax + 1];
  struct statx stx;
  const int at = NameIn(directory, table, row, name);
  if (at < 0 || statx(at, name, kStatFlags, STATX_BASIC_STATS, &stx) < 0 || !IsPlain(stx, table.InoOf(row), kind)) return false;
  const Validity valid(directory.valid);
  *out = {};
  out->nodeid = IdOf(directory.number, row);
  out->entry_valid = out->attr_valid = valid.seconds;
  out->entry_valid_nsec = out->attr_valid_nsec = valid.nanoseconds;
  out->attr = AttrOf(stx);
  return true;
}

bool RowNodes::Lookup(const fuse::InHeader& header, const HashedName& name) {
  auto served = served_.find(header.nodeid);
  if (served == served_.end()) return false;
  const Rows& rows = rows_.at(served->second.number);
  const size_t row = rows.table.Find(name, rows.count);
  fuse::EntryOut out;
  if (row == rows.count || !Fill(served->second, rows, row, &out)) return false;
  counters_->found++;
  if (answers_->Reply(header.unique, &out, sizeof out)) Tell(rows, row);
  return true;
}

uint8_t* RowNodes::KindOf(uint64_t nodeid, const HashedName& name) const {
  auto served = served_.find(nodeid);
  if (served == served_.end()) return nullptr;
  const Rows& rows = rows_.at(served->second.number);
  const size_t row = rows.table.Find(name, rows.count);
  if (row == rows.count || rows.told[row] == 0) return nullptr;
  uint8_t* kind = rows.table.kinds + row;
  return *kind == DT_REG || *kind == DT_LNK ? kind : nullptr;
}

int RowNodes::Find(uint64_t nodeid, char* name, uint64_t* ino) const {
  auto found = rows_.find(nodeid >> kRowBits);
  if (found == rows_.end()) return -1;
  const Rows& rows = found->second;
  const size_t row = RowOf(nodeid);
  auto served = served_.find(rows.nodeid);
  if (row >= rows.count || rows.told[row] == 0 || rows.table.kinds[row] != DT_REG || served == served_.end()) return -1;
  *ino = rows.table.InoOf(row);
  return NameIn(served->second, rows.table, row, name);
}

uint32_t RowNodes::Put(uint64_t nodeid, uint8_t* into, PutCells* cells) {
  auto served = served_.find(nodeid);
  if (served == served_.end()) return 0;
  const Rows& rows = rows_.at(served->second.number);
  constexpr size_t kBefore = sizeof(fuse::EntryOut);
  uint32_t listed = 0;
  for (; cells->from < cells->to && cells->from < rows.count; cells->from++) {
    if (rows.table.kinds[cells->from] == 0) continue;
    const size_t record = rows.table.SizeOf(cells->from, kBefore);
    fuse::EntryOut entry;
    if (record > cells->room || !Fill(served->second, rows, cells->from, &entry)) break;
    memcpy(into + cells->at, &entry, sizeof entry);
    rows.table.Put(cells->from, into + cells->at, kBefore);
    Tell(rows, cells->from);
    cells->Passed(record);
    listed++;
  }
  counters_->found += listed;
  return listed;
}

bool RowNodes::Forget(uint64_t nodeid, uint64_t count) {
  auto found = rows_.find(nodeid >> kRowBits);
  if (found == rows_.end()) return false;
  const Rows& rows = found->second;
  const size_t row = RowOf(nodeid);
  if (row >= rows.count || rows.told[row] == 0) return false;
  const uint32_t left = count >= rows.told[row] ? 0 : rows.told[row] - static_cast<uint32_t>(count);
  rows.told[row] = left;
  return left > 0 || --rows.told[rows.count] > 0;
}

bool RowNodes::ForgetMany(uint8_t* request, size_t* length) {
  constexpr size_t kFixed = sizeof(fuse::InHeader) + sizeof(fuse::BatchForgetIn);
  fuse::InHeader header;
  fuse::BatchForgetIn in;
  if (rows_.empty() || *length < kFixed) return false;
  memcpy(&header, request, sizeof header);
  memcpy(&in, request + sizeof header, sizeof in);
  if (in.count > (*length - kFixed) / sizeof(fuse::ForgetOne)) return false;
  uint8_t* to = request + kFixed;
  for (uint32_t i = 0; i < in.count; i++) {
    fuse::ForgetOne one;
    memcpy(&one, request + kFixed + i * sizeof one, sizeof one);
    if (Forget(one.nodeid, one.nlookup)) continue;
    memcpy(to, &one, sizeof one);
    to += sizeof one;
  }
  *length = static_cast<size_t>(to - request);
  in.count = static_cast<uint32_t>((*length - kFixed) / sizeof(fuse::ForgetOne));
  header.len = static_cast<uint32_t>(*length);
  memcpy(request, &header, sizeof header);
  memcpy(request + sizeof header, &in, sizeof in);
  return in.count == 0;
}

}  // namespace stratafs
