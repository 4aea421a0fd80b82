// What is not plain, or fails, is JavaScript's to do, and to say why.

#include "row_directories.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "calls.h"
#include "directories.h"
#include "name_merge.h"

namespace stratafs {
namespace {

// Directories whose records take more are JavaScript's.
constexpr size_t kRoomBytes = 1 << 20;
constexpr size_t kLongestReply = 1 << 20;
// Of `.` and `..`; those of names are above.
constexpr uint64_t kCookieDot = 1, kCookieDotDot = 2;

// One listing on its way into a reply.
class Listing {
 public:
  // `before`: so many bytes are ahead of each record.
  Listing(std::vector<uint8_t>* out, size_t room, size_t before) : out_(out), room_(room), before_(before) { out_->clear(); }

  bool Fits(size_t size) const { return out_->size() + size <= room_; }

  // Where the next `size` bytes go, cleared.
  uint8_t* Next(size_t size) {
    out_->resize(out_->size() + size);
    return out_->data() + out_->size() - size;
  }

  // False when it does not fit.
  bool Dots(const char* name, uint64_t ino, uint64_t cookie) {
    const size_t length = strlen(name);
    const size_t size = (before_ + sizeof(fuse::Dirent) + length + 7) & ~size_t{7};
    if (!Fits(size)) return false;
    uint8_t* record = Next(size);
    const fuse::Dirent head = {ino, cookie, static_cast<uint32_t>(length), DT_DIR};
    memcpy(record + before_, &head, sizeof head);
    memcpy(record + before_ + sizeof head, name, length);
    return true;
  }

 private:
  std::vector<uint8_t>* const out_;
  const size_t room_, before_;
};

RowNodes::Rows RowsIn(RowDirectories::Entered* entered, uint64_t nodeid) {
  const size_t count = entered->told.size() - 1;
  return {NameTable(entered->table.get(), count), count, entered->told.data(), entered->more.data(), entered->more.size(),
          nodeid, true};
}

std::vector<int> NumbersOf(const std::vector<UniqueFd>& files) {
  std::vector<int> numbers;
  for (const UniqueFd& file : files) numbers.push_back(file.get());
  return numbers;
}

}  // namespace

bool RowDirectories::Read(const RowNodes::Place& place, Entered* entered) {
  const size_t count = place.parents.size();
  if (count > UINT16_MAX) return false;
  // Not filled: pages that no record reaches take no memory.
  if (room_ == nullptr) room_.reset(new uint8_t[kRoomBytes]);
  std::vector<int32_t> words(count * kReadWords);
  const Marks marks = {rules_->mark.c_str(), rules_->part.c_str()};
  const size_t plain =
      ReadPlain(place.parents.data(), static_cast<uint32_t>(count), place.name, marks, {room_.get(), kRoomBytes}, 0, words.data());
  for (size_t at = 0; at < count; at++) entered->parts.emplace_back(words[at * kReadWords + kReadFd]);
  if (plain < count) return false;
  const NameMerge::Apart apart = {rules_->types, rules_->prefix.c_str(), rules_->prefix.size()};
  NameMerge merge;
  size_t from = 0;
  for (size_t at = 0; at < count; at++) {
    const size_t to = static_cast<size_t>(words[at * kReadWords + kReadTo]);
    merge.Add(room_.get() + from, to - from, static_cast<uint16_t>(at), apart);
    from = to;
  }
  merge.Settle();
  if (merge.apart() > 0 || merge.count() > rules_->most) return false;
  entered->bytes = merge.table_bytes();
  entered->table.reset(new uint8_t[entered->bytes]);
  merge.Write(entered->table.get(), &entered->more);
  entered->told.assign(merge.count() + 1, 0);
  return true;
}

bool RowDirectories::Enter(uint64_t nodeid) {
  RowNodes::Place place;
  Entered entered = {};
  if (!rows_->FindDirectory(nodeid, &place) || !Read(place, &entered)) return false;
  entered.number = next_++;
  entered.ino_above = place.above->ino;
  auto known = known_.insert_or_assign(nodeid, std::move(entered)).first;
  rows_->Know(known->second.number, RowsIn(&known->second, nodeid));
  rows_->Serve({known->second.number, NumbersOf(known->second.parts), place.above->valid, place.above->nlink, place.ino});
  counters_->entered++;
  Open(nodeid, &known->second);
  return true;
}

// It has descriptors now; the one that has had them longest may lose them.
void RowDirectories::Open(uint64_t nodeid, Entered* entered) {
  entered->place = open_.insert(open_.end(), nodeid);
  open_count_ += entered->parts.size();
  while (open_count_ > most_open_ && open_.front() != nodeid) {
    const uint64_t first = open_.front();
    Entered& oldest = known_.at(first);
    Uncount(oldest);
    oldest.parts.clear();
    RowNodes::Directory* served = rows_->ServedAt(first);
    std::fill(served->parts.begin(), served->parts.end(), -1);
  }
}

// Its descriptors are nothing that has to make room any more.
void RowDirectories::Uncount(const Entered& entered) {
  if (entered.parts.empty()) return;
  open_count_ -= entered.parts.size();
  open_.erase(entered.place);
}

// True when names in it are answered here, and can be.
bool RowDirectories::Reach(uint64_t nodeid) {
  auto known = known_.find(nodeid);
  if (known != known_.end()) return !known->second.parts.empty() || Reopen(nodeid, &known->second);
  if (!allowed_ || !rules_ || rows_->ToldOf(nodeid) == 0) return false;
  const uint64_t above = rows_->AboveOf(nodeid);
  return (known_.count(above) == 0 || Reach(above)) && Enter(nodeid);
}

bool RowDirectories::Reopen(uint64_t nodeid, Entered* entered) {
  RowNodes::Place place;
  const uint64_t above = rows_->AboveOf(nodeid);
  if (known_.count(above) > 0 && !Reach(above)) return false;
  if (!rows_->FindDirectory(nodeid, &place)) return false;
  std::vector<UniqueFd> parts;
  for (int parent : place.parents) {
    parts.emplace_back(OpenQuietly(parent, place.name));
    if (!parts.back().ok()) return false;
  }
  rows_->ServedAt(nodeid)->parts = NumbersOf(parts);
  entered->parts = std::move(parts);
  Open(nodeid, entered);
  return true;
}

bool RowDirectories::Lookup(const fuse::InHeader& header, const HashedName& name) {
  auto known = known_.find(header.nodeid);
  const bool tried = known != known_.end() && !known->second.parts.empty();
  if (!tried && Reach(header.nodeid) && rows_->Lookup(header, name)) return true;
  return Miss(header, name);
}

// All names of a directory that was entered are rows.
bool RowDirectories::Miss(const fuse::InHeader& header, const HashedName& name) {
  if (known_.count(header.nodeid) == 0) return false;
  const RowNodes::Directory* served = rows_->ServedAt(header.nodeid);
  const RowNodes::Rows* rows = rows_->RowsOf(served->number);
  if (rows->table.Find(name, rows->count) < rows->count) return false;
  answers_->ReplyAbsent(header.unique, served->valid);
  return true;
}

bool RowDirectories::List(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  fuse::ReadIn in;
  if (size < sizeof in || !Reach(header.nodeid)) return false;
  memcpy(&in, body, sizeof in);
  const RowNodes::Rows& rows = *rows_->RowsOf(rows_->ServedAt(header.nodeid)->number);
  std::vector<uint32_t> told;
  counters_->listed += Put(header, in, &told);
  if (answers_->Reply(header.unique, reply_.data(), reply_.size())) return true;
  for (uint32_t row : told) RowNodes::Untell(rows, row, 1);
  return true;
}

// Into reply_; how many names. `told`: rows that come with their attributes.
size_t RowDirectories::Put(const fuse::InHeader& header, const fuse::ReadIn& in, std::vector<uint32_t>* told) {
  const RowNodes::Directory& served = *rows_->ServedAt(header.nodeid);
  const RowNodes::Rows& rows = *rows_->RowsOf(served.number);
  const bool plus = header.opcode == fuse::kReaddirplus;
  const size_t before = plus ? sizeof(fuse::EntryOut) : 0;
  const bool begins = plus && in.offset == 0;
  const bool fills = begins ? habit_->Begins(header.nodeid, rows.count) : habit_->Fills(header.nodeid);
  Listing listing(&reply_, std::min<size_t>(in.size, kLongestReply), before);
  if (in.offset < kCookieDot && !listing.Dots(".", served.ino, kCookieDot)) return 0;
  if (in.offset < kCookieDotDot && !listing.Dots("..", known_.at(header.nodeid).ino_above, kCookieDotDot)) return 0;
  const double* keys = rows.table.keys;
  size_t row = static_cast<size_t>(std::upper_bound(keys, keys + rows.count, static_cast<double>(in.offset)) - keys);
  const size_t first = row;
  for (; row < rows.count; row++) {
    const size_t record = rows.table.SizeOf(row, before);
    if (!listing.Fits(record)) break;
    uint8_t* into = listing.Next(record);
    fuse::EntryOut entry;
    // Directories are entered by most who list.
    if (plus && (fills || rows.table.kinds[row] == DT_DIR) && rows_->Fill(served, rows, row, &entry)) {
      memcpy(into, &entry, sizeof entry);
      RowNodes::Tell(rows, row);
      told->push_back(static_cast<uint32_t>(row));
    }
    rows.table.Put(row, into, before);
  }
  return row - first;
}

bool RowDirectories::Forget(uint64_t nodeid, uint64_t count) {
  auto known = known_.find(nodeid);
  if (known == known_.end() || count < rows_->ToldOf(nodeid)) return rows_->Forget(nodeid, count);
  rows_->Part(known->second.number);
  // The kernel still knows files that have names in it: who has them from now on is JavaScript's to decide.
  if (known->second.told.back() > 0) return false;
  const bool settled = rows_->Forget(nodeid, count);
  Take(nodeid);
  GiveBack();
  return settled;
}

// What many tables took goes back to the host with the last of them.
void RowDirectories::GiveBack() {
  dropped_++;
  if (!known_.empty() || dropped_ < kWave) return;
  dropped_ = 0;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

uint64_t RowDirectories::DirectoryOf(uint64_t number) const {
  const RowNodes::Rows* rows = rows_->RowsOf(number);
  return rows == nullptr || !rows->own ? 0 : rows->nodeid;
}

std::optional<RowDirectories::Entered> RowDirectories::Take(uint64_t nodeid) {
  auto known = known_.find(nodeid);
  if (known == known_.end()) return std::nullopt;
  Entered entered = std::move(known->second);
  known_.erase(known);
  Uncount(entered);
  rows_->Drop(entered.number);
  habit_->Forget(nodeid);
  return entered;
}

void RowDirectories::Stop() {
  rules_.reset();
  while (!known_.empty()) Take(known_.begin()->first);
}

size_t RowDirectories::live() const {
  size_t sum = 0;
  for (const auto& [nodeid, entered] : known_) sum += entered.told.back();
  return sum;
}

}  // namespace stratafs
