/* sql_file.h -- the rows of a dump, or of a SQLite database, by the path of its file. */
#pragma once
#include "base/text.h"
#include "ctl/import/sql_dump.h"

/** Give every row to dump->row, table by table; read and source are filled in here.  The file is
 * only read.
 *
 * @param path    "-": standard input, a dump
 * @param report  gets a line where not all of it was read
 * @return OK; ERR_MISSING: there is no such file; ERR_SYNTAX: it is not whole, or none of these
 *         (all rows before were given); ERR_SYSTEM
 */
MUST_USE enum err sql_file_read(const char *path, struct sql_dump *dump, struct text *report);
