/* sql_file.c -- see sql_file.h. */
#include "ctl/import/sql_file.h"

#include "base/ensure.h"
#include "base/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sysexits.h>
#include <unistd.h>

enum { SHOWN_MAX = 240, STATEMENT_MAX = SQL_NAME_MAX * 2 + 40, WORDS_MAX = 160 };
enum { LOCKED_MS_MAX = 10000, SAID_MAX = 10, VALUE_SHOWN_MAX = 60 };

static const char sqlite_magic[] = "SQLite format 3"; /* its NUL belongs to it */

static void say(struct text *report, struct span path, const char *what)
{
	text_add_escaped(report, path, SHOWN_MAX);
	text_addf(report, ": %s\n", what);
}

/* --- SQLite --- */

static void give_row(struct sql_dump *dump, sqlite3_stmt *statement, struct span table)
{
	struct sql_row row = { .path = dump->path, .table = table, .line = ++dump->line };
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
	dump->line = 0;
	while ((result = sqlite3_step(statement)) == SQLITE_ROW)
		give_row(dump, statement, span_cstr(name));
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int give_tables(struct sql_dump *dump, sqlite3 *db)
{
	static const char list[] = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND "
				   "sql NOT LIKE 'CREATE VIRTUAL%'";
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, list, -1, &statement, NULL), of_table = SQLITE_OK;

	if (result != SQLITE_OK)
		return result;
	while (of_table == SQLITE_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(statement, 0);

		if (name != NULL && is_plain(name) && sql_dump_wants(dump, span_cstr(name)))
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
		sqlite3_busy_timeout(db, LOCKED_MS_MAX);
		result = give_tables(dump, db);
	}
	if (result != SQLITE_OK) {
		TEXT(words, WORDS_MAX);

		text_addf(&words, "error: behind row %llu: %s", (unsigned long long)dump->line,
			  sqlite3_errstr(result));
		say(report, dump->path, text_cstr(&words));
	}
	sqlite3_close(db);
	return result == SQLITE_OK ? OK : ERR_SYNTAX;
}

/* --- dumps --- */

/* Whence a dump comes; its first bytes tell what it is if it is none. */
struct source {
	int fd;
	int error;
	size_t head_len;
	char head[sizeof(sqlite_magic)];
};

static int64_t read_from(void *owner, char *at, size_t room)
{
	struct source *source = owner;
	size_t want = sizeof(source->head) - source->head_len;
	ssize_t count;

	do
		count = read(source->fd, at, room);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		source->error = errno;
	if (count > 0 && want > 0) {
		if ((size_t)count < want)
			want = (size_t)count;
		memcpy(source->head + source->head_len, at, want);
		source->head_len += want;
	}
	return count;
}

/* What is often given instead of a dump. */
static const char *other_kind(const struct source *source)
{
	static const struct {
		struct span head;
		const char *words;
	} kinds[] = {
		{ SPAN_INIT("\x1f\x8b"), "it is compressed: zcat FILE | weighctl import ... -" },
		{ SPAN_INIT("BZh"), "it is compressed: bzcat FILE | weighctl import ... -" },
		{ SPAN_INIT("\xfd"
			    "7zXZ"),
		  "it is compressed: xzcat FILE | weighctl import ... -" },
		{ SPAN_INIT("\x28\xb5\x2f\xfd"),
		  "it is compressed: zstdcat FILE | weighctl import ... -" },
		{ SPAN_INIT("PGDMP"),
		  "it is pg_dump's own format: pg_restore -f - FILE makes SQL of it" },
		{ SPAN_INIT("\xff\xfe"), "it is UTF-16: iconv -f UTF-16 makes text of it" },
		{ SPAN_INIT("\xfe\xff"), "it is UTF-16: iconv -f UTF-16 makes text of it" },
		{ SPAN_INIT("<?xml"), "it is XML: mysqldump without --xml writes SQL" },
		{ SPAN_INIT("SQLite format 3"), "it is a SQLite database: say its path" },
	};
	struct span head = span_of(source->head, source->head_len);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (span_starts(head, kinds[i].head))
			return kinds[i].words;
	return NULL;
}

static enum err dump_read(int fd, struct sql_dump *dump, struct text *report)
{
	struct source source = { .fd = fd };
	TEXT(words, WORDS_MAX);
	const char *other;
	enum err err;

	dump->read = read_from;
	dump->source = &source;
	err = sql_dump_read(dump);
	dump->source = NULL;
	if (err == ERR_SYSTEM) {
		say(report, dump->path, strerror(source.error != 0 ? source.error : ENOMEM));
		return err;
	}
	other = other_kind(&source);
	if (other != NULL && !dump->has_wanted) {
		text_addf(&words, "error: %s", other);
		say(report, dump->path, text_cstr(&words));
		return ERR_SYNTAX;
	}
	if (err == ERR_SYNTAX) {
		text_add_escaped(report, dump->path, SHOWN_MAX);
		text_addf(report,
			  ":%llu: error: the file ends within the statement that begins "
			  "here: what is before it was read\n",
			  (unsigned long long)dump->begun_line);
	}
	return err;
}

/* None of the wanted tables is there.  A dump of nothing at all may be right. */
static enum err tables_missed(const struct sql_dump *dump, struct text *report)
{
	bool is_wrong = dump->has_others || !dump->is_known;

	text_add_escaped(report, dump->path, SHOWN_MAX);
	text_add(report, is_wrong ? SPAN(": error: ") : SPAN(": warning: "));
	if (!dump->has_others && !dump->is_known)
		text_add(report, SPAN("this is no dump of a SQL database\n"));
	else if (dump->wanted[1] == NULL)
		text_addf(report, "the table %s is not in it\n", dump->wanted[0]);
	else
		text_addf(report, "of the tables %s, %s, ... none is in it\n", dump->wanted[0],
			  dump->wanted[1]);
	return is_wrong ? ERR_SYNTAX : OK;
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

	dump->path = span_cstr(path);
	dump->skipped = 0;
	dump->line = 0;
	dump->has_wanted = dump->has_others = dump->is_known = false;
	if (fd < 0) {
		err = errno == ENOENT ? ERR_MISSING : ERR_SYSTEM;
		say(report, dump->path, strerror(errno));
		return err;
	}
	if (!is_stdin && is_sqlite(fd))
		err = sqlite_read(path, dump, report);
	else
		err = dump_read(fd, dump, report);
	if (!is_stdin)
		close(fd);
	if (err == OK && dump->wanted != NULL && !dump->has_wanted)
		err = tables_missed(dump, report);
	if (dump->skipped > 0) {
		TEXT(words, WORDS_MAX);

		text_addf(&words, "%llu rows are no plain rows: left out",
			  (unsigned long long)dump->skipped);
		say(report, dump->path, text_cstr(&words));
	}
	return err;
}

int sql_file_status(enum err err)
{
	switch (err) {
	case OK: return EX_OK;
	case ERR_MISSING:
	case ERR_SYSTEM: return EX_NOINPUT;
	case ERR_SYNTAX:
	case ERR_LIMIT: return EX_DATAERR;
	}
	ENSURE(false);
}

void sql_row_leave_out(const struct sql_row *row, uint64_t *left_out, struct text *report,
		       const char *why, struct span value)
{
	if (++*left_out > SAID_MAX)
		return;
	text_add_escaped(report, row->path, SHOWN_MAX);
	text_addf(report, ":%llu: left out: %s: \"", (unsigned long long)row->line, why);
	text_add_escaped(report, value, VALUE_SHOWN_MAX);
	text_add(report, SPAN("\"\n"));
}
