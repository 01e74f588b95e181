/* sqlite_writer.c -- the thread that has the file of the sqlite driver.
 *
 * Whatever has queued up while the last commit ran is one transaction.  When that cannot be
 * written (the disk is full, somebody else holds the file) its operations are done once more for
 * reading alone: what needs a write fails, the rest is answered.  After a second writing is
 * tried again.
 *
 * A commit is safe from kill -9 as soon as it is made.  So that a loss of power takes no more
 * than the last seconds with it, the journal is brought to the disk every few seconds (at every
 * commit with "sync full").
 */
#include "store/sqlite_priv.h"

#include "base/ensure.h"
#include "store/blame.h"

#include <errno.h>
#include <signal.h>

enum {
	SYNC_US = 4 * 1000 * 1000, /* design requirement S1: five seconds in all */
	IDLE_US = 10 * 1000 * 1000,
	RETRY_US = 1000 * 1000,
	REOPEN_US = 5 * 1000 * 1000,
	ASIDE_US = 60 * 1000 * 1000, /* not oftener: a bad disk would be filled with files */
};
#define DAY_US (INT64_C(24) * 3600 * 1000 * 1000)

/* --- faults --- */

static void roll_back(struct sqlite *sqlite)
{
	for (size_t i = 0; i < SQLITE_STATEMENT_COUNT; i++)
		sqlite3_reset(sqlite->file.statement[i]);
	if (sqlite3_get_autocommit(sqlite->file.db) == 0)
		(void)sqlite_do(&sqlite->file, DO_ROLLBACK);
}

/* It cannot be written now. */
static void refused(struct sqlite *sqlite, const char *why)
{
	store_count(&sqlite->store->count.failures);
	if (sqlite->retry_us == 0)
		store_say(sqlite->store, STORE_ERROR,
			  "store %s cannot be written (%s): what is known is still read",
			  sqlite->path, why);
	sqlite->retry_us = sqlite_now_us() + RETRY_US;
	atomic_store(&sqlite->is_down, true);
}

static void mended(struct sqlite *sqlite)
{
	if (sqlite->retry_us == 0)
		return;
	sqlite->retry_us = 0;
	atomic_store(&sqlite->is_down, false);
	store_say(sqlite->store, STORE_NOTICE, "store %s can be written again", sqlite->path);
}

/* Open, look at it; what is damaged is set aside, and a new one is begun. */
static enum err open_any(struct sqlite *sqlite, struct text *why)
{
	enum err err;

	for (int tries = 0; tries < 2; tries++) {
		text_clear(why);
		err = sqlite_file_open(sqlite, why);
		if (err == OK)
			err = sqlite_check_begin(sqlite, why);
		if (err != ERR_SYNTAX)
			break;
		if (!sqlite_set_aside(sqlite, text_cstr(why)))
			return ERR_SYSTEM;
		sqlite->aside_us = sqlite_now_us();
		sqlite_refill_begin(&sqlite->refill);
	}
	if (err != OK)
		sqlite_file_close(&sqlite->file, false);
	atomic_store(&sqlite->entries, 0);
	memset(sqlite->wrong, 0, sizeof(sqlite->wrong));
	sqlite->wrong_us = 0;
	sqlite->is_counted = false;
	sqlite->sweep.is_running = false;
	sqlite->sweep.cut_at_ms = 0;
	sqlite->dirty_us = 0;
	return err == OK ? OK : ERR_SYSTEM;
}

/* The file is closed: try to have one again. */
static void reopen(struct sqlite *sqlite)
{
	TEXT(why, SQLITE_WHY_MAX);

	if (sqlite_now_us() < sqlite->retry_us)
		return;
	if (open_any(sqlite, &why) == OK) {
		mended(sqlite);
		atomic_store(&sqlite->is_down, false);
		return;
	}
	if (!atomic_exchange(&sqlite->is_down, true))
		store_say(sqlite->store, STORE_ERROR, "store: %s", text_cstr(&why));
	sqlite->retry_us = sqlite_now_us() + REOPEN_US;
}

/* The file is damaged. */
static void begin_anew(struct sqlite *sqlite, const char *what)
{
	int64_t now_us = sqlite_now_us();
	bool is_too_often = sqlite->aside_us != 0 && now_us - sqlite->aside_us < ASIDE_US;

	store_count(&sqlite->store->count.failures);
	sqlite_check_end(sqlite);
	if (!is_too_often)
		sqlite->aside_us = now_us;
	if (is_too_often || !sqlite_set_aside(sqlite, what)) {
		if (is_too_often)
			store_say(sqlite->store, STORE_ERROR,
				  "store %s is damaged again (%s): nothing is remembered for now",
				  sqlite->path, what);
		sqlite_file_close(&sqlite->file, false);
		sqlite->retry_us = now_us + (is_too_often ? ASIDE_US : REOPEN_US);
		atomic_store(&sqlite->is_down, true);
		return;
	}
	sqlite_refill_begin(&sqlite->refill);
	sqlite->retry_us = 0;
	reopen(sqlite);
}

/* --- rows that did not hold their sums --- */

/* What has been deleted since the last time; 0: nothing. */
static uint32_t take_wrong(struct sqlite *sqlite)
{
	int64_t now_us = sqlite_now_us();
	uint32_t wrong = 0;

	for (int class = 0; class < STORE_CLASS_COUNT; class ++) {
		wrong += sqlite->wrong[class];
		if (class != STORE_KNOWN)
			atomic_fetch_sub(&sqlite->entries, sqlite->wrong[class]);
		sqlite->wrong[class] = 0;
	}
	if (wrong == 0)
		return 0;
	if (sqlite->wrong_us == 0 || now_us - sqlite->wrong_us > DAY_US) {
		sqlite->wrong_us = now_us;
		sqlite->wrong_today = 0;
	}
	sqlite->wrong_today += wrong;
	return wrong;
}

/* One or a few are deleted and no more; but where one is wrong others may be, so the whole file
 * is looked at.  With many it is damaged. */
static void judge_wrong(struct sqlite *sqlite)
{
	uint32_t wrong = take_wrong(sqlite);

	if (wrong == 0 || sqlite->file.db == NULL)
		return;
	store_count(&sqlite->store->count.failures);
	if (sqlite->wrong_today > SQLITE_WRONG_MAX) {
		begin_anew(sqlite, "too many entries do not hold their sums");
		return;
	}
	store_say(sqlite->store, STORE_WARNING,
		  "store %s: %u damaged %s: deleted; the file is looked at", sqlite->path, wrong,
		  wrong == 1 ? "entry" : "entries");
	sqlite_check_again(sqlite);
}

/* --- a batch --- */

static void committed(struct sqlite *sqlite)
{
	int64_t now_us = sqlite_now_us();

	atomic_fetch_add(&sqlite->entries, sqlite->added);
	if (!sqlite->has_written)
		return;
	store_count(&sqlite->store->count.commits);
	if (sqlite->dirty_us == 0)
		sqlite->dirty_us = now_us;
	sqlite->shrink_us = now_us + IDLE_US;
}

static int run_batch(struct sqlite *sqlite, struct sqlite_op *batch, bool may_write,
		     struct text *why)
{
	int rc = sqlite_do(&sqlite->file, may_write ? DO_BEGIN_WRITE : DO_BEGIN_READ);

	sqlite->added = 0;
	sqlite->has_written = false;
	for (struct sqlite_op *op = batch; op != NULL && rc == SQLITE_OK; op = op->next)
		rc = sqlite_run(sqlite, op, may_write);
	if (rc == SQLITE_OK)
		rc = sqlite_do(&sqlite->file, DO_COMMIT);
	if (rc == SQLITE_OK) {
		committed(sqlite);
		return rc;
	}
	text_addf(why, "%s",
		  sqlite_is_damage(rc) ? sqlite3_errstr(rc) : sqlite3_errmsg(sqlite->file.db));
	roll_back(sqlite);
	memset(sqlite->wrong, 0, sizeof(sqlite->wrong));
	return rc;
}

static void fail_batch(struct sqlite_op *batch, enum fact_cause cause)
{
	for (struct sqlite_op *op = batch; op != NULL; op = op->next)
		sqlite_op_fail(op, cause, "the store cannot be read or written now");
}

static void read_batch(struct sqlite *sqlite, struct sqlite_op *batch)
{
	TEXT(why, SQLITE_WHY_MAX);
	int rc = run_batch(sqlite, batch, false, &why);

	if (rc == SQLITE_OK)
		return;
	fail_batch(batch, CAUSE_REFUSED);
	if (sqlite_is_damage(rc))
		begin_anew(sqlite, text_cstr(&why));
}

/* The journal into the file.  Readers are not waited for: then it is done another time. */
static void empty_journal(struct sqlite *sqlite, int mode)
{
	int rc;

	sqlite3_busy_timeout(sqlite->file.db, 0);
	rc = sqlite3_wal_checkpoint_v2(sqlite->file.db, "main", mode, NULL, NULL);
	sqlite3_busy_timeout(sqlite->file.db, SQLITE_BUSY_MS);
	sqlite->shrink_us = rc == SQLITE_OK ? 0 : sqlite_now_us() + IDLE_US;
	if (rc == SQLITE_OK)
		sqlite->dirty_us = 0;
}

static bool is_no_room(int rc)
{
	return (rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_WRITE;
}

static void do_batch(struct sqlite *sqlite, struct sqlite_op *batch)
{
	bool has_emptied = false;
	TEXT(why, SQLITE_WHY_MAX);
	int rc = SQLITE_CORRUPT;

	/* again, when a new file has been begun, or the journal has given room */
	for (int tries = 0; sqlite->file.db != NULL && tries < 3; tries++) {
		if (sqlite_now_us() < sqlite->retry_us) {
			read_batch(sqlite, batch);
			return;
		}
		text_clear(&why);
		rc = run_batch(sqlite, batch, true, &why);
		if (sqlite_is_damage(rc)) {
			begin_anew(sqlite, text_cstr(&why));
		} else if (is_no_room(rc) && !has_emptied) {
			/* written from its beginning again; its room stays ours */
			empty_journal(sqlite, SQLITE_CHECKPOINT_RESTART);
			has_emptied = true;
		} else {
			break;
		}
	}
	if (sqlite->file.db == NULL || sqlite_is_damage(rc)) {
		fail_batch(batch, CAUSE_DOWN);
	} else if (rc == SQLITE_OK) {
		if (sqlite->has_written)
			mended(sqlite);
	} else {
		refused(sqlite, text_cstr(&why));
		read_batch(sqlite, batch);
	}
}

/* --- between batches --- */

static void take_check(struct sqlite *sqlite)
{
	struct sqlite_check *check = &sqlite->check;
	bool is_over;

	pthread_mutex_lock(&sqlite->lock);
	is_over = check->is_over;
	check->is_over = false;
	pthread_mutex_unlock(&sqlite->lock);
	if (!is_over)
		return;
	sqlite_check_end(sqlite);
	if (check->whole == WHOLE_NO) {
		begin_anew(sqlite, check->why);
		return;
	}
	if (check->whole == WHOLE_UNCHECKED)
		store_say(sqlite->store, STORE_NOTICE,
			  "store %s was not looked at as a whole: it is too big for that, or too "
			  "slow to read",
			  sqlite->path);
	if (!check->is_counting || check->entries < 0 || sqlite->is_counted)
		return; /* else the next sweep counts */
	atomic_fetch_add(&sqlite->entries, check->entries);
	sqlite->is_counted = true;
}

static void sync_journal(struct sqlite *sqlite)
{
	sqlite3_file *journal = NULL;
	int rc = sqlite3_file_control(sqlite->file.db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
				      (void *)&journal);

	sqlite->dirty_us = 0;
	if (rc == SQLITE_OK && journal != NULL && journal->pMethods != NULL)
		rc = journal->pMethods->xSync(journal, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
	if (rc != SQLITE_OK)
		refused(sqlite, sqlite3_errstr(rc));
}

static void tidy(struct sqlite *sqlite)
{
	int64_t now_us = sqlite_now_us();
	int rc;

	take_check(sqlite);
	judge_wrong(sqlite);
	if (sqlite->file.db == NULL)
		reopen(sqlite);
	if (sqlite->file.db == NULL || now_us < sqlite->retry_us)
		return;
	if (sqlite->dirty_us != 0 && now_us >= sqlite->dirty_us + SYNC_US)
		sync_journal(sqlite);
	if (sqlite->shrink_us != 0 && now_us >= sqlite->shrink_us)
		empty_journal(sqlite, SQLITE_CHECKPOINT_TRUNCATE);
	rc = sqlite->refill.is_running ? sqlite_refill(sqlite) : sqlite_sweep(sqlite, now_us);
	if (rc == SQLITE_OK)
		return;
	roll_back(sqlite);
	if (sqlite_is_damage(rc))
		begin_anew(sqlite, sqlite3_errstr(rc));
	else
		refused(sqlite, sqlite3_errstr(rc));
}

/* When tidy() has something to do. */
static int64_t tidy_next_us(const struct sqlite *sqlite)
{
	int64_t next_us = sqlite_sweep_next_us(sqlite);

	if (sqlite->file.db == NULL || sqlite->refill.is_running)
		return sqlite->retry_us;
	if (sqlite->dirty_us != 0 && sqlite->dirty_us + SYNC_US < next_us)
		next_us = sqlite->dirty_us + SYNC_US;
	if (sqlite->shrink_us != 0 && sqlite->shrink_us < next_us)
		next_us = sqlite->shrink_us;
	return next_us > sqlite->retry_us ? next_us : sqlite->retry_us;
}

/* --- the thread --- */

static void wait_stirred(struct sqlite *sqlite, int64_t until_us)
{
	struct timespec until = { .tv_sec = until_us / 1000000,
				  .tv_nsec = until_us % 1000000 * 1000 };

	if (until_us == INT64_MAX)
		pthread_cond_wait(&sqlite->stirred, &sqlite->lock);
	else
		pthread_cond_timedwait(&sqlite->stirred, &sqlite->lock, &until);
}

/* Off the front of the line.  A page ends its batch: it takes as long as many others. */
static struct sqlite_op *take_batch(struct sqlite *sqlite)
{
	struct sqlite_op *batch = sqlite->first, *last = batch;

	if (batch == NULL)
		return NULL;
	for (int count = 1; count < SQLITE_BATCH_MAX && last->next != NULL; count++) {
		if (last->kind == OP_PAGE)
			break;
		last = last->next;
	}
	sqlite->first = last->next;
	if (sqlite->first == NULL)
		sqlite->last = NULL;
	last->next = NULL;
	return batch;
}

static void saw(struct sqlite *sqlite, const struct sqlite_op *batch)
{
	int64_t now_us = sqlite_now_us();

	for (; batch != NULL; batch = batch->next)
		if (batch->kind == OP_COUNT || batch->kind == OP_TOUCH)
			sqlite_clock_saw(&sqlite->clock, batch->now_ms, now_us);
}

/* The sets must not be lost with the process that has them. */
static void end_refill(struct sqlite *sqlite)
{
	while (sqlite->file.db != NULL && sqlite->refill.is_running)
		if (sqlite_refill(sqlite) != SQLITE_OK) {
			roll_back(sqlite);
			return;
		}
}

static void *writer_work(void *self)
{
	struct sqlite *sqlite = self;
	struct sqlite_op *batch;

	blame_set(true);
	for (;;) {
		int64_t next_us;

		tidy(sqlite);
		next_us = tidy_next_us(sqlite);
		pthread_mutex_lock(&sqlite->lock);
		while (sqlite->first == NULL && !sqlite->is_ending && !sqlite->check.is_over &&
		       sqlite_now_us() < next_us)
			wait_stirred(sqlite, next_us);
		batch = take_batch(sqlite);
		if (batch == NULL && sqlite->is_ending)
			break;
		pthread_mutex_unlock(&sqlite->lock);
		if (batch == NULL)
			continue;
		saw(sqlite, batch);
		do_batch(sqlite, batch);
		sqlite_deliver(sqlite, batch);
	}
	pthread_mutex_unlock(&sqlite->lock);
	end_refill(sqlite);
	return NULL;
}

bool sqlite_thread(pthread_t *thread, void *(*work)(void *), void *self)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	failed = pthread_create(thread, NULL, work, self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed == 0;
}

enum err sqlite_writer_start(struct sqlite *sqlite, struct text *why)
{
	int rc;

	if (open_any(sqlite, why) != OK)
		return ERR_SYSTEM;
	rc = sqlite_load_sets(sqlite);
	if (sqlite_is_damage(rc)) {
		roll_back(sqlite);
		begin_anew(sqlite, sqlite3_errstr(rc));
	} else if (rc != SQLITE_OK) {
		text_addf(why, "%s: %s", sqlite->path, sqlite3_errstr(rc));
	}
	if (why->len == 0 && sqlite_thread(&sqlite->thread, writer_work, sqlite))
		return OK;
	if (why->len == 0)
		text_addf(why, "no thread for the store");
	sqlite_check_end(sqlite);
	sqlite_file_close(&sqlite->file, false);
	return ERR_SYSTEM;
}

void sqlite_writer_stop(struct sqlite *sqlite)
{
	pthread_mutex_lock(&sqlite->lock);
	sqlite->is_ending = true;
	pthread_cond_signal(&sqlite->stirred);
	pthread_mutex_unlock(&sqlite->lock);
	pthread_join(sqlite->thread, NULL);
	sqlite_check_end(sqlite);
	sqlite_file_close(&sqlite->file, true);
}
