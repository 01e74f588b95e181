/* sqlite_look.c -- looking at the file of a sqlite store through a connection of one's own. */
#include "store/sqlite_look.h"

#include "store/sqlite_priv.h"

static const char *const statement_sql[] = {
#define STATEMENT(symbol, sql) sql,
	SQLITE_STATEMENTS(STATEMENT)
#undef STATEMENT
};

int sqlite_tables_version(void)
{
	return SQLITE_SCHEMA_VERSION;
}

int64_t sqlite_wrong_rows(sqlite3 *db, enum store_class class)
{
	sqlite3_stmt *walk = NULL;
	struct sqlite_row row;
	int64_t wrong = 0;
	int rc;

	if (sqlite3_prepare_v2(db, statement_sql[WALK_KNOWN + class], -1, &walk, NULL) != SQLITE_OK)
		return -1;
	sqlite_bind(walk, 1, SPAN(""));
	sqlite_bind(walk, 2, SPAN(""));
	while ((rc = sqlite3_step(walk)) == SQLITE_ROW)
		wrong += !sqlite_row_walk(walk, class, &row);
	sqlite3_finalize(walk);
	return rc == SQLITE_DONE ? wrong : -1;
}
