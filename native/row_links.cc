#include "row_links.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "attributes.h"

namespace stratafs {

std::string RowLinks::IdentityOf(const struct statx& stx) {
  char text[64];
  snprintf(text, sizeof text, "%u:%u:%u", EncodeDev(stx.stx_dev_major, stx.stx_dev_minor), static_cast<uint32_t>(stx.stx_ino >> 32),
           static_cast<uint32_t>(stx.stx_ino));
  return text;
}

void RowLinks::Own(const std::string& identity, bool owned) {
  auto found = nodes_.find(identity);
  if (owned && found == nodes_.end()) nodes_.emplace(identity, 0);
  if (!owned && found != nodes_.end() && found->second == 0) nodes_.erase(found);
}

uint64_t RowLinks::NodeFor(const std::string& identity, uint64_t row) const {
  auto found = nodes_.find(identity);
  if (found != nodes_.end()) return found->second;
  return allowed_ ? row : 0;
}

bool RowLinks::Lead(const std::string& identity, uint64_t row, uint64_t node) {
  if (row == node) {
    if (nodes_.emplace(identity, node).second) files_[node].identity = identity;
    return false;
  }
  const bool leads = leads_.emplace(row, node).second;
  if (leads) files_.at(node).names.push_back(row);
  return leads;
}

uint64_t RowLinks::NodeOf(const std::string& identity) const {
  auto found = nodes_.find(identity);
  return found == nodes_.end() ? 0 : found->second;
}

uint64_t RowLinks::LedTo(uint64_t row) const {
  auto found = leads_.find(row);
  return found == leads_.end() ? 0 : found->second;
}

std::vector<uint64_t> RowLinks::Between(uint64_t from, uint64_t to) const {
  std::vector<uint64_t> rows;
  for (auto at = files_.lower_bound(from); at != files_.end() && at->first < to; ++at) rows.push_back(at->first);
  for (auto at = leads_.lower_bound(from); at != leads_.end() && at->first < to; ++at) rows.push_back(at->first);
  return rows;
}

std::vector<uint64_t> RowLinks::Part(uint64_t from, uint64_t to) {
  std::vector<uint64_t> rows;
  const auto first = leads_.lower_bound(from), end = leads_.lower_bound(to);
  for (auto at = first; at != end; ++at) {
    std::vector<uint64_t>& names = files_.at(at->second).names;
    names.erase(std::find(names.begin(), names.end(), at->first));
    rows.push_back(at->first);
  }
  leads_.erase(first, end);
  return rows;
}

std::optional<RowLinks::File> RowLinks::Take(uint64_t node) {
  auto found = files_.find(node);
  if (found == files_.end()) return std::nullopt;
  File file = std::move(found->second);
  files_.erase(found);
  nodes_.erase(file.identity);
  for (uint64_t row : file.names) leads_.erase(row);
  return file;
}

}  // namespace stratafs
