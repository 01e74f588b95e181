/* sqlite_priv.h -- what the parts of the sqlite driver share.
 *
 *	sqlite.c	ports: questions into the line, answers out of the inbox
 *	sqlite_writer.c	the thread: a batch, its commit, and what follows when that fails
 *	sqlite_run.c	what an operation does to the tables
 *	sqlite_row.c	a row, and its sum
 *	sqlite_file.c	the file: open, schema, statements; set aside
 *	sqlite_check.c	is a file whole, and how much is in it?
 *	sqlite_sets.c	the sets, between the file and memory
 *	sqlite_sweep.c	what has expired goes, and what is too much
 *
 * One thread alone, the writer, uses the connection.  It takes whatever has queued up while the
 * last commit ran, does it in one transaction, and answers after the commit.
 *
 * Sets live in memory (store->memory); here they are only written behind: what was remembered
 * within the last commit's time before a kill -9 may be gone, the file is whole all the same.
 */
#pragma once
#include "base/arena.h"
#include "base/hash.h"
#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <pthread.h>
#include <sqlite3.h>
#include <time.h>

enum {
	SQLITE_SCHEMA_VERSION = 3, /* 1: rows had no sums; 2: colours had no end */
	SQLITE_PATH_MAX = 4000,    /* "-wal", ".damaged-..." still fit behind it */
	SQLITE_WHY_MAX = SQLITE_PATH_MAX + 512,
	SQLITE_LOCK_MS = 1000, /* somebody has the lock at our start: so long is waited for him */
	SQLITE_BUSY_MS = 1000, /* somebody else writes: so long is waited for him */
	SQLITE_CACHE_KIB = 8192,
	SQLITE_BATCH_MAX = 2048,                 /* operations of one transaction */
	SQLITE_PAGE_BYTES_MAX = 4 * 1024 * 1024, /* of a page of entries; one more value fits */
	SQLITE_SLICE_US = 5000,                  /* a page or a stretch of a sweep takes so long */
	SQLITE_NEW_PER_MINUTE_MAX = 1000,        /* new triplets of one network */
	SQLITE_GROUPS = 32768,                   /* counters of networks; a power of two */
	SQLITE_BUCKETS = 160,                    /* of the histogram of ages */
	SQLITE_DOOMED_BYTES = 32 * 1024,         /* of keys that a stretch of a sweep removes */
	SQLITE_WRONG_MAX = 8, /* rows of a day that do not hold their sums; one more: set aside */
};

/* STATEMENT(symbol, sql); ?1 is the set or the limit's name, ?2 the key.  What comes behind them
 * stands in the order of enum sqlite_number, then the sum, then the text: see sqlite_row.c. */
#define SQLITE_STATEMENTS(STATEMENT)                                                               \
	STATEMENT(DO_BEGIN_READ, "BEGIN")                                                          \
	STATEMENT(DO_BEGIN_WRITE, "BEGIN IMMEDIATE")                                               \
	STATEMENT(DO_COMMIT, "COMMIT")                                                             \
	STATEMENT(DO_ROLLBACK, "ROLLBACK")                                                         \
	STATEMENT(GET_KNOWN, "SELECT expires_ms, sum, value FROM known "                           \
			     "WHERE \"set\" = ?1 AND key = ?2")                                    \
	STATEMENT(GET_TALLY, "SELECT expires_ms, last_ms, sum, text FROM tally "                   \
			     "WHERE name = ?1 AND key = ?2")                                       \
	STATEMENT(GET_TRIPLET, "SELECT expires_ms, last_ms, first_ms, passed_ms, passes, sum, "    \
			       "colour FROM triplet WHERE key = ?2")                               \
	STATEMENT(PUT_KNOWN, "INSERT OR REPLACE INTO known VALUES (?1, ?2, ?3, ?4, ?5)")           \
	STATEMENT(PUT_TALLY, "INSERT OR REPLACE INTO tally VALUES (?1, ?2, ?3, ?4, ?5, ?6)")       \
	STATEMENT(PUT_TRIPLET, "INSERT OR REPLACE INTO triplet VALUES (?2, ?3, ?4, ?5, ?6, ?7, "   \
			       "?8, ?9)")                                                          \
	STATEMENT(ERASE_KNOWN, "DELETE FROM known WHERE \"set\" = ?1 AND key = ?2")                \
	STATEMENT(ERASE_TALLY, "DELETE FROM tally WHERE name = ?1 AND key = ?2")                   \
	STATEMENT(ERASE_TRIPLET, "DELETE FROM triplet WHERE key = ?2")                             \
	STATEMENT(LOAD_KNOWN, "SELECT \"set\", key, expires_ms, sum, value FROM known "            \
			      "ORDER BY expires_ms = 0, expires_ms")                               \
	STATEMENT(WALK_KNOWN, "SELECT \"set\", key, expires_ms, sum, value FROM known "            \
			      "WHERE (\"set\", key) > (?1, ?2) ORDER BY \"set\", key")             \
	STATEMENT(WALK_TALLY, "SELECT name, key, expires_ms, last_ms, sum, text FROM tally "       \
			      "WHERE (name, key) > (?1, ?2) ORDER BY name, key")                   \
	STATEMENT(WALK_TRIPLET, "SELECT '', key, expires_ms, last_ms, first_ms, passed_ms, "       \
				"passes, sum, colour FROM triplet WHERE key > ?2 ORDER BY key")

enum sqlite_statement {
#define STATEMENT(symbol, sql) symbol,
	SQLITE_STATEMENTS(STATEMENT)
#undef STATEMENT
		SQLITE_STATEMENT_COUNT
};
/* "GET_KNOWN + class" is the statement of a class. */
_Static_assert((int)STORE_KNOWN == 0 && (int)STORE_TALLY == 1 && (int)STORE_TRIPLET == 2,
	       "as they stand above");

enum sqlite_number { ROW_EXPIRES, ROW_LAST, ROW_FIRST, ROW_PASSED, ROW_PASSES, ROW_NUMBERS };

/* A row of any class.  Of numbers a tally has the first two, a known entry the first. */
struct sqlite_row {
	enum store_class class;
	struct span set, key; /* a triplet has no set */
	int64_t number[ROW_NUMBERS];
	struct span text; /* of a triplet: its colour */
};

struct sqlite_file {
	sqlite3 *db; /* NULL: closed */
	sqlite3_stmt *statement[SQLITE_STATEMENT_COUNT];
};

enum sqlite_op_kind { OP_COUNT, OP_TOUCH, OP_PUT, OP_ERASE, OP_PAGE };
enum sqlite_answer { ANSWER_FAILED, ANSWER_NONE, ANSWER_ITEM, ANSWER_TALLY };

/* One operation, with all that it needs.  The asker's thread makes and frees it; between the
 * two the line, the writer and the inbox own it. */
struct sqlite_op {
	struct sqlite_op *next;
	struct sqlite_port *port;
	enum sqlite_op_kind kind;
	enum store_class class;
	bool is_rehearsal;
	bool is_answered; /* somebody is told: a wait, or done() */
	int64_t now_ms;
	struct span set, key, value;
	int64_t expires_ms;
	union {
		struct tally_count count;
		struct triplet_terms terms;
		struct store_page page;
	} task;
	/* of the port's thread alone */
	struct store_wait *wait; /* NULL: forgotten, or never was */
	store_done *done;
	void *self;
	/* the answer of a count or a touch */
	enum sqlite_answer answer;
	enum fact_cause cause;
	struct tally_result tally;
	char item[TRIPLET_TEXT_MAX];
	size_t item_len;
	/* of the others */
	struct store_ended ended;
	struct arena arena;
	char bytes[]; /* of the spans */
};

struct sqlite_port {
	struct store_port port;
	struct event *wake;
	int wake_fd;
	/* under the lock; is_closed is set by the port's thread alone */
	bool is_closed; /* freed with its last operation */
	bool is_woken;
	uint32_t in_line;               /* operations that are not finished */
	struct sqlite_op *first, *last; /* the inbox */
};

/* What is known of a file without the writer's help: see sqlite_check.c. */
enum sqlite_whole { WHOLE_UNKNOWN, WHOLE_YES, WHOLE_NO, WHOLE_UNCHECKED };

struct sqlite_check {
	struct sqlite *sqlite;
	sqlite3 *db; /* a connection of its own, that sees the file as it was at its opening */
	pthread_t thread;
	bool is_running;              /* there is a thread to join */
	atomic_int_fast64_t until_us; /* patience; 0: give up */
	/* under the lock once there is a thread */
	bool is_over;
	bool is_counting; /* the file was just opened: how many entries are there? */
	enum sqlite_whole whole;
	int64_t entries; /* triplets and tallies; -1: not known */
	char why[256];
};

/* A clock for what expires: the time of who asks, but never faster than real time. */
struct sqlite_clock {
	int64_t now_ms;  /* of the last question; 0: nobody has asked yet */
	int64_t seen_us; /* when that was */
	int64_t trusted_ms, trusted_us;
	int64_t doubted_us; /* since when now_ms is too far ahead; 0: it is not */
};

/* Ages of what may go when there is too much: those that never came back before all others. */
enum sqlite_rank { RANK_WAITING, RANK_USED, RANK_COUNT };

struct sqlite_histogram {
	int64_t at_ms; /* ages are before it; 0: none */
	uint64_t count[RANK_COUNT][SQLITE_BUCKETS];
};

struct sqlite_sweep {
	bool is_running;
	int64_t next_us; /* when the next stretch, or the next sweep begins */
	enum store_class class;
	char set[STORE_SET_MAX + 1], key[STORE_KEY_MAX + 1]; /* where it stands */
	size_t set_len, key_len;
	uint64_t removed;
	int64_t kept; /* triplets and tallies */
	struct sqlite_histogram seen;
	/* what goes, by the histogram of the sweep before */
	int64_t cut_at_ms; /* 0: nothing but what has expired */
	enum sqlite_rank cut_rank;
	unsigned cut_bucket;
	uint64_t cut_quota; /* of the bucket itself */
	bool is_stuck;      /* too much is there, but nothing that may go */
	/* what a stretch has found: lengths and bytes of set and key, one after the other */
	size_t doomed_len;
	uint32_t doomed_expired;
	char doomed[SQLITE_DOOMED_BYTES];
};

/* Memory's sets on their way into a new file. */
struct sqlite_refill {
	bool is_running;
	bool is_inside; /* set has more, behind key */
	char set[STORE_SET_MAX + 1], key[STORE_KEY_MAX + 1];
	size_t set_len, key_len;
};

struct sqlite_group {
	int64_t minute;
	uint32_t count;
};

struct sqlite {
	struct store *store;
	char path[SQLITE_PATH_MAX + 1];
	int lock_fd;
	pthread_t thread;
	pthread_mutex_t lock; /* of the line, all inboxes, and what check says of itself */
	pthread_cond_t stirred;
	struct sqlite_op *first, *last; /* the line */
	bool is_ending;
	atomic_uint_fast64_t in_line;
	atomic_int_fast64_t entries; /* triplets and tallies */
	atomic_bool is_down;
	/* the writer's */
	struct sqlite_file file;
	bool is_counted;                   /* entries is complete: by check, or by a sweep */
	int64_t added;                     /* entries of the transaction that runs */
	bool has_written;                  /* in it */
	uint32_t wrong[STORE_CLASS_COUNT]; /* rows that were deleted for their sums, not told yet */
	uint32_t wrong_today;
	int64_t wrong_us;    /* when that day began; 0: none was wrong yet */
	int64_t dirty_us;    /* since when something is not on the disk; 0: nothing */
	int64_t shrink_us;   /* when the journal is to be emptied; 0: it is */
	int64_t retry_us;    /* when writing, or opening, is tried again; 0: all is well */
	int64_t aside_us;    /* when a file was last set aside; 0: never */
	bool has_said_stuck; /* a damaged file cannot be set aside */
	int64_t said_group_ms, said_full_ms;
	struct sqlite_check check;
	struct sqlite_clock clock;
	struct sqlite_sweep sweep;
	struct sqlite_refill refill;
	struct hash_key hash;
	struct sqlite_group group[SQLITE_GROUPS];
};

static inline int64_t sqlite_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The file itself says that it is not whole. */
static inline bool sqlite_is_damage(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

/* --- sqlite_file.c --- */

/** The name of a file system that several hosts share; NULL: it is none. */
const char *sqlite_network_name(uint64_t type);

/** Make the directory, take the lock.  @return ERR_SYSTEM, with why */
MUST_USE enum err sqlite_claim(struct sqlite *sqlite, struct text *why);
void sqlite_unclaim(struct sqlite *sqlite);

/** Open and prepare; a new file gets its tables.
 *
 * @return ERR_SYNTAX: it is damaged, why says how; ERR_SYSTEM: it cannot be used, with why
 */
MUST_USE enum err sqlite_file_open(struct sqlite *sqlite, struct text *why);
/** @param is_whole  what stands in the journal goes into the file; else all stays as it is */
void sqlite_file_close(struct sqlite_file *file, bool is_whole);

/** Open a connection with our settings; NULL and *rc_out unless it worked. */
sqlite3 *sqlite_connect(const char *path, int *rc_out);

/** The file goes to a dated name, with its journal, and is said.  @return false: it cannot */
MUST_USE bool sqlite_set_aside(struct sqlite *sqlite, const char *what);

/** Run a statement that gives no rows. */
int sqlite_do(struct sqlite_file *file, enum sqlite_statement which);
/** The statement with ?1 and ?2 bound, reset. */
sqlite3_stmt *sqlite_prepare(struct sqlite_file *file, enum sqlite_statement which, struct span set,
			     struct span key);
void sqlite_bind(sqlite3_stmt *statement, int index, struct span text);
/** A column as it is in the file; borrowed until the next step. */
struct span sqlite_column(sqlite3_stmt *statement, int column);
/** A step that gives no row.  Resets. */
int sqlite_finish(sqlite3_stmt *statement);

/* --- sqlite_row.c --- */

/** Over the table and all other columns. */
int32_t sqlite_row_sum(const struct sqlite_row *row);
int sqlite_row_put(struct sqlite_file *file, const struct sqlite_row *row);
/** Numbers, sum and text from column first on; the caller has given class, set and key.
 *
 * @param row  its text is borrowed until the next step
 * @return false: it does not hold its sum; what is in row then is worth nothing
 */
MUST_USE bool sqlite_row_read(sqlite3_stmt *statement, int first, struct sqlite_row *row);
/** The same, of a statement that begins with set and key. */
MUST_USE bool sqlite_row_walk(sqlite3_stmt *walk, enum store_class class, struct sqlite_row *row);
/** Delete a row that does not hold its sum, and count it.  @return of sqlite3; CORRUPT where it is
 * not found by its own key */
MUST_USE int sqlite_row_erase(struct sqlite *sqlite, const struct sqlite_row *row);
MUST_USE int sqlite_row_erase_walked(struct sqlite *sqlite, enum store_class class,
				     sqlite3_stmt *walk);

/* --- sqlite_check.c --- */

/** Look at the file: before anything else is done where it is small, beside the writer's work
 * where it is big. */
MUST_USE enum err sqlite_check_begin(struct sqlite *sqlite, struct text *why);
/** Give up, or tidy up. */
void sqlite_check_end(struct sqlite *sqlite);
/** Look again, beside the writer's work, unless that is under way. */
void sqlite_check_again(struct sqlite *sqlite);

/* --- sqlite_run.c --- */

/** Do it; its answer is in op.
 *
 * @param may_write  false: what would have to be written fails
 * @return of sqlite3; unless OK, nothing of op's transaction is done
 */
MUST_USE int sqlite_run(struct sqlite *sqlite, struct sqlite_op *op, bool may_write);
void sqlite_op_fail(struct sqlite_op *op, enum fact_cause cause, const char *why);

/** The triplet in a row.  @return false: nothing sensible */
MUST_USE bool sqlite_row_triplet(const struct sqlite_row *row, struct triplet *triplet);

/** May this group have a new triplet?  Counts it. */
bool sqlite_admit(struct sqlite *sqlite, struct span group, int64_t now_ms);

/* --- sqlite_sets.c --- */

/** Fill store->memory from the file. */
MUST_USE int sqlite_load_sets(struct sqlite *sqlite);
/** The file is new: fill it from store->memory. */
void sqlite_refill_begin(struct sqlite_refill *refill);
/** A page of it, while refill.is_running.  @return of sqlite3 */
MUST_USE int sqlite_refill(struct sqlite *sqlite);

/* --- sqlite_sweep.c --- */

void sqlite_clock_saw(struct sqlite_clock *clock, int64_t now_ms, int64_t now_us);
/** @return 0: nobody has said yet what time it is */
int64_t sqlite_clock_ms(struct sqlite_clock *clock, int64_t now_us);

/** A stretch, if it is time.  @return of sqlite3; the sweep has given up unless OK */
MUST_USE int sqlite_sweep(struct sqlite *sqlite, int64_t now_us);
/** When sqlite_sweep() wants to be called. */
int64_t sqlite_sweep_next_us(const struct sqlite *sqlite);

/* --- sqlite_writer.c --- */

MUST_USE enum err sqlite_writer_start(struct sqlite *sqlite, struct text *why);
/** What is in line is done first. */
void sqlite_writer_stop(struct sqlite *sqlite);

/** Begin a thread that no signal goes to. */
MUST_USE bool sqlite_thread(pthread_t *thread, void *(*work)(void *), void *self);

/* --- sqlite.c --- */

/** The answers of a batch, or one of them: to the inboxes. */
void sqlite_deliver(struct sqlite *sqlite, struct sqlite_op *batch);
