// FSYNC of granted handles, on threads of its own: neither the JavaScript thread nor a READ waits behind
// one, and the thread that waited for the disk answers. Knows descriptors and no handles.

#ifndef STRATAFS_FSYNCS_H_
#define STRATAFS_FSYNCS_H_

#include <pthread.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "answers.h"
#include "unique_fd.h"

namespace stratafs {

class Fsyncs {
 public:
  explicit Fsyncs(Answers* answers) : answers_(answers) {}
  ~Fsyncs() { Stop(); }
  Fsyncs(const Fsyncs&) = delete;
  Fsyncs& operator=(const Fsyncs&) = delete;

  // True when the request is or will be answered. JavaScript thread only, as are the next two.
  bool Take(uint64_t unique, const SharedFd& file, bool data_only);

  // The caller of `unique` got a signal: it is answered EINTR now. False: it does not wait here.
  bool Interrupt(uint64_t unique);

  // Answers what is queued and joins the threads.
  void Stop();

 private:
  struct Fsync {
    uint64_t unique;
    SharedFd file;
    bool data_only;
  };

  bool StartThread();
  static void* ThreadMain(void* self);
  void Work();
  bool Next(Fsync* out);
  void Run(const Fsync& one);
  bool Claim(uint64_t unique);

  Answers* const answers_;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
  std::deque<Fsync> queue_;
  std::vector<uint64_t> unanswered_;  // whoever takes a number out answers it
  std::vector<pthread_t> threads_;
  size_t idle_ = 0;                   // threads that wait for work
  bool stopping_ = false;
};

}  // namespace stratafs

#endif  // STRATAFS_FSYNCS_H_
