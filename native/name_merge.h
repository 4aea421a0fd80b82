// The names of several directories in the order of their hashes, as rows of one table (name_table.h). Refuses to know what a
// name means: which are no rows, the caller says.

#ifndef STRATAFS_NAME_MERGE_H_
#define STRATAFS_NAME_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "name_table.h"

namespace stratafs {

class NameMerge {
 public:
  struct Name {
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

  // What is left to the caller: names of these d_types, as bits, or with this prefix; longer ones than kNameMax, too.
  struct Apart {
    uint32_t types;
    const char* prefix;
    size_t prefix_length;
  };

  // The records of getdents64 of directory `source`, which stay where they are; sources ascend.
  void Add(const uint8_t* records, size_t bytes, uint16_t source, const Apart& apart);
  // All were added. Of a name that several have the first one's counts; it is apart where one of them is.
  void Settle();

  size_t apart() const { return apart_; }
  // Rows.
  size_t count() const { return names_.size() - apart_ - hidden_; }
  size_t table_bytes() const { return count() * NameTable::kRowBytes + text_bytes_; }
  // Into so many bytes. `more`: of directories, rows and the further sources that have them.
  void Write(void* table, std::vector<uint32_t>* more) const;
  // As they were added.
  const std::vector<Name>& names() const { return names_; }

 private:
  void SettleOne(size_t from, size_t to);

  std::vector<Name> names_;
  std::vector<uint32_t> order_;
  size_t apart_ = 0, hidden_ = 0, text_bytes_ = 0;
};

}  // namespace stratafs

#endif  // STRATAFS_NAME_MERGE_H_
