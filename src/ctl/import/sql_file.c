/* sql_file.c -- see sql_file.h. */
#include "ctl/import/sql_file.h"

#include "base/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

enum { SHOWN_MAX = 240, STATEMENT_MAX = SQL_NAME_MAX * 2 + 40 };

static const char sqlite_magic[] = "SQLite format 3"; /* its NUL belongs to it */

static void say(struct text *report, const char *path, const char *what)
{
	text_add_escaped(report, span_cstr(path), SHOWN_MAX);
	text_addf(report, ": %s\n", what);
}

/* --- SQLite --- */

static void give_row(struct sql_dump *dump, sqlite3_stmt *statement, struct span table)
{
	struct sql_row row = { .table = table, .line = ++dump->line };
	int count = sqlite3_column_count(statement);

	row.count = count < SQL_COLUMNS_MAX ? (unsigned)count : SQL_COLUMNS_MAX;
	row.name_count = row.count;
	for (unsigned i = 0; i < row.count; i++) {
		const char *name = sqlite3_column_name(statement, (int)i);
		const char *text = (const char *)sqlite3_column_text(statement, (int)i);
		int len = sqlite3_column_bytes(statement, (int)i);

		if (len > SQL_VALUE_MAX) {
			dump->skipped++;
			return;
		}
		row.name[i] = span_cstr(name == NULL ? "" : name);
		row.value[i].is_null = text == NULL;
		row.value[i].text = span_of(text == NULL ? "" : text, (size_t)len);
	}
	dump->row(dump->owner, &row);
}

static bool is_plain(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= SQL_NAME_MAX && strchr(name, '"') == NULL;
}

static int give_table(struct sql_dump *dump, sqlite3 *db, const char *name)
{
	sqlite3_stmt *statement = NULL;
	TEXT(select, STATEMENT_MAX);
	int result;

	text_addf(&select, "SELECT * FROM main.\"%s\"", name);
	result = sqlite3_prepare_v2(db, text_cstr(&select), -1, &statement, NULL);
	if (result != SQLITE_OK)
		return result;
	while ((result = sqlite3_step(statement)) == SQLITE_ROW)
		give_row(dump, statement, span_cstr(name));
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int give_tables(struct sql_dump *dump, sqlite3 *db)
{
	static const char list[] = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND "
				   "sql NOT LIKE 'CREATE VIRTUAL%' LIMIT 64";
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, list, -1, &statement, NULL), of_table = SQLITE_OK;

	if (result != SQLITE_OK)
		return result;
	while (of_table == SQLITE_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(statement, 0);

		if (name != NULL && is_plain(name))
			of_table = give_table(dump, db, name);
	}
	sqlite3_finalize(statement);
	if (of_table != SQLITE_OK)
		return of_table;
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static enum err sqlite_read(const char *path, struct sql_dump *dump, struct text *report)
{
	sqlite3 *db = NULL;
	int result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (result == SQLITE_OK) {
		/* The file is somebody else's: what stands in its schema is not to be run. */
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		result = give_tables(dump, db);
	}
	if (result != SQLITE_OK)
		say(report, path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return result == SQLITE_OK ? OK : ERR_SYNTAX;
}

/* --- dumps --- */

static int64_t read_from(void *source, char *at, size_t room)
{
	const int *fd = source;
	ssize_t count;

	do
		count = read(*fd, at, room);
	while (count < 0 && errno == EINTR);
	return count;
}

static enum err dump_read(int fd, const char *path, struct sql_dump *dump, struct text *report)
{
	enum err err;

	dump->read = read_from;
	dump->source = &fd;
	err = sql_dump_read(dump);
	dump->source = NULL;
	if (err == ERR_SYNTAX)
		say(report, path, "ends within a statement: what is before it was read");
	if (err == ERR_SYSTEM)
		say(report, path, strerror(errno));
	return err;
}

static bool is_sqlite(int fd)
{
	char magic[sizeof(sqlite_magic)];

	return pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, sqlite_magic, sizeof(magic)) == 0;
}

enum err sql_file_read(const char *path, struct sql_dump *dump, struct text *report)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	enum err err;

	dump->skipped = 0;
	dump->line = 0;
	if (fd < 0) {
		say(report, path, strerror(errno));
		return errno == ENOENT ? ERR_MISSING : ERR_SYSTEM;
	}
	if (!is_stdin && is_sqlite(fd))
		err = sqlite_read(path, dump, report);
	else
		err = dump_read(fd, path, dump, report);
	if (!is_stdin)
		close(fd);
	if (dump->skipped > 0) {
		TEXT(words, 80);

		text_addf(&words, "%llu rows are no plain rows: left out",
			  (unsigned long long)dump->skipped);
		say(report, path, text_cstr(&words));
	}
	return err;
}
