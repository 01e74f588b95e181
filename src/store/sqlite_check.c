/* sqlite_check.c -- is the file whole, and how much is in it?
 *
 * A small file is looked at before anything else is done with it.  A big one would keep the
 * mail waiting: it is looked at by a thread of its own, through a connection that sees the file
 * as it was before the writer began; when it is damaged the writer sets it aside then.  A huge
 * one is not looked at as a whole: a walk over it would last too long, and hold up the
 * write-ahead log; sweeps, and every error while running, find damage there.
 */
#include "store/sqlite_priv.h"

#include "base/ensure.h"
#include "store/blame.h"

#include <stdio.h>
#include <sys/stat.h>

#define SMALL_BYTES (INT64_C(16) * 1024 * 1024)
#define HUGE_BYTES  (INT64_C(1024) * 1024 * 1024)

enum { CHECK_US = 10 * 1000 * 1000, PROGRESS_STEPS = 10000 };

static int64_t file_bytes(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

static int is_too_late(void *self)
{
	struct sqlite_check *check = self;

	return sqlite_now_us() > (int64_t)atomic_load(&check->until_us);
}

/* The first row: of count(*) a number, of integrity_check "ok" or what is wrong. */
static int ask(sqlite3 *db, const char *sql, sqlite3_stmt **statement_out)
{
	int rc = sqlite3_prepare_v2(db, sql, -1, statement_out, NULL);

	return rc == SQLITE_OK ? sqlite3_step(*statement_out) : rc;
}

static int64_t count_entries(sqlite3 *db, int *rc_out)
{
	sqlite3_stmt *statement;
	int64_t entries = -1;

	*rc_out = ask(db, "SELECT (SELECT count(*) FROM triplet) + (SELECT count(*) FROM tally)",
		      &statement);
	if (*rc_out == SQLITE_ROW)
		entries = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return entries;
}

/* quick_check would do all but one thing, and for no better price: it does not ask whether keys
 * stand in order.  Where they do not, rows are there that no question finds. */
static enum sqlite_whole check_whole(sqlite3 *db, char *why, size_t room, int *rc_out)
{
	enum sqlite_whole whole = WHOLE_UNCHECKED;
	sqlite3_stmt *statement;

	*rc_out = ask(db, "PRAGMA integrity_check(1)", &statement);
	if (*rc_out == SQLITE_ROW) {
		struct span said = sqlite_column(statement, 0);

		whole = span_equal(said, SPAN("ok")) ? WHOLE_YES : WHOLE_NO;
		snprintf(why, room, "%.*s", SPAN_ARG(said));
	}
	sqlite3_finalize(statement);
	return whole;
}

static void *check_work(void *self)
{
	struct sqlite_check *check = self;
	struct sqlite *sqlite = check->sqlite;
	enum sqlite_whole whole = WHOLE_UNCHECKED;
	char why[sizeof(check->why)] = "";
	bool was_at_work = blame_set(true);
	int rc = SQLITE_ROW;
	int64_t entries = -1;

	if (check->is_counting)
		entries = count_entries(check->db, &rc);
	if (rc == SQLITE_ROW && file_bytes(sqlite->path) <= HUGE_BYTES)
		whole = check_whole(check->db, why, sizeof(why), &rc);
	if (rc != SQLITE_ROW)
		snprintf(why, sizeof(why), "%s", sqlite3_errstr(rc));
	if (sqlite_is_damage(rc))
		whole = WHOLE_NO;
	sqlite3_exec(check->db, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_lock(&sqlite->lock);
	check->entries = entries;
	check->whole = whole;
	memcpy(check->why, why, sizeof(why));
	check->is_over = true;
	pthread_cond_signal(&sqlite->stirred);
	pthread_mutex_unlock(&sqlite->lock);
	blame_set(was_at_work);
	return NULL;
}

/* From here on the connection sees the file as it is now. */
static int hold_snapshot(struct sqlite_check *check)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_exec(check->db, "PRAGMA cache_size = -2048; BEGIN", NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = ask(check->db, "SELECT count(*) FROM sqlite_schema", &statement);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* A connection of its own, that sees the file as it is now. */
static int prepare(struct sqlite *sqlite, bool is_counting)
{
	struct sqlite_check *check = &sqlite->check;
	int rc = SQLITE_OK;

	memset(check, 0, sizeof(*check));
	check->sqlite = sqlite;
	check->is_counting = is_counting;
	check->entries = -1;
	check->db = sqlite_connect(sqlite->path, &rc);
	if (check->db != NULL)
		rc = hold_snapshot(check);
	if (rc != SQLITE_OK) {
		sqlite_check_end(sqlite);
		return rc;
	}
	atomic_store(&check->until_us, sqlite_now_us() + CHECK_US);
	sqlite3_progress_handler(check->db, PROGRESS_STEPS, is_too_late, check);
	return SQLITE_OK;
}

enum err sqlite_check_begin(struct sqlite *sqlite, struct text *why)
{
	struct sqlite_check *check = &sqlite->check;
	int rc = prepare(sqlite, true);

	if (rc != SQLITE_OK) {
		text_addf(why, "%s: %s", sqlite->path, sqlite3_errstr(rc));
		return sqlite_is_damage(rc) ? ERR_SYNTAX : ERR_SYSTEM;
	}
	if (file_bytes(sqlite->path) > SMALL_BYTES) {
		check->is_running = sqlite_thread(&check->thread, check_work, check);
		if (check->is_running)
			return OK;
	}
	check_work(check);
	if (check->whole != WHOLE_NO)
		return OK;
	text_addf(why, "%s", check->why);
	sqlite_check_end(sqlite);
	check->is_over = false; /* judged here */
	return ERR_SYNTAX;
}

/* Where that cannot be done now it is left: a sweep reads all rows, too. */
void sqlite_check_again(struct sqlite *sqlite)
{
	struct sqlite_check *check = &sqlite->check;

	if (check->db != NULL || prepare(sqlite, false) != SQLITE_OK)
		return;
	check->is_running = sqlite_thread(&check->thread, check_work, check);
	if (!check->is_running)
		sqlite_check_end(sqlite);
}

void sqlite_check_end(struct sqlite *sqlite)
{
	struct sqlite_check *check = &sqlite->check;

	if (check->is_running) {
		atomic_store(&check->until_us, 0);
		sqlite3_interrupt(check->db);
		pthread_join(check->thread, NULL);
	}
	if (check->db != NULL)
		ENSURE(sqlite3_close(check->db) != SQLITE_BUSY);
	check->is_running = false;
	check->db = NULL;
}
