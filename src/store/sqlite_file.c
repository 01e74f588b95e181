/* sqlite_file.c -- the file of the sqlite driver: open it, prepare statements, set it aside.
 *
 * A damaged file is never repaired and never thrown away: it gets a dated name, and the daemon
 * goes on with a fresh one.  The lock stands on a file of its own, PATH.lock, because the
 * database changes its identity when that happens; it keeps a second daemon out, not readers.
 */
#include "store/sqlite_pages.h"
#include "store/sqlite_priv.h"

#include "base/ensure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	/* application_id is this plus the version: no single bit makes another version */
	APPLICATION_ID = 'w' << 24 | 'g' << 16 | 'h' << 8,
	VERSION_MAX = 255,
	UNNAMED_VERSION_MAX = 2, /* up to it there was no application_id */
};

/* Short columns stand before long ones, which may go on in pages of their own.  An empty key is
 * none, and no walk from the empty one on would meet it. */
static const char *const table_sql[STORE_CLASS_COUNT] = {
	[STORE_KNOWN] = "CREATE TABLE known (\"set\" TEXT NOT NULL, key TEXT NOT NULL,"
			" expires_ms INTEGER NOT NULL, sum INTEGER NOT NULL, value TEXT NOT NULL,"
			" PRIMARY KEY (\"set\", key), CHECK (key <> '')) STRICT, WITHOUT ROWID",
	[STORE_TALLY] = "CREATE TABLE tally (name TEXT NOT NULL, key TEXT NOT NULL,"
			" expires_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
			" sum INTEGER NOT NULL, text TEXT NOT NULL,"
			" PRIMARY KEY (name, key), CHECK (key <> '')) STRICT, WITHOUT ROWID",
	[STORE_TRIPLET] =
		"CREATE TABLE triplet (key TEXT NOT NULL PRIMARY KEY, expires_ms INTEGER NOT NULL,"
		" last_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL, passed_ms INTEGER NOT NULL,"
		" passes INTEGER NOT NULL, sum INTEGER NOT NULL, colour TEXT NOT NULL,"
		" CHECK (key <> '' AND first_ms >= 0 AND last_ms >= 0 AND passed_ms >= 0"
		" AND passes >= 0)) STRICT, WITHOUT ROWID",
};

static const char *const statement_sql[] = {
#define STATEMENT(symbol, sql) sql,
	SQLITE_STATEMENTS(STATEMENT)
#undef STATEMENT
};

/* Write-ahead logs need memory that all processes share, and locks that hold: not there. */
static const struct {
	uint64_t type;
	const char *name;
} network_file_system[] = {
	{ NFS_SUPER_MAGIC, "NFS" },  { SMB_SUPER_MAGIC, "SMB" },   { CIFS_SUPER_MAGIC, "CIFS" },
	{ SMB2_SUPER_MAGIC, "SMB" }, { AFS_SUPER_MAGIC, "AFS" },   { CODA_SUPER_MAGIC, "Coda" },
	{ NCP_SUPER_MAGIC, "NCP" },  { CEPH_SUPER_MAGIC, "Ceph" }, { V9FS_MAGIC, "9P" },
	{ 0x0bd00bd0, "Lustre" },    { 0x47504653, "GPFS" },       { 0x013661, "GFS" },
	{ AFS_FS_MAGIC, "AFS" },
};

const char *sqlite_network_name(uint64_t type)
{
	size_t count = sizeof(network_file_system) / sizeof(network_file_system[0]);

	for (size_t i = 0; i < count; i++)
		if (network_file_system[i].type == type)
			return network_file_system[i].name;
	return NULL;
}

/* --- the place --- */

static enum err check_folder(const char *folder, struct text *why)
{
	struct stat status;
	struct statfs system;
	const char *network;

	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		text_addf(why, "%s cannot be made: %s", folder, strerror(errno));
		return ERR_SYSTEM;
	}
	if (stat(folder, &status) != 0 || statfs(folder, &system) != 0) {
		text_addf(why, "%s: %s", folder, strerror(errno));
		return ERR_SYSTEM;
	}
	if (!S_ISDIR(status.st_mode)) {
		text_addf(why, "%s is no folder", folder);
		return ERR_SYSTEM;
	}
	if ((status.st_mode & S_IWOTH) != 0) {
		text_addf(why, "%s may be written by everybody", folder);
		return ERR_SYSTEM;
	}
	network = sqlite_network_name((uint64_t)system.f_type & UINT32_MAX);
	if (network != NULL) {
		text_addf(why,
			  "%s is on %s: the store needs a file system of this host, because "
			  "locks and shared memory do not hold over a network",
			  folder, network);
		return ERR_SYSTEM;
	}
	return OK;
}

/* Somebody who looks has it for a moment, or a daemon that is about to end: neither is to make us
 * go on without a store. */
static bool lock(int fd)
{
	static const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t until_us = sqlite_now_us() + SQLITE_LOCK_MS * INT64_C(1000);

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EINTR && (errno != EWOULDBLOCK || sqlite_now_us() > until_us))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

enum err sqlite_claim(struct sqlite *sqlite, struct text *why)
{
	size_t slash = span_rfind(span_cstr(sqlite->path), '/');
	char name[SQLITE_PATH_MAX + 8];
	enum err err;

	if (sqlite->path[slash] == '\0')
		memcpy(name, ".", 2);
	else
		snprintf(name, sizeof(name), "%.*s", slash == 0 ? 1 : (int)slash, sqlite->path);
	err = check_folder(name, why);
	if (err != OK)
		return err;
	snprintf(name, sizeof(name), "%s.lock", sqlite->path);
	sqlite->lock_fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (sqlite->lock_fd < 0) {
		text_addf(why, "%s: %s", name, strerror(errno));
		return ERR_SYSTEM;
	}
	if (lock(sqlite->lock_fd))
		return OK;
	text_addf(why, errno == EWOULDBLOCK ? "%s is in use by another weighd" : "%s: no lock",
		  sqlite->path);
	sqlite_unclaim(sqlite);
	return ERR_SYSTEM;
}

void sqlite_unclaim(struct sqlite *sqlite)
{
	if (sqlite->lock_fd >= 0)
		close(sqlite->lock_fd);
	sqlite->lock_fd = -1;
}

static enum err damaged(struct text *why, const char *what)
{
	text_addf(why, "%s", what);
	return ERR_SYNTAX;
}

static bool is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* A database whose header forbids to write it would be refused, as if that were somebody's wish.
 * (Bytes 18 and 19: https://sqlite.org/fileformat.html section 1.3.) */
static bool has_odd_header(int fd)
{
	enum { MAGIC_BYTES = 16, JOURNALLED = 1, WRITE_AHEAD = 2 };
	unsigned char head[20];

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head, "SQLite format 3", MAGIC_BYTES) != 0)
		return false;
	return head[18] != head[19] || (head[18] != JOURNALLED && head[18] != WRITE_AHEAD);
}

/* So that it has our mode, is no link, and the reason is a plain one where it cannot be. */
static enum err make_file(const char *path, bool *is_empty_out, struct text *why)
{
	bool was_there = is_there(path);
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat status;
	enum err err = OK;

	if (fd < 0) {
		text_addf(why, "%s: %s", path, strerror(errno));
		return ERR_SYSTEM;
	}
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		text_addf(why, "%s is no file", path);
		err = ERR_SYSTEM;
	} else if (has_odd_header(fd)) {
		err = damaged(why, "its header is none");
	}
	*is_empty_out = was_there && err == OK && status.st_size == 0;
	close(fd);
	return err;
}

/* --- open --- */

sqlite3 *sqlite_connect(const char *path, int *rc_out)
{
	static const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
				 SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, flags, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, SQLITE_BUSY_MS);
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		return db;
	}
	sqlite3_close(db);
	*rc_out = rc;
	return NULL;
}

/* The number in the first column of the first row; 0 where there is none. */
static int ask_number(sqlite3 *db, const char *sql, int64_t *number_out)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(statement);
	*number_out = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int set_up(sqlite3 *db, bool sync_full)
{
	TEXT(sql, 512);

	text_addf(&sql,
		  "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
		  "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 8000;"
		  "PRAGMA cache_size = -%d; PRAGMA cell_size_check = ON;"
		  "PRAGMA temp_store = MEMORY",
		  sync_full ? "FULL" : "NORMAL", SQLITE_CACHE_KIB);
	return sqlite3_exec(db, text_cstr(&sql), NULL, NULL, NULL);
}

/* EXTRA: of this one transaction and the next, which makes it a write-ahead log, the journal is
 * deleted for good before they are over.  If it came back with the power it would undo them in a
 * file that has gone on. */
static int make_tables(sqlite3 *db)
{
	int rc = sqlite3_exec(db, "PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE", NULL, NULL, NULL);
	TEXT(sql, 128);

	for (size_t i = 0; i < STORE_CLASS_COUNT && rc == SQLITE_OK; i++)
		rc = sqlite3_exec(db, table_sql[i], NULL, NULL, NULL);
	text_addf(&sql, "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
		  SQLITE_SCHEMA_VERSION, APPLICATION_ID + SQLITE_SCHEMA_VERSION);
	return rc == SQLITE_OK ? sqlite3_exec(db, text_cstr(&sql), NULL, NULL, NULL) : rc;
}

/* How many of our tables are there word by word?  A bit turned in a condition would go unseen. */
static int count_exact(sqlite3 *db, int64_t *exact_out)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db,
				    "SELECT count(*) FROM sqlite_schema WHERE sql IN (?1, ?2, ?3)",
				    -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	for (int i = 0; i < STORE_CLASS_COUNT; i++)
		sqlite_bind(statement, i + 1, span_cstr(table_sql[i]));
	rc = sqlite3_step(statement);
	*exact_out = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static enum err refuse_version(const struct sqlite *sqlite, int64_t version, struct text *why)
{
	if (version > SQLITE_SCHEMA_VERSION)
		text_addf(why,
			  "%s was written by a newer weighd (version %lld of its tables; this "
			  "one knows up to %d)",
			  sqlite->path, (long long)version, SQLITE_SCHEMA_VERSION);
	else
		text_addf(why,
			  "%s was written by an older weighd (version %lld of its tables; this "
			  "one knows %d alone): move it away",
			  sqlite->path, (long long)version, SQLITE_SCHEMA_VERSION);
	return ERR_SYSTEM;
}

/* Of whose making is the file? */
struct origin {
	int64_t version, application, tables;
	int64_t named; /* as ours are */
	int64_t exact; /* as we make them */
};

static int find_origin(sqlite3 *db, struct origin *origin)
{
	int rc = ask_number(db, "PRAGMA user_version", &origin->version);

	if (rc == SQLITE_OK)
		rc = ask_number(db, "PRAGMA application_id", &origin->application);
	if (rc == SQLITE_OK)
		rc = ask_number(db, "SELECT count(*) FROM sqlite_schema", &origin->tables);
	if (rc == SQLITE_OK)
		rc = ask_number(db,
				"SELECT count(*) FROM sqlite_schema WHERE type = 'table' "
				"AND name IN ('triplet', 'tally', 'known')",
				&origin->named);
	return rc == SQLITE_OK ? count_exact(db, &origin->exact) : rc;
}

/* A file that nobody has written to, or whose first pages a loss of power took. */
static bool is_fresh(const struct origin *origin)
{
	return origin->version == 0 && origin->application == 0 && origin->tables == 0;
}

static bool has_version(const struct origin *origin)
{
	if (origin->version < 1 || origin->version > VERSION_MAX)
		return false;
	if (origin->version <= UNNAMED_VERSION_MAX && origin->application == 0)
		return true;
	return origin->application == APPLICATION_ID + origin->version;
}

/* Whose file is it, and of what version?  A new one gets our tables. */
static enum err check_version(struct sqlite *sqlite, sqlite3 *db, struct text *why)
{
	struct origin origin = { 0 };
	int rc = find_origin(db, &origin);

	if (rc == SQLITE_OK && is_fresh(&origin)) {
		rc = make_tables(db);
		if (rc == SQLITE_OK)
			rc = find_origin(db, &origin);
	}
	if (rc == SQLITE_ERROR || sqlite_is_damage(rc))
		return damaged(why, sqlite3_errmsg(db));
	if (rc != SQLITE_OK) {
		text_addf(why, "%s: %s", sqlite->path, sqlite3_errmsg(db));
		return ERR_SYSTEM;
	}
	if (origin.named == 0) {
		text_addf(why, "%s is a database, but not one of weighd's", sqlite->path);
		return ERR_SYSTEM;
	}
	if (!has_version(&origin))
		return damaged(why, "its version is none");
	if (origin.version != SQLITE_SCHEMA_VERSION)
		return refuse_version(sqlite, origin.version, why);
	if (origin.exact < STORE_CLASS_COUNT)
		return damaged(why, "its tables are not as they were made");
	return OK;
}

/* What does not fit our tables any more is not our file any more. */
static enum err prepare_all(struct sqlite *sqlite, struct text *why)
{
	struct sqlite_file *file = &sqlite->file;

	for (size_t i = 0; i < SQLITE_STATEMENT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(file->db, statement_sql[i], -1,
					    SQLITE_PREPARE_PERSISTENT, &file->statement[i], NULL);

		if (rc == SQLITE_ERROR || sqlite_is_damage(rc))
			return damaged(why, sqlite3_errmsg(file->db));
		if (rc != SQLITE_OK) {
			text_addf(why, "%s: %s", sqlite->path, sqlite3_errmsg(file->db));
			return ERR_SYSTEM;
		}
	}
	return OK;
}

static enum err open_db(struct sqlite *sqlite, struct text *why)
{
	struct sqlite_file *file = &sqlite->file;
	int rc = SQLITE_OK;
	enum err err;

	file->db = sqlite_connect(sqlite->path, &rc);
	if (file->db == NULL)
		text_addf(why, "%s: %s", sqlite->path, sqlite3_errstr(rc));
	if (file->db == NULL || sqlite3_db_readonly(file->db, "main") != 0) {
		if (file->db != NULL)
			text_addf(why, "%s may not be written", sqlite->path);
		return ERR_SYSTEM;
	}
	err = check_version(sqlite, file->db, why);
	if (err != OK)
		return err; /* and what is not ours is as it was */
	rc = set_up(file->db, sqlite->store->options.sync_full);
	if (sqlite_is_damage(rc))
		return damaged(why, sqlite3_errmsg(file->db));
	if (rc != SQLITE_OK) {
		text_addf(why, "%s: %s", sqlite->path, sqlite3_errmsg(file->db));
		return ERR_SYSTEM;
	}
	return OK;
}

/* SQLite reads a journal up to the first frame that is not right, and says nothing of what was
 * committed behind it. */
static void look_at_journal(struct sqlite *sqlite)
{
	struct sqlite_pages pages;
	TEXT(why, SQLITE_WHY_MAX);

	if (sqlite_pages_open(&pages, sqlite->path, &why) != OK)
		return; /* said when it is opened in earnest */
	if (pages.has_lost)
		store_say(sqlite->store, STORE_WARNING,
			  "store %s: its journal is damaged: what was written last is lost",
			  sqlite->path);
	sqlite_pages_close(&pages);
}

enum err sqlite_file_open(struct sqlite *sqlite, struct text *why)
{
	bool is_empty = false;
	enum err err = make_file(sqlite->path, &is_empty, why);

	ENSURE(sqlite->file.db == NULL);
	if (err == OK)
		look_at_journal(sqlite);
	if (err == OK)
		err = open_db(sqlite, why);
	if (err == OK)
		err = prepare_all(sqlite, why);
	if (err != OK)
		sqlite_file_close(&sqlite->file, false);
	else if (is_empty)
		store_say(sqlite->store, STORE_WARNING, "store %s is empty: a new one is begun",
			  sqlite->path);
	return err;
}

void sqlite_file_close(struct sqlite_file *file, bool is_whole)
{
	for (size_t i = 0; i < SQLITE_STATEMENT_COUNT; i++) {
		sqlite3_finalize(file->statement[i]);
		file->statement[i] = NULL;
	}
	if (file->db == NULL)
		return;
	if (is_whole)
		sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	ENSURE(sqlite3_close(file->db) != SQLITE_BUSY); /* no statement is left */
	file->db = NULL;
}

/* --- set aside --- */

/* PATH.damaged-20261120-104107, and what goes with it; "-2" where that is taken. */
static bool dated_name(const char *path, char *name, size_t room)
{
	time_t now_s = time(NULL);
	char stamp[32];
	struct tm tm;

	gmtime_r(&now_s, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(name, room, "%s.damaged-%s", path, stamp);
	for (int i = 2; is_there(name) && i < 100; i++)
		snprintf(name, room, "%s.damaged-%s-%d", path, stamp, i);
	return !is_there(name);
}

bool sqlite_set_aside(struct sqlite *sqlite, const char *what)
{
	static const char *const suffix[] = { "-wal", "-shm" };
	char name[SQLITE_PATH_MAX + 64], from[SQLITE_PATH_MAX + 8], to[SQLITE_PATH_MAX + 72];

	sqlite_file_close(&sqlite->file, false);
	if (!dated_name(sqlite->path, name, sizeof(name)) || rename(sqlite->path, name) != 0) {
		if (!sqlite->has_said_stuck)
			store_say(sqlite->store, STORE_ERROR,
				  "store %s is damaged (%s) and cannot be set aside: %s",
				  sqlite->path, what, strerror(errno));
		sqlite->has_said_stuck = true; /* it is tried again and again */
		return false;
	}
	sqlite->has_said_stuck = false;
	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", sqlite->path, suffix[i]);
		snprintf(to, sizeof(to), "%s%s", name, suffix[i]);
		if (rename(from, to) != 0)
			(void)unlink(from); /* an old journal must not meet the new file */
	}
	store_say(sqlite->store, STORE_ERROR,
		  "store %s is damaged (%s): it is set aside as %s, and a new one is begun; "
		  "weighctl store salvage %s writes out what can be read",
		  sqlite->path, what, name, name);
	return true;
}

/* --- statements --- */

sqlite3_stmt *sqlite_prepare(struct sqlite_file *file, enum sqlite_statement which, struct span set,
			     struct span key)
{
	sqlite3_stmt *statement = file->statement[which];

	sqlite3_reset(statement);
	sqlite_bind(statement, 1, set);
	sqlite_bind(statement, 2, key);
	return statement;
}

void sqlite_bind(sqlite3_stmt *statement, int index, struct span text)
{
	/* a NULL would be SQL's */
	const char *at = text.len > 0 ? text.at : "";

	ENSURE(sqlite3_bind_text(statement, index, at, (int)text.len, SQLITE_STATIC) == SQLITE_OK);
}

struct span sqlite_column(sqlite3_stmt *statement, int column)
{
	const unsigned char *at = sqlite3_column_text(statement, column);
	int len = sqlite3_column_bytes(statement, column);

	return span_of((const char *)at, at != NULL ? (size_t)len : 0);
}

int sqlite_finish(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);
	int reset = sqlite3_reset(statement);

	return rc == SQLITE_DONE || rc == SQLITE_ROW ? reset : rc;
}

int sqlite_do(struct sqlite_file *file, enum sqlite_statement which)
{
	return sqlite_finish(file->statement[which]);
}
