// What the data plane changed by itself, for JavaScript to read before it does anything else (lib/union/changes.ts). Knows no
// files. JavaScript thread only.

#ifndef STRATAFS_CHANGE_LOG_H_
#define STRATAFS_CHANGE_LOG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace stratafs {

// The memory is JavaScript's: how many records, then those; their names, one after the other.
class ChangeLog {
 public:
  // Words of a record, as in lib/union/changes.ts.
  enum Word { kKind, kDir, kNodeid, kNameLength, kInoLow, kInoHigh, kFormat, kFh, kFd, kFlags, kBacking, kForgotten, kWords };
  enum Kind { kMade, kTaken, kHidden, kOpened };

  void Begin(double* records, size_t records_length, uint8_t* names, size_t names_length) {
    records_ = records, records_length_ = records_length, names_ = names, names_length_ = names_length;
  }

  size_t count() const { return records_ == nullptr ? 0 : static_cast<size_t>(records_[0]); }

  // False, too, where nobody reads.
  bool HasRoom(size_t name_length) const {
    const size_t used = count() == 0 ? 0 : names_used_;
    return 1 + (count() + 1) * kWords <= records_length_ && used + name_length <= names_length_;
  }

  // There is room. What is not set is 0.
  double* Write(Kind kind, uint64_t dir, uint64_t nodeid, const char* name, size_t name_length) {
    if (count() == 0) names_used_ = 0;
    double* record = At(count());
    std::fill(record, record + kWords, 0.0);
    record[kKind] = kind;
    record[kDir] = static_cast<double>(dir);
    record[kNodeid] = static_cast<double>(nodeid);
    record[kNameLength] = static_cast<double>(name_length);
    memcpy(names_ + names_used_, name, name_length);
    names_used_ += name_length;
    records_[0] += 1;
    return record;
  }

  // The latest record of this kind with `value` in `word`; null: there is none.
  double* Find(Kind kind, Word word, uint64_t value) const {
    for (size_t at = count(); at-- > 0;) {
      double* record = At(at);
      if (record[kKind] == kind && record[word] == static_cast<double>(value)) return record;
    }
    return nullptr;
  }

 private:
  double* At(size_t at) const { return records_ + 1 + at * kWords; }

  double* records_ = nullptr;
  size_t records_length_ = 0;
  uint8_t* names_ = nullptr;
  size_t names_length_ = 0;
  size_t names_used_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_CHANGE_LOG_H_
