// Files with several links among rows (row_nodes.h): all names of such a file lead to one node, that of the row by which it was
// found first. A file that JavaScript has an object of is no row's. Refuses to count. JavaScript thread only.

#ifndef STRATAFS_ROW_LINKS_H_
#define STRATAFS_ROW_LINKS_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace stratafs {

class RowLinks {
 public:
  struct File {
    // What Stat.identity() of lib/sys/stat.ts says.
    std::string identity;
    // Other rows that lead to its node.
    std::vector<uint64_t> names;
  };

  static std::string IdentityOf(const struct statx& stx);

  // While it is false no file becomes known.
  void Allow(bool allowed) { allowed_ = allowed; }
  // JavaScript has an object of the file, or has it no longer.
  void Own(const std::string& identity, bool owned);

  // The node of the file that is found as `row`; 0: JavaScript's.
  uint64_t NodeFor(const std::string& identity, uint64_t row) const;
  // The kernel was told of `row` as that node; true when it leads there from now on only.
  bool Lead(const std::string& identity, uint64_t row, uint64_t node);

  bool Has(uint64_t node) const { return files_.count(node) > 0; }
  // 0: of no row.
  uint64_t NodeOf(const std::string& identity) const;
  // 0: it leads nowhere else.
  uint64_t LedTo(uint64_t row) const;
  // Rows from..to that lead elsewhere, or to which others may.
  std::vector<uint64_t> Between(uint64_t from, uint64_t to) const;
  // Those of them that lead elsewhere do so no longer.
  std::vector<uint64_t> Part(uint64_t from, uint64_t to);
  // What is known of a node is the caller's from now on.
  std::optional<File> Take(uint64_t node);

 private:
  bool allowed_ = false;
  std::unordered_map<std::string, uint64_t> nodes_;  // 0: JavaScript's
  std::map<uint64_t, File> files_;                   // by node
  std::map<uint64_t, uint64_t> leads_;               // by row
};

}  // namespace stratafs

#endif  // STRATAFS_ROW_LINKS_H_
