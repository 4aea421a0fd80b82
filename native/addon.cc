// The addon's door: {syscalls, jobs, tables, openChannel}. Owns the shape of the exports and nothing else;
// there is no state shared between environments. Knows no policy: every call does what it is told.

#include "modules.h"
#include "node_api_util.h"

namespace {

napi_value Object(napi_env env) {
  napi_value out = nullptr;
  napi_create_object(env, &out);
  return out;
}

napi_value Init(napi_env env, napi_value exports) {
  napi_value syscalls = Object(env);
  stratafs::RegisterNames(env, syscalls);
  stratafs::RegisterFiles(env, syscalls);
  stratafs::RegisterMetadata(env, syscalls);
  stratafs::RegisterStat(env, syscalls);
  stratafs::RegisterDirents(env, syscalls);
  stratafs::RegisterXattr(env, syscalls);
  stratafs::RegisterMount(env, syscalls);
  stratafs::RegisterCopy(env, syscalls);
  stratafs::RegisterCompound(env, syscalls);
  stratafs::RegisterDirectories(env, syscalls);
  napi_value jobs = Object(env);
  stratafs::RegisterJobs(env, jobs);
  napi_value tables = Object(env);
  stratafs::RegisterNameTables(env, tables);
  stratafs::SetNamed(env, exports, "syscalls", syscalls);
  stratafs::SetNamed(env, exports, "tables", tables);
  stratafs::SetNamed(env, exports, "jobs", jobs);
  const stratafs::Method own[] = {{"openChannel", stratafs::OpenChannel}};
  stratafs::Expose(env, exports, own);
  return exports;
}

}  // namespace

NAPI_MODULE(stratafs, Init)
