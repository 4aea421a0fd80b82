// What each file of native/ contributes to the addon's exports. Declarations only.

#ifndef STRATAFS_MODULES_H_
#define STRATAFS_MODULES_H_

#include <node_api.h>

namespace stratafs {

void RegisterNames(napi_env env, napi_value target);
void RegisterFiles(napi_env env, napi_value target);
void RegisterMetadata(napi_env env, napi_value target);
void RegisterStat(napi_env env, napi_value target);
void RegisterDirents(napi_env env, napi_value target);
void RegisterNameTables(napi_env env, napi_value target);
void RegisterXattr(napi_env env, napi_value target);
void RegisterMount(napi_env env, napi_value target);
void RegisterCopy(napi_env env, napi_value target);
void RegisterCompound(napi_env env, napi_value target);
void RegisterDirectories(napi_env env, napi_value target);
void RegisterJobs(napi_env env, napi_value target);
napi_value OpenChannel(napi_env env, napi_callback_info info);

}  // namespace stratafs

#endif  // STRATAFS_MODULES_H_
