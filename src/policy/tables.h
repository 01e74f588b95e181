/* tables.h -- a table while it is read: tables.c (the statement) and table_rows.c (its rows). */
#pragma once
#include "policy/compiler.h"

/* A file while its lines become rows. */
struct table_file {
	struct compiler *compiler;
	struct table *table; /* has room for whatever its lines add */
	const struct source *source;
	uint32_t first_row; /* of this file */
	unsigned mistakes;
};

/* Where a '#' begins a comment: in front of a line, anywhere, or in front and behind a blank. */
enum table_comments { COMMENTS_IN_FRONT, COMMENTS_BEHIND, COMMENTS_BEHIND_BLANK };

/* What a line may become. */
enum table_holds { HOLDS_ROWS = 1, HOLDS_NETWORKS = 2, HOLDS_PATTERNS = 4 };

/* How the lines of a file are read. */
struct table_format {
	const char *keyword;
	enum table_kind kind;
	unsigned holds; /* enum table_holds, ored */
	enum table_comments comments;
	bool has_blanks; /* in a line; else a line with one is warned about and skipped */
	/** Add the row of a line, which is clean and not empty.
	 *
	 * @return false: no room
	 */
	bool (*add)(struct table_file *file, struct span line);
};

/** The format of a kind; NULL: there is none.  The guess is offered all of them. */
const struct table_format *table_format_find(struct span keyword, struct guess *guess);

/** A key as table_find looks for it: lower case, an address in its canonical form. */
struct span table_key(struct compiler *compiler, struct span s);

/** Read a whole file. */
MUST_USE bool table_read(struct table_file *file, const struct table_format *format);
