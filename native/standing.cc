// The two tables of standing handles, by fh and by node, and the order in which idle ones were closed.
// JavaScript thread only.

#include "standing.h"

namespace stratafs {
namespace {

// Once all places are taken, so many newcomers have to come for one of them to get in. More files than there are places,
// opened in turn, would else put each other out before they are opened again.
constexpr uint64_t kTurns = 8;

}  // namespace

void Standing::Stand(const Answer& answer) {
  if (idle_max_ == 0 || nodes_.count(answer.nodeid) > 0) return;
  if (idle_.size() >= idle_max_ && ++turned_away_ % kTurns != 0) return;
  auto [place, fresh] = handles_.try_emplace(answer.fh, Handle{answer, 1, true, {}});
  if (fresh) nodes_[answer.nodeid] = &place->second;
}

bool Standing::Withdraw(uint64_t fh) {
  auto found = handles_.find(fh);
  if (found == handles_.end()) return false;
  Handle& handle = found->second;
  if (handle.stands) nodes_.erase(handle.answer.nodeid);
  handle.stands = false;
  if (handle.opens > 0) return false;
  idle_.erase(handle.place);
  handles_.erase(found);
  return true;
}

uint64_t Standing::Reclaim() {
  if (idle_.empty()) return 0;
  uint64_t fh = idle_.front();
  Withdraw(fh);
  return fh;
}

void Standing::Forget(uint64_t fh) {
  if (!Withdraw(fh)) handles_.erase(fh);
}

const Standing::Answer* Standing::Find(uint64_t nodeid, const fuse::OpenIn& in) const {
  auto found = nodes_.find(nodeid);
  if (found == nodes_.end() || in.open_flags != 0) return nullptr;
  const Answer& answer = found->second->answer;
  return (in.flags & ~answer.indifferent) == 0 ? &answer : nullptr;
}

uint64_t Standing::Whole(uint64_t nodeid) const {
  auto found = nodes_.find(nodeid);
  return found == nodes_.end() || !found->second->answer.whole ? 0 : found->second->answer.fh;
}

void Standing::Opened(uint64_t fh) {
  auto found = handles_.find(fh);
  if (found != handles_.end() && found->second.opens++ == 0) idle_.erase(found->second.place);
}

uint64_t Standing::Release(uint64_t fh) {
  auto found = handles_.find(fh);
  if (found == handles_.end() || found->second.opens == 0) return fh;
  Handle& handle = found->second;
  if (--handle.opens > 0) return 0;
  if (!handle.stands) {
    handles_.erase(found);
    return fh;
  }
  handle.place = idle_.insert(idle_.end(), fh);
  return idle_.size() > idle_max_ ? Reclaim() : 0;
}

}  // namespace stratafs
