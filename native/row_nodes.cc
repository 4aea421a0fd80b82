// One statx for each. What is not plain (a file with holes where another file's data may belong; a large directory; flags that
// protect) is JavaScript's.

#include "row_nodes.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "attributes.h"
#include "validity.h"

namespace stratafs {
namespace {

constexpr int kStatFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
constexpr unsigned kStatMask = STATX_BASIC_STATS | STATX_BTIME;
constexpr uint64_t kProtecting = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
constexpr uint64_t kBlock = 512;
// A directory of so many bytes may have ten thousand names (lib/union/single-names.ts).
constexpr uint64_t kLarge = 256 << 10;

bool IsPlainFile(const struct statx& stx) {
  return !S_ISREG(stx.stx_mode) || stx.stx_blocks * kBlock >= stx.stx_size;
}

bool IsPlain(const struct statx& stx, uint64_t ino, uint8_t kind) {
  if (stx.stx_ino != ino || (stx.stx_mode & S_IFMT) >> 12 != kind) return false;
  if ((stx.stx_attributes & kProtecting) != 0) return false;
  return kind == DT_DIR ? stx.stx_size < kLarge : IsPlainFile(stx);
}

bool IsAnswered(uint8_t kind) { return kind == DT_REG || kind == DT_LNK || kind == DT_DIR; }

// The further sources of a row.
std::pair<const uint32_t*, const uint32_t*> MoreOf(const RowNodes::Rows& rows, size_t row) {
  size_t low = 0, high = rows.more_length / 2;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (rows.more[2 * middle] < row) low = middle + 1;
    else high = middle;
  }
  const uint32_t* from = rows.more + 2 * low;
  const uint32_t* to = from;
  while (to < rows.more + rows.more_length && *to == row) to += 2;
  return {from, to};
}

}  // namespace

void RowNodes::Drop(uint64_t number) {
  auto found = rows_.find(number);
  if (found == rows_.end()) return;
  served_.erase(found->second.nodeid);
  rows_.erase(found);
}

void RowNodes::Serve(Directory directory) {
  served_.insert_or_assign(rows_.at(directory.number).nodeid, std::move(directory));
}

RowNodes::Directory* RowNodes::ServedAt(uint64_t nodeid) {
  auto served = served_.find(nodeid);
  return served == served_.end() ? nullptr : &served->second;
}

const RowNodes::Rows* RowNodes::RowsOf(uint64_t number) const {
  auto found = rows_.find(number);
  return found == rows_.end() ? nullptr : &found->second;
}

void RowNodes::Tell(const Rows& rows, size_t row, uint32_t count) {
  if (rows.told[row] == 0) rows.told[rows.count]++;
  rows.told[row] += count;
}

void RowNodes::Untell(const Rows& rows, size_t row, uint64_t count) {
  const uint32_t told = rows.told[row];
  rows.told[row] = count >= told ? 0 : told - static_cast<uint32_t>(count);
  if (told > 0 && rows.told[row] == 0) rows.told[rows.count]--;
}

// The directory that the row is in, or -1.
int RowNodes::NameIn(const Directory& directory, const NameTable& table, size_t row, char* name) {
  const uint16_t source = table.sources[row];
  const uint32_t length = table.LengthOf(row);
  if (source >= directory.parts.size() || length > kNameMax) return -1;
  memcpy(name, table.NameOf(row), length);
  name[length] = 0;
  return directory.parts[source];
}

// What users see of it; false where the row is not, or may not be, plain.
bool RowNodes::Stat(const Directory& directory, const Rows& rows, size_t row, struct statx* out) {
  const NameTable& table = rows.table;
  const uint8_t kind = table.kinds[row];
  if (!IsAnswered(kind)) return false;
  char name[kNameMax + 1];
  const int at = NameIn(directory, table, row, name);
  if (at < 0 || statx(at, name, kStatFlags, kStatMask, out) < 0 || !IsPlain(*out, table.InoOf(row), kind)) return false;
  if (kind != DT_DIR) return true;
  const auto [from, to] = MoreOf(rows, row);
  // What is merged is one directory to users, of which nobody has counted the links.
  if (from != to) out->stx_nlink = 1;
  else if (directory.nlink != 0) out->stx_nlink = directory.nlink;
  return true;
}

bool RowNodes::Fill(const Directory& directory, const Rows& rows, size_t row, fuse::EntryOut* out) {
  struct statx stx;
  if (!Stat(directory, rows, row, &stx) || IsLinked(stx)) return false;
  Show(directory, rows.IdOf(directory.number, row), stx, out);
  return true;
}

void RowNodes::Show(const Directory& directory, uint64_t nodeid, const struct statx& stx, fuse::EntryOut* out) {
  const Validity valid(directory.valid);
  *out = {};
  out->nodeid = nodeid;
  out->entry_valid = out->attr_valid = valid.seconds;
  out->entry_valid_nsec = out->attr_valid_nsec = valid.nanoseconds;
  out->attr = AttrOf(stx);
}

bool RowNodes::Attributes(const fuse::InHeader& header) {
  const Rows* rows = RowsOf(header.nodeid >> kRowBits);
  const size_t row = RowOf(header.nodeid);
  if (rows == nullptr || row >= rows->count || rows->told[row] == 0) return false;
  const Directory* directory = ServedAt(rows->nodeid);
  struct statx stx;
  if (directory == nullptr || !Stat(*directory, *rows, row, &stx)) return false;
  const Validity valid(directory->valid);
  counters_->mirrored++;
  if (header.opcode == fuse::kGetattr) {
    const fuse::AttrOut out = {valid.seconds, valid.nanoseconds, 0, AttrOf(stx)};
    answers_->Reply(header.unique, &out, sizeof out);
  } else {
    const fuse::StatxOut out = {valid.seconds, valid.nanoseconds, 0, {}, StatxOf(stx)};
    answers_->Reply(header.unique, &out, sizeof out);
  }
  return true;
}

bool RowNodes::Lookup(const fuse::InHeader& header, const HashedName& name) {
  auto served = served_.find(header.nodeid);
  if (served == served_.end()) return false;
  const Rows& rows = rows_.at(served->second.number);
  const size_t row = rows.table.Find(name, rows.count);
  if (row == rows.count || !Found(header, served->second, rows, row)) return false;
  counters_->found++;
  if (rows.table.kinds[row] != DT_DIR) habit_->Asked(header.nodeid);
  return true;
}

// Answers a LOOKUP of the row, if that can be done.
bool RowNodes::Found(const fuse::InHeader& header, const Directory& directory, const Rows& rows, size_t row) {
  struct statx stx;
  if (!Stat(directory, rows, row, &stx)) return false;
  const uint64_t own = rows.IdOf(directory.number, row);
  const std::string identity = IsLinked(stx) ? RowLinks::IdentityOf(stx) : "";
  const uint64_t nodeid = identity.empty() ? own : links_.NodeFor(identity, own);
  const Rows* first = RowsOf(nodeid >> kRowBits);
  if (nodeid == 0 || first == nullptr) return false;
  fuse::EntryOut out;
  Show(directory, nodeid, stx, &out);
  if (!answers_->Reply(header.unique, &out, sizeof out)) return true;
  Tell(*first, RowOf(nodeid));
  if (!identity.empty() && links_.Lead(identity, own, nodeid)) Tell(rows, row, Rows::kLeads);
  return true;
}

void RowNodes::Unlead(const std::vector<uint64_t>& names) {
  for (uint64_t row : names) {
    const Rows* rows = RowsOf(row >> kRowBits);
    if (rows != nullptr) Untell(*rows, RowOf(row), Rows::kLeads);
  }
}

uint8_t* RowNodes::KindOf(uint64_t nodeid, const HashedName& name) const {
  auto served = served_.find(nodeid);
  if (served == served_.end()) return nullptr;
  const Rows& rows = rows_.at(served->second.number);
  const size_t row = rows.table.Find(name, rows.count);
  if (row == rows.count || rows.told[row] == 0 || rows.told[row] == Rows::kLeads) return nullptr;
  if (links_.Has(rows.IdOf(served->second.number, row))) return nullptr;
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

bool RowNodes::FindDirectory(uint64_t nodeid, Place* place) {
  const Rows* rows = RowsOf(nodeid >> kRowBits);
  const size_t row = RowOf(nodeid);
  if (rows == nullptr || row >= rows->count || rows->told[row] == 0 || rows->table.kinds[row] != DT_DIR) return false;
  place->above = ServedAt(rows->nodeid);
  if (place->above == nullptr) return false;
  place->ino = rows->table.InoOf(row);
  place->parents = {NameIn(*place->above, rows->table, row, place->name)};
  const auto [from, to] = MoreOf(*rows, row);
  for (const uint32_t* pair = from; pair < to; pair += 2) {
    place->parents.push_back(pair[1] < place->above->parts.size() ? place->above->parts[pair[1]] : -1);
  }
  return std::find(place->parents.begin(), place->parents.end(), -1) == place->parents.end();
}

uint64_t RowNodes::AboveOf(uint64_t nodeid) const {
  const Rows* rows = RowsOf(nodeid >> kRowBits);
  return rows == nullptr ? 0 : rows->nodeid;
}

uint32_t RowNodes::ToldOf(uint64_t nodeid) const {
  const Rows* rows = RowsOf(nodeid >> kRowBits);
  return rows == nullptr || RowOf(nodeid) >= rows->count ? 0 : rows->told[RowOf(nodeid)];
}

uint32_t RowNodes::Put(uint64_t nodeid, uint8_t* into, PutCells* cells) {
  const Directory* directory = ServedAt(nodeid);
  if (directory == nullptr) return 0;
  const Rows& rows = rows_.at(directory->number);
  constexpr size_t kBefore = sizeof(fuse::EntryOut);
  uint32_t listed = 0;
  for (; cells->from < cells->to && cells->from < rows.count; cells->from++) {
    const uint8_t kind = rows.table.kinds[cells->from];
    if (kind == 0) continue;
    const size_t record = rows.table.SizeOf(cells->from, kBefore);
    const bool bare = (cells->stops >> (kind & 31) & 1) != 0;
    fuse::EntryOut entry = {};
    if (kind >= kTaken || record > cells->room || (!bare && !Fill(*directory, rows, cells->from, &entry))) break;
    memcpy(into + cells->at, &entry, sizeof entry);
    rows.table.Put(cells->from, into + cells->at, kBefore);
    if (!bare) Tell(rows, cells->from);
    cells->Passed(record);
    listed++;
  }
  counters_->found += listed;
  return listed;
}

bool RowNodes::Forget(uint64_t nodeid, uint64_t count) {
  if (ToldOf(nodeid) == 0) return false;
  const Rows& rows = rows_.at(nodeid >> kRowBits);
  Untell(rows, RowOf(nodeid), count);
  const auto linked = rows.told[RowOf(nodeid)] > 0 ? std::nullopt : links_.Take(nodeid);
  if (linked) Unlead(linked->names);
  return rows.told[RowOf(nodeid)] > 0 || rows.live() > 0 || rows.own;
}

}  // namespace stratafs
