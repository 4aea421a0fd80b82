// The queue of fsyncs and its threads. Each request is answered by who takes its number out of
// `unanswered_`: the thread that has flushed, or the interrupt that came before.

#include "fsyncs.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "threads.h"

namespace stratafs {
namespace {

// Filesystems commit together what is flushed at once.
constexpr size_t kThreads = 4;
constexpr size_t kQueueMax = 256;

}  // namespace

bool Fsyncs::Take(uint64_t unique, const SharedFd& file, bool data_only) {
  pthread_mutex_lock(&mutex_);
  bool taken = !stopping_ && queue_.size() < kQueueMax;
  if (taken && idle_ <= queue_.size() && threads_.size() < kThreads) taken = StartThread() || !threads_.empty();
  if (taken) {
    queue_.push_back({unique, file, data_only});
    unanswered_.push_back(unique);
  }
  pthread_mutex_unlock(&mutex_);
  if (taken) pthread_cond_signal(&wake_);
  return taken;
}

bool Fsyncs::Interrupt(uint64_t unique) {
  const bool ours = Claim(unique);
  if (ours) answers_->ReplyError(unique, EINTR);
  return ours;
}

bool Fsyncs::Claim(uint64_t unique) {
  pthread_mutex_lock(&mutex_);
  auto found = std::find(unanswered_.begin(), unanswered_.end(), unique);
  const bool claimed = found != unanswered_.end();
  if (claimed) unanswered_.erase(found);
  pthread_mutex_unlock(&mutex_);
  return claimed;
}

bool Fsyncs::StartThread() {
  pthread_t thread;
  if (!StartQuietThread(&thread, ThreadMain, this)) return false;
  threads_.push_back(thread);
  return true;
}

void* Fsyncs::ThreadMain(void* self) {
  pthread_setname_np(pthread_self(), "stratafs-fsync");
  static_cast<Fsyncs*>(self)->Work();
  return nullptr;
}

void Fsyncs::Work() {
  Fsync one;
  while (Next(&one)) {
    Run(one);
    one.file.reset();
  }
}

// False when all is done and the channel stops.
bool Fsyncs::Next(Fsync* out) {
  pthread_mutex_lock(&mutex_);
  idle_++;
  while (queue_.empty() && !stopping_) pthread_cond_wait(&wake_, &mutex_);
  idle_--;
  const bool more = !queue_.empty();
  if (more) {
    *out = std::move(queue_.front());
    queue_.pop_front();
  }
  pthread_mutex_unlock(&mutex_);
  return more;
}

void Fsyncs::Run(const Fsync& one) {
  pthread_mutex_lock(&mutex_);
  const bool wanted = std::find(unanswered_.begin(), unanswered_.end(), one.unique) != unanswered_.end();
  pthread_mutex_unlock(&mutex_);
  if (!wanted) return;
  const int fd = one.file->get();
  const int code = (one.data_only ? fdatasync(fd) : fsync(fd)) < 0 ? errno : 0;
  if (Claim(one.unique)) answers_->ReplyError(one.unique, code);
}

void Fsyncs::Stop() {
  pthread_mutex_lock(&mutex_);
  stopping_ = true;
  pthread_mutex_unlock(&mutex_);
  pthread_cond_broadcast(&wake_);
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
  threads_.clear();
}

}  // namespace stratafs
