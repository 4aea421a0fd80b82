// Arguments of the calls that list rows of tables (name_table.h).

#ifndef STRATAFS_NAME_TABLE_ARGS_H_
#define STRATAFS_NAME_TABLE_ARGS_H_

#include "name_table.h"
#include "node_api_util.h"

namespace stratafs {

// Argument `i` as cells of a listing into `into`.
inline PutCells* PutCellsOf(Args* args, size_t i, const Bytes& into) {
  Bytes given = args->Typed(i, napi_uint32_array, "a Uint32Array");
  PutCells* cells = reinterpret_cast<PutCells*>(given.data);
  if (args->ok() && given.length < sizeof(PutCells) / sizeof(uint32_t)) args->Wrong(i, "six cells");
  if (args->ok() && size_t{cells->at} + cells->room > into.length) args->Wrong(i, "in range");
  return cells;
}

}  // namespace stratafs

#endif  // STRATAFS_NAME_TABLE_ARGS_H_
