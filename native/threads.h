// Threads beside Node's. They take no signals: handlers belong to the threads that installed them.

#ifndef STRATAFS_THREADS_H_
#define STRATAFS_THREADS_H_

#include <pthread.h>
#include <signal.h>

namespace stratafs {

inline bool StartQuietThread(pthread_t* thread, void* (*main)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(thread, nullptr, main, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace stratafs

#endif  // STRATAFS_THREADS_H_
