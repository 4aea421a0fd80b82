// Calls that may block for long, run on libuv's threads; each is a promise that settles with >= 0
// or -errno and never rejects. A job keeps the typed arrays it was given alive.
// Refuses to know the order of jobs: who needs one awaits it.

#include <fcntl.h>
#include <unistd.h>

#include "copy.h"
#include "modules.h"
#include "node_api_util.h"

namespace stratafs {
namespace {

struct Job;
using Work = int64_t (*)(const Job&);

struct Job {
  Work work = nullptr;
  const char* name = nullptr;
  int fd = -1;
  int other = -1;
  int64_t a = 0, b = 0, c = 0;
  bool flag = false;
  const int32_t* cancel = nullptr;
  int64_t result = 0;

  napi_async_work handle = nullptr;
  napi_deferred deferred = nullptr;
  napi_ref kept = nullptr;
};

int64_t Coded(int64_t rc) { return rc < 0 ? -errno : rc; }

int64_t DoCopyData(const Job& job) { return CopyData({job.fd, job.other, job.a, job.cancel, job.flag}); }
int64_t DoCopyRange(const Job& job) { return CopyRange(job.fd, job.a, job.other, job.b, job.c); }
int64_t DoFsync(const Job& job) { return Coded(job.flag ? fdatasync(job.fd) : fsync(job.fd)); }
int64_t DoSyncfs(const Job& job) { return Coded(syncfs(job.fd)); }
int64_t DoClose(const Job& job) { return Coded(close(job.fd)); }
int64_t DoFallocate(const Job& job) { return Coded(fallocate(job.fd, job.other, job.a, job.b)); }

void Execute(napi_env, void* data) {
  Job* job = static_cast<Job*>(data);
  job->result = job->work(*job);
}

void Complete(napi_env env, napi_status status, void* data) {
  Job* job = static_cast<Job*>(data);
  napi_value value = status == napi_ok ? Number(env, static_cast<double>(job->result))
                                       : ErrnoResult(env, EINTR);
  if (job->kept != nullptr) napi_delete_reference(env, job->kept);
  napi_resolve_deferred(env, job->deferred, value);
  napi_delete_async_work(env, job->handle);
  delete job;
}

napi_value Start(napi_env env, const Job& wanted, napi_value keep) {
  Job* job = new Job(wanted);
  napi_value promise = nullptr, name = Latin1(env, job->name, NAPI_AUTO_LENGTH);
  napi_create_promise(env, &job->deferred, &promise);
  if (keep != nullptr) napi_create_reference(env, keep, 1, &job->kept);
  napi_create_async_work(env, nullptr, name, Execute, Complete, job, &job->handle);
  if (napi_queue_async_work(env, job->handle) != napi_ok) Complete(env, napi_cancelled, job);
  return promise;
}

Job Named(const char* name, Work work) {
  Job job;
  job.name = name;
  job.work = work;
  return job;
}

napi_value JobCopyData(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.copyData", DoCopyData);
  job.fd = args.Int(0);
  job.other = args.Int(1);
  job.a = args.I64(2);
  job.flag = args.Bool(4);
  Bytes word = args.Typed(3, napi_int32_array, "an Int32Array");
  if (args.ok() && word.length < 1) args.Wrong(3, "an Int32Array with one element");
  if (!args.ok()) return args.Refuse();
  job.cancel = reinterpret_cast<const int32_t*>(word.data);
  return Start(env, job, args.raw(3));
}

napi_value JobCopyRange(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.copyRange", DoCopyRange);
  job.fd = args.Int(0);
  job.a = args.I64(1);
  job.other = args.Int(2);
  job.b = args.I64(3);
  job.c = args.I64(4);
  if (!args.ok()) return args.Refuse();
  return Start(env, job, nullptr);
}

int64_t DoOrderData(const Job& job) {
  unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  return Coded(sync_file_range(job.fd, 0, 0, flags));
}

napi_value JobOrderData(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.orderData", DoOrderData);
  job.fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return Start(env, job, nullptr);
}

napi_value JobFsync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.fsync", DoFsync);
  job.fd = args.Int(0);
  job.flag = args.Bool(1);
  if (!args.ok()) return args.Refuse();
  return Start(env, job, nullptr);
}

napi_value JobSyncfs(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.syncfs", DoSyncfs);
  job.fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return Start(env, job, nullptr);
}

napi_value JobClose(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.close", DoClose);
  job.fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return Start(env, job, nullptr);
}

napi_value JobFallocate(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Job job = Named("stratafs.fallocate", DoFallocate);
  job.fd = args.Int(0);
  job.other = args.Int(1);
  job.a = args.I64(2);
  job.b = args.I64(3);
  if (!args.ok()) return args.Refuse();
  return Start(env, job, nullptr);
}

}  // namespace

void RegisterJobs(napi_env env, napi_value target) {
  const Method methods[] = {{"copyData", JobCopyData}, {"copyRange", JobCopyRange},
                            {"fsync", JobFsync},       {"orderData", JobOrderData},       {"syncfs", JobSyncfs},
                            {"close", JobClose},       {"fallocate", JobFallocate}};
  Expose(env, target, methods);
}

}  // namespace stratafs
