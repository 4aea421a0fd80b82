// Whether those who list directories go on to ask for the attributes of what they found. To fill the kernel's caches along
// with a listing costs a stat for each name; not to, a round trip for each name that is asked for. Questions that the caches
// answer are not seen, so now and then a listing is left bare to find out. No I/O. JavaScript thread only.

#ifndef STRATAFS_LISTING_HABIT_H_
#define STRATAFS_LISTING_HABIT_H_

#include <cstddef>
#include <cstdint>
#include <unordered_set>

namespace stratafs {

class ListingHabit {
 public:
  ListingHabit() = default;
  ListingHabit(const ListingHabit&) = delete;
  ListingHabit& operator=(const ListingHabit&) = delete;

  // A listing of `nodeid`, which has `names` names, begins: true when it should be filled.
  bool Begins(uint64_t nodeid, size_t names) {
    if (trying_ && asked_ < kEnough) fills_ = false;
    trying_ = false;
    // Of many small directories each is asked for little.
    asked_ >>= 1;
    if (names >= kTelling) trying_ = ++listings_ % kTryEvery == kFirstTry && fills_;
    if (trying_) asked_ = 0;
    if (bare_.size() == kMostBare) bare_.clear();
    if (fills_ && !trying_) bare_.erase(nodeid);
    else bare_.insert(nodeid);
    return Fills(nodeid);
  }

  // How the listing of `nodeid` goes on.
  bool Fills(uint64_t nodeid) const { return bare_.count(nodeid) == 0; }

  // Somebody asked for a name in `nodeid` that is no directory; walkers enter those whatever they do with files.
  void Asked(uint64_t nodeid) {
    if (bare_.empty() || Fills(nodeid)) return;
    if (++asked_ >= kEnough) fills_ = true;
  }

  // The kernel has forgotten it.
  void Forget(uint64_t nodeid) { bare_.erase(nodeid); }

 private:
  // So many questions about bare listings say that filling is worth it.
  static constexpr uint32_t kEnough = 4;
  // Smaller directories tell nothing.
  static constexpr size_t kTelling = 2 * kEnough;
  // While listings are filled, the second is left bare, and then each of so many.
  static constexpr uint32_t kTryEvery = 64;
  static constexpr uint32_t kFirstTry = 2;
  // Of more nobody remembers how they were listed, and so not whether somebody asks.
  static constexpr size_t kMostBare = 1 << 14;

  bool fills_ = true;
  uint32_t listings_ = 0;
  bool trying_ = false;
  uint32_t asked_ = 0;
  std::unordered_set<uint64_t> bare_;
};

}  // namespace stratafs

#endif  // STRATAFS_LISTING_HABIT_H_
