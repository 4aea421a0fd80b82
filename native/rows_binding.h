// Methods of a channel about rows (row_nodes.h, row_directories.h) and listings (listing_habit.h).

#ifndef STRATAFS_ROWS_BINDING_H_
#define STRATAFS_ROWS_BINDING_H_

#include "channel.h"
#include "node_api_util.h"

namespace stratafs {

napi_value ServeRows(Args& args, Channel& channel);
napi_value EndRows(Args& args, Channel& channel);
napi_value DropRows(Args& args, Channel& channel);
napi_value PutRows(Args& args, Channel& channel);
napi_value EnterRows(Args& args, Channel& channel);
napi_value AllowRows(Args& args, Channel& channel);
napi_value RowsIn(Args& args, Channel& channel);
napi_value TakeRows(Args& args, Channel& channel);
napi_value AllowLinks(Args& args, Channel& channel);
napi_value OwnLinks(Args& args, Channel& channel);
napi_value LinkedNode(Args& args, Channel& channel);
napi_value LedTo(Args& args, Channel& channel);
napi_value TakeLinks(Args& args, Channel& channel);
napi_value LiveRows(Args& args, Channel& channel);
napi_value BeginListing(Args& args, Channel& channel);
napi_value FillsListing(Args& args, Channel& channel);
napi_value AskedIn(Args& args, Channel& channel);

}  // namespace stratafs

#endif  // STRATAFS_ROWS_BINDING_H_
