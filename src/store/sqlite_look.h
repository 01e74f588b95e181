/* sqlite_look.h -- looking at the file of a sqlite store through a connection of one's own. */
#pragma once
#include "store/store.h"

struct sqlite3;

/** Of the tables that this version writes; a file with others is refused. */
int sqlite_tables_version(void);

/** Rows of a class that do not hold their sums.
 *
 * @param db  whose tables are of sqlite_tables_version()
 * @return -1: it cannot be read to its end */
int64_t sqlite_wrong_rows(struct sqlite3 *db, enum store_class class);
