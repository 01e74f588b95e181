/* store_sqlite.c -- is the file of the embedded store whole?
 *
 * Read only, through a connection of its own: a daemon that writes meanwhile is not kept waiting.
 */
#include "ctl/store_check.h"
#include "daemon/clock.h"
#include "store/sqlite_look.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUSY_MS = 5000, FAULTS_MAX = 10, NAME_ROOM = 4200 };

#define LEAST_FREE_BYTES (UINT64_C(64) * 1024 * 1024)

struct sqlite_checkup {
	struct checkup *checkup;
	sqlite3 *db;
	const char *path;
	int64_t now_ms;
};

/* --- beside the file --- */

static void check_lock(struct checkup *checkup, const char *path)
{
	char name[NAME_ROOM];
	int fd;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_SH | LOCK_NB) != 0)
		checkup_say(checkup, CHECKUP_OK, "a weighd has it open");
	else
		checkup_say(checkup, CHECKUP_NOTE, "no weighd has it open");
	close(fd);
}

static void check_room(struct checkup *checkup, const char *path)
{
	struct statvfs system;
	uint64_t free_bytes;

	if (statvfs(path, &system) != 0)
		return;
	free_bytes = (uint64_t)system.f_bavail * system.f_frsize;
	if (free_bytes < LEAST_FREE_BYTES)
		checkup_say(checkup, CHECKUP_FAIL, "only %llu KiB are free on its disk",
			    (unsigned long long)free_bytes / 1024);
}

static void check_set_aside(struct checkup *checkup, const char *path)
{
	char pattern[NAME_ROOM];
	glob_t found = { 0 };

	snprintf(pattern, sizeof(pattern), "%s.damaged-*", path);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		checkup_say(checkup, CHECKUP_NOTE,
			    "damaged files were set aside: %zu, as %s; weighctl store "
			    "salvage FILE writes out what can be read",
			    found.gl_pathc, found.gl_pathv[0]);
	globfree(&found);
}

static void check_deaths(struct checkup *checkup, const char *path)
{
	char name[NAME_ROOM];

	snprintf(name, sizeof(name), "%s.died", path);
	if (access(name, F_OK) == 0)
		checkup_say(checkup, CHECKUP_NOTE,
			    "a weighd died at its work on it; when, is in %s", name);
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
	char name[NAME_ROOM];
	struct stat status;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* --- in the file --- */

static int64_t ask_number(struct sqlite_checkup *file, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static void fail(struct sqlite_checkup *file, const char *what)
{
	checkup_say(file->checkup, CHECKUP_FAIL, "%s: %s", what, sqlite3_errmsg(file->db));
}

static bool check_whole(struct sqlite_checkup *file)
{
	sqlite3_stmt *statement = NULL;
	bool is_whole = false;
	char sql[64];
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA integrity_check(%d)", FAULTS_MAX);
	rc = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		const char *said;

		rc = sqlite3_step(statement);
		if (rc != SQLITE_ROW)
			break;
		said = (const char *)sqlite3_column_text(statement, 0);
		is_whole = said != NULL && strcmp(said, "ok") == 0;
		if (!is_whole)
			checkup_say(file->checkup, CHECKUP_FAIL, "damaged: %s",
				    said != NULL ? said : "?");
	}
	if (rc != SQLITE_DONE) {
		fail(file, "it cannot be read");
		is_whole = false;
	}
	sqlite3_finalize(statement);
	if (is_whole)
		checkup_say(file->checkup, CHECKUP_OK, "the file is whole");
	return is_whole;
}

/* @return of its tables; 0: they are none of ours, and that is said */
static int64_t check_version(struct sqlite_checkup *file)
{
	int64_t version = ask_number(file, "PRAGMA user_version");
	int64_t tables = ask_number(file, "SELECT count(*) FROM sqlite_schema WHERE name IN "
					  "('triplet', 'tally', 'known')");

	if (version < 0 || tables < 0)
		fail(file, "it cannot be read");
	else if (tables != STORE_CLASS_COUNT)
		checkup_say(file->checkup, CHECKUP_FAIL, "it is no database of weighd's");
	else if (version < 1 || version > sqlite_tables_version())
		checkup_say(file->checkup, CHECKUP_FAIL,
			    "its tables are of version %lld; this weighctl knows up to %d",
			    (long long)version, sqlite_tables_version());
	else
		return version;
	return 0;
}

/* A bit that has turned within a row is seen by its sum alone. */
static void check_sums(struct sqlite_checkup *file, enum store_class class)
{
	int64_t wrong = sqlite_wrong_rows(file->db, class);

	if (wrong < 0)
		fail(file, store_class_name(class).at);
	else if (wrong > 0)
		checkup_say(file->checkup, CHECKUP_FAIL,
			    "%s: %lld entries do not hold their sums: they are taken for nothing",
			    store_class_name(class).at, (long long)wrong);
}

static void check_entries(struct sqlite_checkup *file, int64_t version)
{
	static const char *const tables[] = {
		[STORE_KNOWN] = "known",
		[STORE_TALLY] = "tally",
		[STORE_TRIPLET] = "triplet",
	};

	for (int i = 0; i < STORE_CLASS_COUNT; i++) {
		TEXT(all, 128);
		TEXT(old, 128);
		int64_t entries, expired;

		text_addf(&all, "SELECT count(*) FROM %s", tables[i]);
		text_addf(&old, "%s WHERE expires_ms > 0 AND expires_ms <= %lld", text_cstr(&all),
			  (long long)file->now_ms);
		entries = ask_number(file, text_cstr(&all));
		expired = ask_number(file, text_cstr(&old));
		if (entries < 0 || expired < 0)
			fail(file, tables[i]);
		else
			checkup_say(file->checkup, CHECKUP_OK,
				    "%s: %lld entries, %lld of them expired",
				    store_class_name((enum store_class)i).at, (long long)entries,
				    (long long)expired);
		if (version == sqlite_tables_version())
			check_sums(file, (enum store_class)i);
	}
	if (version != sqlite_tables_version())
		checkup_say(file->checkup, CHECKUP_NOTE,
			    "its tables are of version %lld; at its start the daemon makes them %d",
			    (long long)version, sqlite_tables_version());
}

static void check_sizes(struct sqlite_checkup *file)
{
	int64_t pages = ask_number(file, "PRAGMA page_count");
	int64_t free_pages = ask_number(file, "PRAGMA freelist_count");
	int64_t page_bytes = ask_number(file, "PRAGMA page_size");

	checkup_say(file->checkup, CHECKUP_OK,
		    "file %llu KiB, journal %llu KiB, unused within %lld KiB",
		    (unsigned long long)file_bytes(file->path, "") / 1024,
		    (unsigned long long)file_bytes(file->path, "-wal") / 1024,
		    (long long)(pages > 0 ? free_pages * page_bytes / 1024 : 0));
}

static void check_file(struct sqlite_checkup *file)
{
	int rc = sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READONLY, NULL);
	int64_t version;

	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(file->db, BUSY_MS);
		version = check_version(file);
		if (version > 0 && check_whole(file)) {
			check_entries(file, version);
			check_sizes(file);
		}
	} else {
		checkup_say(file->checkup, CHECKUP_FAIL, "%s: %s", file->path, sqlite3_errstr(rc));
	}
	sqlite3_close(file->db);
}

void store_check_sqlite(struct checkup *checkup, const struct store_options *options)
{
	struct sqlite_checkup file = { .checkup = checkup, .now_ms = clock_wall_ms() };
	TEXT(path, 4096);

	text_add(&path, options->path);
	file.path = text_cstr(&path);
	if (path.overrun || access(file.path, F_OK) != 0) {
		checkup_say(checkup, CHECKUP_FAIL, "sqlite %s: %s", file.path,
			    path.overrun ? "the path is too long" : strerror(errno));
		return;
	}
	if (access(file.path, R_OK) != 0) {
		checkup_say(checkup, CHECKUP_FAIL, "sqlite %s: it may not be read", file.path);
		return;
	}
	checkup_say(checkup, CHECKUP_OK, "sqlite %s", file.path);
	check_lock(checkup, file.path);
	check_file(&file);
	check_room(checkup, file.path);
	check_set_aside(checkup, file.path);
	check_deaths(checkup, file.path);
}
