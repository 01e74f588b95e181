/* sql_dump.h -- the rows in a dump of a SQL database, as they stream by.
 *
 * Read are what mysqldump, pg_dump (COPY, or INSERT) and sqlite3's ".dump" write: INSERT and
 * REPLACE with any number of rows, COPY ... FROM stdin, and the names of columns from CREATE
 * TABLE; every other statement is passed over.  A backslash in a string escapes in MySQL's dumps
 * and in E'...', nowhere else; which dump it is tells its first comment or a backquote.
 *
 * A dump is strangers' text: bounded in every direction, never trusted to be whole.  A row that
 * is none of SQL's simple values, or too large, is counted as skipped and the rest is read.
 */
#pragma once
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	SQL_NAME_MAX = 64,
	SQL_COLUMNS_MAX = 32, /* of a row; what follows is dropped */
	SQL_VALUE_MAX = 4096, /* bytes */
	SQL_TABLES_MAX = 64,  /* whose columns are remembered; of later ones they are unknown */
};

struct sql_value {
	struct span text;
	bool is_null;
};

/* One row; all of it valid until the next. */
struct sql_row {
	struct span path;  /* of the dump, for messages */
	struct span table; /* without its schema */
	uint64_t line;     /* of the dump, where the row ends; or its number in a database */
	unsigned count;    /* of values */
	struct sql_value value[SQL_COLUMNS_MAX];
	unsigned name_count; /* 0: the dump does not say them */
	struct span name[SQL_COLUMNS_MAX];
};

struct sql_dump {
	struct span path;          /* for messages */
	const char *const *wanted; /* names of tables, up to a NULL: others are of no use */
	/** Up to room bytes. @return 0 at the end, -1 on an error */
	int64_t (*read)(void *source, char *at, size_t room);
	void *source;
	void (*row)(void *owner, const struct sql_row *row);
	void *owner;
	/* written by sql_dump_read() */
	uint64_t line;       /* where it ended */
	uint64_t begun_line; /* where its last statement begins */
	uint64_t skipped;    /* rows */
	bool is_known;       /* it says which program wrote it, or how strings are escaped */
	bool has_wanted;     /* one of the tables is made or filled in it */
	bool has_others;     /* another one is */
};

/** May the rows of table be of use?  Remembered in has_wanted and has_others. */
bool sql_dump_wants(struct sql_dump *dump, struct span table);

/** Read to the end.
 *
 * @return ERR_SYNTAX: it ends within a statement (all rows before it were given); ERR_SYSTEM:
 *         read failed, or no memory
 */
MUST_USE enum err sql_dump_read(struct sql_dump *dump);

/** The value of a column; by position where the dump names no columns.
 *
 * @return false: there is none, or it is NULL
 */
bool sql_row_text(const struct sql_row *row, const char *column, unsigned position,
		  struct span *text_out);
/** The same of a column of type char(n), which PostgreSQL fills up with blanks. */
bool sql_row_char(const struct sql_row *row, const char *column, unsigned position,
		  struct span *text_out);
/** The same as a number; what is none is 0. */
int64_t sql_row_number(const struct sql_row *row, const char *column, unsigned position);
