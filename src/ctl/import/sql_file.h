/* sql_file.h -- the rows of a dump, or of a SQLite database, by the path of its file. */
#pragma once
#include "base/text.h"
#include "ctl/import/sql_dump.h"

/** Give every row to dump->row, table by table; read and source are filled in here.  The file is
 * only read.
 *
 * @param path    "-": standard input, a dump
 * @param report  gets a line where not all of it was read: "PATH:LINE: error: ..."
 * @return OK; ERR_MISSING: there is no such file; ERR_SYNTAX: it is not whole, none of these, or
 *         has none of the wanted tables (all rows before were given); ERR_SYSTEM
 */
MUST_USE enum err sql_file_read(const char *path, struct sql_dump *dump, struct text *report);

/** The exit status that belongs to what sql_file_read() says. */
int sql_file_status(enum err err);

/** Count a row that is no use; of the first few the report says where, and why. */
void sql_row_leave_out(const struct sql_row *row, uint64_t *left_out, struct text *report,
		       const char *why, struct span value);
